"""The page of faults holds: what it shows is what the clients do now."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, get_args

import aiohttp
import pytest
import urllib3
from bench import page
from bench.faults.clients import CLIENTS
from bench.faults.frame import ROUTES
from bench.faults.groups import GROUPS
from bench.faults.play import Seen, play
from bench.faults.render import (
    LOCKED,
    PAGE,
    cell,
    installed,
    link,
    measured,
    render,
    render_frame,
)

from asyncly import srvmocker
from asyncly.srvmocker import EmptyResponse, MockService, TlsFault, start_service
from asyncly.srvmocker.responses.wire import ScriptedResponse
from asyncly.srvmocker.server.outage import OutageKind

from ..versions import LENIENT_CLIENT, is_taken_for_an_answer
from .blocks import ROOT
from .test_comparison import read_tables

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bench.faults.cases import Case

CASES = [case for group in GROUPS for case in group.cases]
WHAT_TO_DO = (
    "Run `make faults`, look at the difference, and change what the page says above its tables; "
    "the pins stand in pyproject.toml, in the group `faults`."
)
NOT_SCRIPTED = ("DripResponse", "StaleConnection", "EarlyHints", "ExpectationFailed", "HalfClose")

needs_curl = pytest.mark.skipif(
    shutil.which("curl") is None and "CI" not in os.environ, reason="curl is one of the clients"
)

Cells = Mapping[tuple[str, str], str]


def explain_versions(page: Mapping[str, str], here: Mapping[str, str]) -> str:
    """Return which clients are not those of the page, or an empty text."""
    others = [
        f"{name} {page[name]} (here is {here[name]})" for name in here if page[name] != here[name]
    ]
    return f"docs/faults.md was measured with {', '.join(others)}. " if others else ""


def find_differences(shown: Cells, seen: Cells) -> list[str]:
    """Return what the page shows and a client did otherwise, a line each."""
    places = dict.fromkeys([*shown, *seen])
    return [
        f"{row}, {client}: the page says {shown.get((row, client))}, "
        f"it is {seen.get((row, client))}"
        for row, client in places
        if shown.get((row, client)) != seen.get((row, client))
    ]


def page_cells() -> dict[tuple[str, str], str]:
    return {place: text for place, text in read_tables(PAGE).items() if place[0][:1] == "["}


def expected_cells() -> dict[tuple[str, str], str]:
    """Return what the page shows, or says of an older aiohttp."""
    taken = [case for case in CASES if is_taken_for_an_answer(case.line)]
    return page_cells() | {(link(case), "aiohttp"): "**200** `'0123456789'`" for case in taken}


def shown_of(case: Case, shown: Cells) -> Cells:
    return {place: text for place, text in shown.items() if place[0] == link(case)}


def cells_of(case: Case, row: Mapping[str, Seen]) -> Cells:
    return {(link(case), client): cell(client, seen) for client, seen in row.items()}


@needs_curl
@pytest.mark.skipif(sys.platform != "linux", reason="the page was measured on Linux")
def test_every_cell_is_what_the_client_does_now(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "urllib3")  # it tells of broken headers at length
    shown, rows = expected_cells(), play(CASES)
    for number, case in enumerate(CASES):
        for _ in range(2):  # by itself: among others a busy machine may have been late
            if find_differences(shown_of(case, shown), cells_of(case, rows[number])):
                (rows[number],) = play([case])
    cells = {
        place: text
        for case, row in zip(CASES, rows, strict=True)
        for place, text in cells_of(case, row).items()
    }
    differences = find_differences(shown, cells)
    said = "\n".join([explain_versions(measured(), installed()) + WHAT_TO_DO, *differences])
    other_curl = measured()["curl"] != installed()["curl"]  # it comes with the system: no pin
    only_curl = all(", curl: " in line for line in differences)
    if differences and other_curl and only_curl and "CI" not in os.environ:
        pytest.skip(said)
    assert not differences, said
    if LENIENT_CLIENT:  # the recipes are written for the newer one
        return
    found = iter(rows)
    text = render({group: [next(found) for _ in group.cases] for group in GROUPS})
    assert page.read("faults", PAGE) == text, f"the recipes are not those of now. {WHAT_TO_DO}"


def test_the_clients_are_those_of_the_page() -> None:
    here = {name: version for name, version in installed().items() if name in LOCKED}
    explained = explain_versions(measured(), here)
    if explained and "CI" not in os.environ:  # tried on purpose: the pins are not these
        pytest.skip(explained + WHAT_TO_DO)
    assert not explained, explained + WHAT_TO_DO


def test_the_pins_are_the_versions_of_the_page() -> None:
    pins = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["faults"]
    assert dict(pin.split("==") for pin in pins) == {name: measured()[name] for name in LOCKED}


def test_the_prose_names_the_versions_of_the_page() -> None:
    named = re.findall(rf"\b({'|'.join(CLIENTS)})\s+(\d+\.\d+\.\d+)", PAGE.read_text())
    assert named
    assert dict(named) == {name: measured()[name] for name, _ in named}


def test_the_frame_is_the_module_that_runs() -> None:
    assert page.read("frame", PAGE) == render_frame(), WHAT_TO_DO


def test_every_fault_has_a_row() -> None:
    scripted = [
        name
        for name in srvmocker.__all__
        if isinstance(kind := getattr(srvmocker, name), type) and issubclass(kind, ScriptedResponse)
    ]
    text = "\n".join(f"{case.line} {case.met}" for case in CASES)
    outages = [f'service.outage("{kind}")' for kind in get_args(OutageKind)]
    shaken = [name for name, fault in vars(TlsFault).items() if isinstance(fault, TlsFault)]
    handshakes = [f'service.tls.fault = "{name}"' for name in shaken]
    wanted = [*scripted, *NOT_SCRIPTED, *outages, *handshakes, "TlsFault.alert", "service.down()"]
    assert len(scripted) > 10
    assert len(shaken) > 10
    assert [name for name in wanted if name not in text] == []


@pytest.mark.parametrize(
    ("title", "client", "shown"),
    [
        ("Malformed chunk, late", "aiohttp", "`TimeoutError` ⏱"),
        ("Malformed chunk", "aiohttp", "`ClientResponseError`"),
        ("Closed without an answer", "aiohttp", "`ServerDisconnectedError`, sent again"),
        ("Head cut short", "requests", "**200** `''`"),
        ("Head cut short", "urllib3", "**200** `''`"),
        ("Head cut short", "curl", "**200** `''`"),
        ("Early hints", "requests", "**103** `''`"),
        ("Early hints", "urllib3", "**103** `''`"),
        ("Header without a colon", "requests", "**200** `'0123456789'`"),
        ("Header with a NUL", "urllib3", "**200** `'0123456789'`"),
        ("Negative length", "requests", "**200** `'01234'`"),
        ("Stall in the body", "requests", "`ConnectionError` ⏱"),
        ("Slow drip", "httpx", "**200** `'0123456789'` ⏱"),
        ("Two answers at once", "httpx", "**200** `'evil'`"),
        ("POST on a closed connection", "curl", "**200** `'ok'`, sent again"),
        ("No client certificate", "httpx", "`ssl.SSLError`"),
        ("Stall in the handshake", "httpx", "`ConnectTimeout` ⏱"),
        ("Stall in the handshake", "requests", "`ReadTimeout` ⏱"),
        *[("Gzip cut short", client, "**200** `'meow'`") for client in CLIENTS],
    ],
)
def test_what_stands_out_stands_in_the_table(title: str, client: str, shown: str) -> None:
    """The list above the tables was written by hand: change it if one of these changes."""
    (case,) = [case for case in CASES if case.title == title]
    assert page_cells()[link(case), client] == shown


@pytest.fixture
async def service() -> AsyncIterator[MockService]:
    async with start_service(ROUTES) as service:
        yield service


async def test_urllib3_asks_four_times_by_default(service: MockService) -> None:
    service.register("fact", EmptyResponse())

    def fetch() -> None:
        with urllib3.PoolManager() as pool, pytest.raises(urllib3.exceptions.MaxRetryError):
            pool.request("GET", str(service.url / "fact"))

    await asyncio.to_thread(fetch)
    service.assert_called("fact", times=4)


async def test_aiohttp_repeats_a_get_and_no_post(service: MockService) -> None:
    service.register("fact", EmptyResponse())
    service.register("create", EmptyResponse())
    async with aiohttp.ClientSession(service.url) as session:
        for ask in (session.get("/fact"), session.post("/orders")):
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await ask
    service.assert_called("fact", times=2)
    service.assert_called("create", times=1)


_LATE_CHUNK = """
import asyncio
import aiohttp
from asyncly.srvmocker import MalformedChunkResponse, MockRoute, start_service

async def main():
    async with start_service([MockRoute("GET", "/fact", "fact")]) as service:
        service.register("fact", MalformedChunkResponse(delay=0.05))
        limits = aiohttp.ClientTimeout(total=2, sock_read=0.5)
        async with aiohttp.ClientSession(service.url, timeout=limits) as session:
            try:
                await (await session.get("/fact")).read()
            except Exception as error:
                print(type(error).__name__)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("without_c", "said"), [("", "TimeoutError"), ("1", "TransferEncodingError")]
)
def test_only_the_total_ends_a_late_chunk_in_the_c_parser(without_c: str, said: str) -> None:
    env = {**os.environ, "AIOHTTP_NO_EXTENSIONS": without_c}
    run = [sys.executable, "-c", _LATE_CHUNK]
    assert subprocess.check_output(run, env=env, text=True, timeout=60) == f"{said}\n"


def test_other_versions_are_named() -> None:
    here = {"aiohttp": "4.0.0", "httpx": "0.28.1"}
    assert explain_versions({"aiohttp": "3.14.5", "httpx": "0.28.1", "curl": "8.0.0"}, here) == (
        "docs/faults.md was measured with aiohttp 3.14.5 (here is 4.0.0). "
    )
    assert explain_versions(here, here) == ""


def test_a_difference_is_named_by_its_place() -> None:
    shown = {("[a](#a)", "curl"): "exit 1", ("[b](#b)", "curl"): "exit 2"}
    seen = {("[a](#a)", "curl"): "exit 1", ("[b](#b)", "curl"): "exit 3", ("[c](#c)", "curl"): "x"}
    assert find_differences(shown, seen) == [
        "[b](#b), curl: the page says exit 2, it is exit 3",
        "[c](#c), curl: the page says None, it is x",
    ]


@pytest.mark.parametrize(
    ("client", "seen", "shown"),
    [
        ("httpx", Seen("httpx.ReadError"), "`ReadError`"),
        ("requests", Seen("urllib3.LocationParseError"), "`urllib3.LocationParseError`"),
        ("aiohttp", Seen("builtins.TimeoutError", late=True), "`TimeoutError` ⏱"),
        ("curl", Seen("exit 28"), "exit 28"),
        ("httpx", Seen("204"), "**204** `''`"),
        ("httpx", Seen("200 " + "x" * 30), f"**200** `'{'x' * 20}'`…"),
        ("curl", Seen("417", kept_back=True), "**417** `''`, body kept back"),
        ("curl", Seen("200 ok", again=True), "**200** `'ok'`, sent again"),
    ],
)
def test_a_cell_says_what_was_seen(client: str, seen: Seen, shown: str) -> None:
    assert cell(client, seen) == shown
