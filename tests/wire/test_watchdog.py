"""A loop that is blocked while a client waits for the server in it: named, and not waited for."""

from __future__ import annotations

import asyncio
import gc
import http.client
import io
import linecache
import os
import pdb  # noqa: T100 - somebody looks with it
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import pytest
import requests
import trustme

from asyncly.srvmocker import (
    BlockedLoopError,
    BlockedLoopWarning,
    CallbackResponse,
    Gate,
    GatedResponse,
    Match,
    MockRoute,
    MockService,
    RawResponse,
    run_service,
    start_proxy,
    start_service,
)
from asyncly.srvmocker.fixtures import Attachments, FixtureService
from asyncly.srvmocker.server import watchdog as watchdog_module
from asyncly.srvmocker.server.rescue import is_waited_for
from asyncly.srvmocker.server.standstill import LOOKS
from asyncly.srvmocker.server.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

ROUTES = [MockRoute("GET", "/fact", "fact"), MockRoute("POST", "/orders", "create")]
PATIENCE = 0.2
TIMEOUT = 30


class Counting(Watchdog):
    """Lets a test wait until it has looked so often."""

    def __init__(self, patience: float) -> None:
        super().__init__(patience)
        self._looks = 0
        self._looked = threading.Condition()

    def _look(self) -> None:
        super()._look()
        with self._looked:
            self._looks += 1
            self._looked.notify_all()

    def wait_for_looks(self, number: int = 3 * LOOKS) -> None:
        """Wait while it looks `number` times: longer than its patience, by default."""
        with self._looked:
            end = self._looks + number
            assert self._looked.wait_for(lambda: self._looks >= end, TIMEOUT)


@pytest.fixture
def watchdog(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    watchdog = Counting(PATIENCE)
    monkeypatch.setattr("asyncly.srvmocker.server.host.WATCHDOG", watchdog)
    monkeypatch.setattr("asyncly.srvmocker.fixtures.WATCHDOG", watchdog)
    monkeypatch.setattr("asyncly.srvmocker.server.thread.WATCHDOG", watchdog)
    yield watchdog
    watchdog.sleep()


@pytest.fixture
async def service(watchdog: Watchdog) -> AsyncIterator[MockService]:
    async with start_service(ROUTES) as service:
        service.register("fact", RawResponse("Meow."))
        yield service


@pytest.fixture
def said() -> Iterator[list[warnings.WarningMessage]]:
    """What was warned of."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        yield said


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(40) as pool:
        yield pool


def get(url: str) -> tuple[int, str]:
    answer = requests.get(url, timeout=TIMEOUT)
    return answer.status_code, answer.text


async def fetch(service: MockService) -> int:
    async with aiohttp.ClientSession() as session, session.get(service.url / "fact") as answer:
        return answer.status


# --- the deadlock -------------------------------------------------------------------------


def with_requests(url: str) -> str:
    return requests.get(url, timeout=TIMEOUT).text


def with_httpx(url: str) -> str:
    return httpx.get(url, timeout=TIMEOUT).text


def with_urllib(url: str) -> str:
    try:
        urllib.request.urlopen(url, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()
    raise AssertionError("it was answered")


def with_curl(url: str) -> str:
    return subprocess.run(["curl", "-s", url], capture_output=True, text=True, check=True).stdout


CLIENTS: dict[Callable[[str], str], tuple[str, str]] = {
    with_requests: (
        "return requests.get(url, timeout=TIMEOUT).text",
        "requests.get → socket.SocketIO.readinto",
    ),
    with_httpx: (
        "return httpx.get(url, timeout=TIMEOUT).text",
        "httpx.get → httpcore.SyncStream.read",
    ),
    with_urllib: (
        "urllib.request.urlopen(url, timeout=TIMEOUT)",
        "urllib.request.urlopen → socket.SocketIO.readinto",
    ),
    with_curl: (
        'return subprocess.run(["curl", "-s", url], capture_output=True, text=True, check=True)'
        ".stdout",
        "subprocess.run → selectors._PollLikeSelector.select",
    ),
}
ADVICE = """\
The server runs in that same loop, so it cannot answer; \
what waits got a 503, or was cut off. Instead
  use an async client: aiohttp, httpx.AsyncClient
  or `await asyncio.to_thread(...)` around what blocks
  or a server on a thread of its own: `with run_service(routes) as service:`
  or, with the fixture: `@pytest.mark.mock_service(thread=True)`"""


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_call_that_blocks_gets_the_reason(
    client: Callable[[str], str],
    service: MockService,
    said: list[warnings.WarningMessage],
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = client(str(service.url / "fact"))

    (error,) = service.errors
    assert isinstance(error, BlockedLoopError)
    source, call = CLIENTS[client]
    assert linecache.getline(error.filename, error.lineno).strip() == source
    what = (
        f"the event loop that serves {service.url} has stood still for {PATIENCE:g} s, and a "
        "client waits for it. It is blocked by\n"
        f"  {__file__}:{error.lineno}: {source}\n"
        f"  in {call}"
    )
    assert str(error) == f"{what}\n{ADVICE}"
    assert answer == f"503: {error}\n"
    (warning,) = said
    assert isinstance(warning.message, BlockedLoopWarning)
    assert str(warning.message) == str(error)
    assert (warning.filename, warning.lineno) == (error.filename, error.lineno)
    assert [record.message for record in caplog.records if record.name.startswith("asyncly")] == [
        what
    ]
    assert await fetch(service) == 200


async def test_what_was_asked_is_recorded(
    service: MockService, said: list[warnings.WarningMessage]
) -> None:
    answer = requests.post(
        f"{service.url}/orders?dry=1", json={"qty": 3}, headers={"X-Cat": "Tom"}, timeout=TIMEOUT
    )
    assert answer.status_code == 503
    (exchange,) = service.unmatched
    request = exchange.request
    assert (request.method, request.path, request.query["dry"]) == ("POST", "/orders", "1")
    assert (request.headers["X-Cat"], request.json()) == ("Tom", {"qty": 3})
    assert (exchange.status, exchange.outcome) == (503, "503, the loop was blocked")
    assert exchange.error is service.errors[0]
    connection = await service.connections[0].closed()
    assert (connection.number, connection.closed_by) == (request.connection, "server")
    assert (connection.requests, connection.was_reset) == (1, False)
    if sys.platform == "linux":
        assert (connection.bytes_out or 0) > len(answer.content)
    with pytest.raises(AssertionError, match=r"POST /orders\?dry=1 → 503, the loop was blocked$"):
        service.assert_called("create")


async def test_each_time_that_it_blocks_is_told(
    service: MockService, said: list[warnings.WarningMessage]
) -> None:
    for _ in range(5):
        assert get(str(service.url / "fact"))[0] == 503
        assert await fetch(service) == 200  # the one who helps takes nobody who comes later
    assert len(said) == len(service.errors) == 5


async def test_two_calls_in_one_go_are_one_block(
    service: MockService, said: list[warnings.WarningMessage], watchdog: Counting
) -> None:
    assert get(str(service.url / "fact"))[0] == 503
    watchdog.wait_for_looks(2)
    assert get(str(service.url / "fact"))[0] == 503
    assert len(said) == len(service.errors) == 1
    assert len(service.exchanges) == 2


async def test_a_large_body_is_taken_before_the_answer(
    service: MockService, said: list[warnings.WarningMessage]
) -> None:
    assert service.url.host is not None
    connection = http.client.HTTPConnection(service.url.host, service.url.port, timeout=TIMEOUT)
    with closing(connection):
        connection.request("POST", "/orders", bytes(1 << 24))
        assert connection.getresponse().status == 503


@pytest.mark.parametrize("make", [requests.Session, httpx.Client])
async def test_a_kept_connection_gets_the_reason_too(
    make: Any, service: MockService, said: list[warnings.WarningMessage]
) -> None:
    with make() as session:
        url = str(service.url / "fact")
        assert (await asyncio.to_thread(session.get, url)).status_code == 200
        answer = session.get(url, timeout=TIMEOUT)
    assert (answer.status_code, answer.text) == (503, f"503: {service.errors[0]}\n")
    assert [exchange.status for exchange in service.exchanges] == [200, 503]
    (record,) = service.connections
    await record.closed()
    assert (record.requests, record.closed_by) == (2, "server")
    assert len(said) == 1


async def test_a_connection_in_the_midst_of_an_answer_is_cut(
    service: MockService, said: list[warnings.WarningMessage], pool: ThreadPoolExecutor
) -> None:
    gate = Gate()
    service.register("fact", GatedResponse(RawResponse("late"), gate))
    blocked = threading.Event()

    def ask_twice() -> bytes:
        assert service.url.host is not None
        with socket.create_connection((service.url.host, service.url.port or 0), TIMEOUT) as raw:
            raw.sendall(b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\n")
            blocked.wait(TIMEOUT)
            raw.sendall(b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\n")
            return raw.recv(65536)

    asking = pool.submit(ask_twice)
    await gate.waiting()
    blocked.set()
    assert asking.result(TIMEOUT) == b""
    await service.connections[0].closed()
    assert service.exchanges[0].fault == "the client disconnected"
    assert len(service.errors) == 1


@pytest.fixture
def trust() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


@pytest.mark.usefixtures("watchdog")
async def test_over_tls_connections_are_cut(
    trust: tuple[ssl.SSLContext, ssl.SSLContext], said: list[warnings.WarningMessage]
) -> None:
    server, client = trust
    async with start_service(ROUTES, ssl_context=server) as service:
        service.register("fact", RawResponse("Meow."))
        url = str(service.url / "fact")
        with pytest.raises(httpx.ConnectError):
            httpx.get(url, verify=client, timeout=TIMEOUT)
        with httpx.Client(verify=client) as session:
            assert (await asyncio.to_thread(session.get, url)).status_code == 200
            with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
                session.get(url, timeout=TIMEOUT)
        assert len(said) == len(service.errors) == 2
        assert service.connections[0].was_reset
        assert [exchange.status for exchange in service.exchanges] == [200]


@pytest.mark.usefixtures("watchdog")
async def test_a_proxy_is_watched_too(
    service: MockService, said: list[warnings.WarningMessage]
) -> None:
    async with start_proxy() as proxy:
        answer = requests.get(
            str(service.url / "fact"), proxies={"http": str(proxy.url)}, timeout=TIMEOUT
        )
        assert answer.status_code == 503
        assert f"serves {proxy.url} has" in answer.text
        assert len(proxy.errors) == 1
    assert service.errors == ()


@pytest.mark.usefixtures("watchdog")
def test_uvloop(said: list[warnings.WarningMessage]) -> None:
    async def main() -> None:
        async with start_service(ROUTES) as service:
            service.register("fact", RawResponse("Meow."))
            url = str(service.url / "fact")
            assert get(url)[0] == 503
            with requests.Session() as session:
                assert (await asyncio.to_thread(session.get, url)).status_code == 200
                assert session.get(url, timeout=TIMEOUT).status_code == 503
            assert await fetch(service) == 200
        assert len(said) == len(service.errors) == 2

    pytest.importorskip("uvloop").run(main())


@pytest.mark.usefixtures("watchdog")
def test_one_that_blocks_before_the_server_has_begun(said: list[warnings.WarningMessage]) -> None:
    """As in a test with the fixture that awaits nothing."""
    service = FixtureService(ROUTES)
    service.bind()
    service.attachments = attachments = Attachments(service)

    async def main() -> None:
        assert get(str(service.url / "fact"))[0] == 503

    asyncio.run(main())
    attachments.stop()
    assert len(said) == len(service.errors) == 1


async def test_crowds_are_answered_and_what_says_nothing_is_cut(
    service: MockService, said: list[warnings.WarningMessage], pool: ThreadPoolExecutor
) -> None:
    address = (service.url.host, service.url.port or 0)
    with (
        socket.create_connection(address, TIMEOUT) as silent,
        socket.create_connection(address, TIMEOUT) as encrypted,
    ):
        encrypted.sendall(b"\x16\x03\x01\x00\x05hello")
        url = str(service.url / "fact")
        asking = [pool.submit(get, url) for _ in range(30)]
        assert {asked.result(TIMEOUT)[0] for asked in asking} == {503}  # this blocks the loop
        for raw in (silent, encrypted):
            with pytest.raises(ConnectionResetError):
                raw.recv(1)
    assert len(said) == len(service.errors) == 1


async def test_a_sleep_is_named(
    service: MockService, said: list[warnings.WarningMessage], pool: ThreadPoolExecutor
) -> None:
    asking = pool.submit(get, str(service.url / "fact"))
    while not asking.done():
        time.sleep(0.01)
    assert asking.result()[0] == 503
    (error,) = service.errors
    assert f"{__file__}:{sys._getframe().f_lineno - 3}: time.sleep(0.01)\nThe server" in str(error)


async def test_warnings_that_are_errors_make_no_noise(
    service: MockService, capfd: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert get(str(service.url / "fact"))[0] == 503
    (error,) = service.errors
    assert isinstance(error, BlockedLoopError)
    assert capfd.readouterr() == ("", "")


# --- a response that blocks the loop that it is served by -----------------------------------


ADVICE_WITHIN = """\
Responses and predicates run in the loop that serves them: while one blocks, nobody is answered; \
what waits got a 503, or was cut off. Instead
  make the callback an `async def`, and use an async client: aiohttp, httpx.AsyncClient
  or `await asyncio.to_thread(...)` around what blocks
  or, to answer late, take a LatencyResponse, or a GatedResponse that the test lets through"""


def ask_itself(service: MockService) -> CallbackResponse:
    """Return what asks its own service for a cat, as a blocking client does."""

    def answer(request: object) -> object:
        return dict(zip(("status", "text"), get(str(service.url / "cat")), strict=True))

    return CallbackResponse(answer)


@pytest.mark.usefixtures("watchdog")
def test_a_callback_that_calls_its_own_service_gets_the_reason(
    said: list[warnings.WarningMessage], caplog: pytest.LogCaptureFixture
) -> None:
    with run_service([*ROUTES, MockRoute("GET", "/cat", "cat")]) as service:
        service.register("fact", ask_itself(service))
        service.register("cat", RawResponse("Tom"))
        answer = requests.get(str(service.url / "fact"), timeout=TIMEOUT)

        (error,) = service.errors
        assert isinstance(error, BlockedLoopError)
        source = "answer = requests.get(url, timeout=TIMEOUT)"
        what = (
            f"the event loop that serves {service.url} has stood still for {PATIENCE:g} s, and a "
            "client waits for it. It is blocked by the response of 'fact', at\n"
            f"  {__file__}:{error.lineno}: {source}\n"
            "  in requests.get → socket.SocketIO.readinto"
        )
        assert str(error) == f"{what}\n{ADVICE_WITHIN}"
        assert answer.status_code == 200  # its own client is not cut off
        assert answer.json() == {"status": 503, "text": f"503: {error}\n"}
        (warning,) = said
        assert str(warning.message) == str(error)
        assert [record.message for record in caplog.records if record.name[:7] == "asyncly"] == [
            what
        ]
        assert [(item.request.path, item.status) for item in service.exchanges] == [
            ("/fact", 200),
            ("/cat", 503),
        ]
        assert get(str(service.url / "cat")) == (200, "Tom")


@pytest.mark.usefixtures("watchdog")
def test_a_callback_that_calls_over_a_kept_connection(
    said: list[warnings.WarningMessage],
) -> None:
    with run_service([*ROUTES, MockRoute("GET", "/cat", "cat")]) as service, httpx.Client() as its:
        cat = str(service.url / "cat")
        service.register("cat", RawResponse("Tom"))
        assert its.get(cat).text == "Tom"
        service.register(
            "fact", CallbackResponse(lambda _: its.get(cat, timeout=TIMEOUT).status_code)
        )
        assert get(str(service.url / "fact")) == (200, "503")
    assert len(said) == 1


async def test_a_callback_that_blocks_the_loop_of_the_test(
    service: MockService, said: list[warnings.WarningMessage]
) -> None:
    """A thread of the server's own would not help it."""
    service.register("create", ask_itself(service))
    async with (
        aiohttp.ClientSession() as session,
        session.post(service.url / "orders") as answer,
    ):
        text = (await answer.json())["text"]
    assert "It is blocked by the response of 'create', at\n" in text
    assert text.endswith(f"{ADVICE_WITHIN}\n")
    assert len(said) == 1


@pytest.mark.usefixtures("watchdog")
def test_a_predicate_that_blocks_the_thread(said: list[warnings.WarningMessage]) -> None:
    def ask(request: object) -> bool:
        return get(str(it.url / "cat"))[0] == 503

    route = MockRoute("GET", "/fact", "fact", match=Match(predicate=ask))
    with run_service([route, MockRoute("GET", "/cat", "cat")]) as it:
        it.register("fact", RawResponse("Meow."))
        assert get(str(it.url / "fact")) == (200, "Meow.")
        (error,) = it.errors
    assert "It is blocked by\n" in str(error)
    assert str(error).endswith(ADVICE_WITHIN)
    assert len(said) == 1


@pytest.mark.usefixtures("watchdog")
def test_clients_of_a_thread_that_sleeps_are_answered(
    said: list[warnings.WarningMessage], pool: ThreadPoolExecutor
) -> None:
    asleep, let_go = threading.Event(), threading.Event()

    def answer(request: object) -> object:
        asleep.set()
        let_go.wait(TIMEOUT)
        return "Meow."

    with run_service(ROUTES) as service:
        service.register("fact", CallbackResponse(answer))
        url = str(service.url / "fact")
        first = pool.submit(get, url)
        assert asleep.wait(TIMEOUT)
        assert get(url)[0] == 503
        let_go.set()
        assert first.result(TIMEOUT) == (200, '"Meow."')
        assert get(url) == (200, '"Meow."')
    assert len(said) == 1


@pytest.mark.usefixtures("watchdog")
def test_a_thread_that_computes_is_warned_of(
    said: list[warnings.WarningMessage], pool: ThreadPoolExecutor
) -> None:
    busy = threading.Event()

    def answer(request: object) -> object:
        busy.set()
        while not said:
            pass
        return "Meow."

    with run_service(ROUTES) as service:
        service.register("fact", CallbackResponse(answer))
        first = pool.submit(get, str(service.url / "fact"))
        assert busy.wait(TIMEOUT)
        assert get(str(service.url / "fact")) == first.result(TIMEOUT) == (200, '"Meow."')
        assert service.errors == ()
    assert "what waits gets its answer late" in str(said[0].message)


def test_a_loop_that_is_closed_while_it_is_looked_at_is_no_news(
    watchdog: Counting, caplog: pytest.LogCaptureFixture
) -> None:
    class Loop:
        closed = False

        def is_closed(self) -> bool:
            return self.closed

        def is_running(self) -> bool:
            self.closed = True
            raise RuntimeError("Event loop is closed")

    loop: Any = Loop()
    service = MockService(ROUTES)
    watchdog.watch(service, loop)
    ended = watchdog._ended
    assert ended.acquire(timeout=TIMEOUT)
    assert caplog.records == []


# --- what is no deadlock ------------------------------------------------------------------


async def test_a_loop_that_computes_is_warned_of_and_its_client_gets_its_answer(
    service: MockService, said: list[warnings.WarningMessage], pool: ThreadPoolExecutor
) -> None:
    asking = pool.submit(get, str(service.url / "fact"))
    while not said:
        pass
    assert await asyncio.wrap_future(asking) == (200, "Meow.")
    (warning,) = said
    assert "what waits gets its answer late" in str(warning.message)
    assert service.errors == ()


async def test_a_loop_that_computes_where_warnings_are_errors(
    service: MockService, pool: ThreadPoolExecutor
) -> None:
    asking = pool.submit(get, str(service.url / "fact"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        while not service.errors:
            pass
    assert await asyncio.wrap_future(asking) == (200, "Meow.")
    assert isinstance(service.errors[0], BlockedLoopWarning)


async def test_somebody_who_looks_with_a_debugger_is_left_alone(
    service: MockService,
    said: list[warnings.WarningMessage],
    pool: ThreadPoolExecutor,
    watchdog: Counting,
) -> None:
    class Somebody(io.StringIO):
        def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]
            watchdog.wait_for_looks()
            return "continue\n"

    asking = pool.submit(get, str(service.url / "fact"))
    pdb.Pdb(stdin=Somebody(), stdout=io.StringIO(), nosigint=True, readrc=False).set_trace()
    assert await asyncio.wrap_future(asking) == (200, "Meow.")
    assert said == []


def test_a_loop_that_does_not_run_now_is_not_blocked(
    said: list[warnings.WarningMessage], pool: ThreadPoolExecutor, watchdog: Counting
) -> None:
    """That of a session, between two tests."""
    with asyncio.Runner() as runner:
        service = MockService(ROUTES)
        runner.run(service.start())
        service.register("fact", RawResponse("Meow."))
        asking = pool.submit(get, str(service.url / "fact"))
        watchdog.wait_for_looks()
        assert not asking.done()

        async def wait() -> tuple[int, str]:
            return await asyncio.wrap_future(asking)

        assert runner.run(wait()) == (200, "Meow.")
        runner.run(service.stop())
    assert said == []


async def test_when_everything_stood_still_nobody_is_blamed(
    service: MockService,
    said: list[warnings.WarningMessage],
    pool: ThreadPoolExecutor,
    watchdog: Counting,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A laptop that wakes up again and again: the clock jumps while the watchdog waits."""
    now = iter(range(0, 1_000_000, 100))
    with monkeypatch.context() as patched:
        patched.setattr(watchdog_module, "monotonic", lambda: next(now))
        watchdog.wait_for_looks(1)
        asking = pool.submit(get, str(service.url / "fact"))
        watchdog.wait_for_looks()
        assert not asking.done()
        assert said == []
    assert asking.result(TIMEOUT)[0] == 503


async def test_a_client_that_has_just_come_is_given_time(
    service: MockService,
    said: list[warnings.WarningMessage],
    pool: ThreadPoolExecutor,
    watchdog: Counting,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody waits for a loop that is blocked; then somebody comes, and it wakes up."""
    come, answered = threading.Event(), threading.Event()
    watchdog.wait_for_looks()

    def look(*args: Any) -> bool:
        found = is_waited_for(*args)
        if found:
            come.set()
            answered.wait(TIMEOUT)
        return found

    monkeypatch.setattr("asyncly.srvmocker.server.standstill.is_waited_for", look)
    asking = pool.submit(get, str(service.url / "fact"))
    assert come.wait(TIMEOUT)
    assert await asyncio.wrap_future(asking) == (200, "Meow.")
    answered.set()
    await asyncio.to_thread(watchdog.wait_for_looks, 2)
    assert said == []


@pytest.mark.parametrize("kind", ["refused", "silent"])
async def test_during_an_outage_nobody_is_answered(
    kind: Any,
    service: MockService,
    said: list[warnings.WarningMessage],
    pool: ThreadPoolExecutor,
    watchdog: Counting,
) -> None:
    async with service.outage(kind):
        asking = pool.submit(get, str(service.url / "fact"))
        watchdog.wait_for_looks()
    with pytest.raises(requests.ConnectionError):
        await asyncio.wrap_future(asking)
    assert said == []


def test_a_thread_of_ours_that_is_slow_and_alone_is_left_alone(
    said: list[warnings.WarningMessage], watchdog: Counting
) -> None:
    """Its client waits for the answer, and nobody for the loop."""

    def answer(request: object) -> object:
        watchdog.wait_for_looks()
        return "Meow."

    with run_service(ROUTES) as service:
        service.register("fact", CallbackResponse(answer))
        assert get(str(service.url / "fact")) == (200, '"Meow."')
        assert len(watchdog._wards) == 1
    assert watchdog._wards == {}
    assert said == []


async def test_a_loop_that_turns_is_asked_now_and_then_and_no_more(
    service: MockService, said: list[warnings.WarningMessage], watchdog: Counting
) -> None:
    gate = Gate()
    service.register("fact", GatedResponse(RawResponse("Meow."), gate))
    asking = asyncio.create_task(fetch(service))
    await asyncio.to_thread(watchdog.wait_for_looks)
    gate.release()
    assert await asking == 200
    assert said == []


# --- the watchdog itself ------------------------------------------------------------------


async def test_nobody_finds_its_thread_and_it_ends_by_itself(watchdog: Counting) -> None:
    threads = threading.active_count()
    async with start_service(ROUTES):
        await asyncio.to_thread(watchdog.wait_for_looks, 1)
        assert threading.active_count() <= threads + 1  # that of to_thread
        ended = watchdog._ended
    assert ended.acquire(timeout=TIMEOUT)
    assert not watchdog._is_awake
    async with start_service(ROUTES):
        await asyncio.to_thread(watchdog.wait_for_looks, 1)


def test_what_is_forgotten_is_watched_no_more(watchdog: Counting) -> None:
    async def main(services: list[MockService]) -> None:
        services.append(MockService(ROUTES))
        watchdog.watch(services[0], asyncio.get_running_loop())
        watchdog.watch(MockService(ROUTES), asyncio.get_running_loop())

    services: list[MockService] = []
    asyncio.run(main(services))  # the loop of one is closed, the other one is gone
    gc.collect()
    ended = watchdog._ended
    assert ended.acquire(timeout=TIMEOUT)
    assert watchdog._wards == {}


def test_what_goes_wrong_is_logged(watchdog: Counting, caplog: pytest.LogCaptureFixture) -> None:
    class Loop:
        def is_closed(self) -> bool:
            return False

        def is_running(self) -> bool:
            raise ZeroDivisionError

    loop: Any = Loop()
    service = MockService(ROUTES)
    ward = watchdog.watch(service, loop)
    watchdog.wait_for_looks(1)
    watchdog.leave(ward)
    assert {record.message for record in caplog.records} == {
        "the watchdog could not look at a loop"
    }


FORK = """
import asyncio, os, sys, requests
from asyncly.srvmocker import MockRoute, RawResponse, start_service
from asyncly.srvmocker.server.watchdog import WATCHDOG

def threads():
    return len(os.listdir("/proc/self/task"))

async def main():
    async with start_service([MockRoute("GET", "/fact", "fact")]) as service:
        service.register("fact", RawResponse("Meow."))
        assert WATCHDOG._is_awake
        if not os.fork():
            os._exit(10 * len(WATCHDOG._wards) + WATCHDOG._is_awake)
        print(os.waitstatus_to_exitcode(os.wait()[1]), WATCHDOG._is_awake, len(WATCHDOG._wards))

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot copy a process")
def test_the_copy_of_a_process_watches_nothing() -> None:
    run = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", FORK],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (run.stdout, run.stderr) == ("0 True 1\n", "")


async def test_a_loop_that_wakes_up_at_any_moment_harms_nobody(
    said: list[warnings.WarningMessage],
    pool: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Blocked for about as long as it may be, over and over, under clients of all kinds."""
    watchdog = Watchdog(0.016)
    monkeypatch.setattr("asyncly.srvmocker.server.host.WATCHDOG", watchdog)
    outcomes: Counter[str] = Counter()
    end = time.monotonic() + TIMEOUT

    def ask() -> None:
        with requests.Session() as session:
            asked = 0
            while time.monotonic() < end and (asked < 25 or not {"200", "503"} <= set(outcomes)):
                asked += 1
                try:
                    answer = session.get(url, timeout=TIMEOUT)
                except requests.ConnectionError:
                    outcomes["cut"] += 1
                else:
                    outcomes[str(answer.status_code)] += 1
                    assert answer.text.startswith(("Meow.", "503: the event loop that serves"))

    async with start_service(ROUTES) as service:
        service.register("fact", RawResponse("Meow."))
        url = str(service.url / "fact")
        asking = [pool.submit(ask) for _ in range(4)]
        turns = 0
        while not all(asked.done() for asked in asking):
            turns += 1
            time.sleep(0.012 + turns % 7 * 0.003)
            for _ in range(turns % 20):
                await asyncio.sleep(0)
        for asked in asking:
            asked.result()
    watchdog.sleep()
    assert {"200", "503"} <= set(outcomes) <= {"200", "503", "cut"}
    assert {type(error) for error in service.errors} == {BlockedLoopError}
    assert [record for record in caplog.records if record.name == "asyncio"] == []


# --- a process with other things to do ------------------------------------------------------


@pytest.fixture
def spinning() -> Iterator[None]:
    """A thread that computes all the time."""
    over = threading.Event()

    def spin() -> None:
        while not over.is_set():
            sum(range(10_000))

    thread = threading.Thread(target=spin)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.parametrize("has_clock", [True, False])
@pytest.mark.usefixtures("said", "spinning")
async def test_a_loop_that_is_blocked_at_once_beside_a_thread_that_computes(
    watchdog: Counting, monkeypatch: pytest.MonkeyPatch, *, has_clock: bool
) -> None:
    if not has_clock:  # macOS, Windows: there only the whole process has one
        monkeypatch.setattr(watchdog_module, "_clock_of", None)
    async with start_service(ROUTES) as service:
        status, _ = get(str(service.url / "fact"))
        assert status == 503
        assert len(service.errors) == 1
