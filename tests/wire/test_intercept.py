"""`intercept`: its life, what it refuses, and several of them at once."""

from __future__ import annotations

import asyncio
import os
import sys
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import pytest
import requests
import trio

from asyncly.srvmocker import (
    JsonResponse,
    LiveStream,
    MockService,
    RawResponse,
    StallResponse,
    Tls,
    intercept,
    run_service,
    start_service,
)
from asyncly.srvmocker.interception.patching import REDIRECTION

from .conftest import ROUTES
from .test_leaving import nothing_is_left

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

__all__ = ["nothing_is_left"]  # a fixture: no test here leaves a socket behind

ORIGIN = "https://api.shop.test"
URL = f"{ORIGIN}/fact"


@pytest.fixture
def on_thread() -> Iterator[MockService]:
    with run_service(ROUTES) as service:
        service.register("fact", JsonResponse({"fact": "Meow."}))
        yield service


# --- the block ----------------------------------------------------------------------------


async def test_a_client_asks_for_the_real_url_and_the_service_answers(
    service: MockService,
) -> None:
    async with (
        intercept({ORIGIN: service}) as net,
        aiohttp.ClientSession(connector=net.aiohttp_connector()) as session,
        session.get(URL, params={"page": 2}) as answer,
    ):
        assert await answer.json() == {"fact": "Meow."}
        assert str(answer.url) == f"{URL}?page=2"
    call = service.last_call("fact")
    assert str(call.url) == f"{URL}?page=2"
    assert call.headers["Host"] == "api.shop.test"


def test_a_block_without_a_loop(on_thread: MockService) -> None:
    with intercept({ORIGIN: on_thread}) as net, net.mount(requests.Session()) as session:
        assert session.get(URL, timeout=5).json() == {"fact": "Meow."}
    assert str(on_thread.last_call("fact").url) == URL


def test_a_block_in_trio(on_thread: MockService) -> None:
    async def main() -> Any:
        async with (
            intercept({ORIGIN: on_thread}) as net,
            httpx.AsyncClient(transport=net.httpx_transport()) as client,
        ):
            return (await client.get(URL)).json()

    assert trio.run(main) == {"fact": "Meow."}


@pytest.mark.parametrize("run", [trio.run, lambda main: asyncio.run(main())])
def test_with_in_a_loop_says_what_to_write(
    on_thread: MockService, run: Callable[[Callable[[], Coroutine[Any, Any, None]]], None]
) -> None:
    async def main() -> None:
        with intercept({ORIGIN: on_thread}):
            pass

    with pytest.raises(RuntimeError) as caught:
        run(main)
    assert str(caught.value) == (
        "`with intercept(...)` would stop the loop that runs in this thread: "
        "write `async with intercept(...)` instead"
    )


async def test_leaving_closes_what_came_in_by_the_doors_and_nothing_else(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    service.register("create", StallResponse())
    tasks = asyncio.all_tasks()
    async with intercept({ORIGIN: service}) as net:
        by_door = aiohttp.ClientSession(ORIGIN, connector=net.aiohttp_connector())
        calls = [asyncio.create_task(client.post("/orders")) for client in (by_door, session)]
        await service.wait_for_call("create", times=2)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await calls[0]
    assert not calls[1].done()
    calls[1].cancel()
    await asyncio.wait(calls)
    await by_door.close()
    await asyncio.gather(*(connection.closed() for connection in service.connections))
    assert asyncio.all_tasks() <= tasks


async def test_what_was_given_is_refused_when_the_block_is_left(service: MockService) -> None:
    async with intercept({ORIGIN: service}) as net:
        connector = net.aiohttp_connector()
    async with aiohttp.ClientSession(connector=connector) as session:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.get(URL)
    assert caught.value.os_error.strerror == (
        "api.shop.test:443 is not intercepted any more: the block of intercept() is left"
    )


async def test_a_block_may_be_entered_again_but_not_twice(service: MockService) -> None:
    net = intercept({ORIGIN: service})
    for _ in range(2):
        async with net, httpx.AsyncClient(transport=net.httpx_transport()) as client:
            assert (await client.get(URL)).status_code == 200
            with pytest.raises(RuntimeError) as caught:
                await net.__aenter__()
            assert str(caught.value) == (
                "<MockNetwork 'https://api.shop.test', open> is entered already"
            )


async def test_what_was_given_serves_again_when_the_block_is_entered_again(
    service: MockService,
) -> None:
    """The doors have other ports then, so nothing of the first time is remembered."""
    net = intercept({ORIGIN: service})
    async with net:
        session = aiohttp.ClientSession(connector=net.aiohttp_connector())
        assert (await session.get(URL)).status == 200
    async with net, session:
        assert (await session.get(URL)).status == 200


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_block_that_cannot_begin_closes_its_doors(
    on_thread: MockService, asynchronous: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(REDIRECTION, "add", fail)
    net = intercept({ORIGIN: on_thread}, patch=True)
    with pytest.raises(OSError, match="no space left"):
        if asynchronous:
            await net.__aenter__()
        else:
            await asyncio.to_thread(net.__enter__)
    assert repr(net) == "<MockNetwork 'https://api.shop.test', patch, closed>"
    door = net._doors.find("api.shop.test", 443)
    assert door is not None
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*door)


async def test_the_service_may_end_first(service: MockService) -> None:
    async with start_service(ROUTES) as other:
        net = await intercept({ORIGIN: other}).__aenter__()
    await net.__aexit__(None, None, None)


async def test_several_hosts_and_services(service: MockService) -> None:
    async with start_service(ROUTES) as other:
        other.register("fact", RawResponse("Woof."))
        hosts = {"cats.test": service, "*.cats.test": service, "http://dogs.test:8080": other}
        async with (
            intercept(hosts) as net,
            httpx.AsyncClient(transport=net.httpx_transport()) as client,
        ):
            for cat in ("https://cats.test", "http://a.cats.test:81", "https://b.a.cats.test"):
                assert (await client.get(f"{cat}/fact")).json() == {"fact": "Meow."}
                assert str(service.last_call("fact").url) == f"{cat}/fact"
            assert (await client.get("http://dogs.test:8080/fact")).text == "Woof."
        assert str(other.last_call("fact").url) == "http://dogs.test:8080/fact"


async def test_blocks_within_each_other_and_beside_each_other(service: MockService) -> None:
    async def call(host: str) -> int:
        async with (
            intercept({host: service}) as net,
            httpx.AsyncClient(transport=net.httpx_transport()) as client,
        ):
            return (await client.get(f"https://{host}/fact")).status_code

    async with intercept({"outer.test": service}) as net:
        calls = (call(f"number-{number}.test") for number in range(5))
        assert await asyncio.gather(*calls) == [200] * 5
        async with httpx.AsyncClient(transport=net.httpx_transport()) as client:
            assert (await client.get("https://outer.test/fact")).status_code == 200
            with pytest.raises(httpx.ConnectError):
                await client.get("https://number-0.test/fact")


async def test_everything_else_of_the_service_is_there(service: MockService) -> None:
    """Live streams and outages: a door is a door of the same service."""
    live = LiveStream("ndjson")
    service.register("fact", live)
    async with (
        intercept({ORIGIN: service}) as net,
        aiohttp.ClientSession(connector=net.aiohttp_connector()) as session,
    ):
        async with session.get(URL) as answer:
            connection = await live.accept()
            await connection.send({"n": 1})
            assert await answer.content.readline() == b'{"n": 1}\n'
        async with service.outage():
            with pytest.raises(aiohttp.ClientConnectorError, match="Connect call failed"):
                await session.get(URL)


# --- what is wrong ------------------------------------------------------------------------


async def test_a_service_that_does_not_run_is_named() -> None:
    service = MockService(ROUTES)
    with pytest.raises(RuntimeError) as caught:
        async with intercept({ORIGIN: service}):
            pass
    assert str(caught.value) == (
        "intercept(): the service for 'https://api.shop.test' does not run: "
        "<MockService not started, 3 routes, 0 exchanges>. "
        "Enter its `async with start_service(...)` first, and leave it last"
    )


@pytest.mark.parametrize(
    ("patterns", "kind", "text"),
    [
        (
            ["ftp://api.github.com"],
            ValueError,
            "intercept() takes a host such as 'api.github.com' or '*.example.com', or an origin "
            "such as 'https://host', got 'ftp://api.github.com': the scheme is https or http, "
            "not 'ftp'",
        ),
        (
            ["api.github.com/user"],
            ValueError,
            "intercept() takes a host such as 'api.github.com' or '*.example.com', or an origin "
            "such as 'https://host', got 'api.github.com/user': a host has no path; declare "
            "paths as routes of the service",
        ),
        (
            ["api.*.com"],
            ValueError,
            "intercept() takes a host such as 'api.github.com' or '*.example.com', or an origin "
            "such as 'https://host', got 'api.*.com': a '*' may only stand for what is before "
            "the first dot",
        ),
        (
            ["*.github.com", "https://api.github.com"],
            ValueError,
            "intercept(): '*.github.com' and 'https://api.github.com' overlap: which service "
            "would answer? Keep one of them, or narrow the wider one",
        ),
        (
            ["https://10.0.0.5:8443"],
            ValueError,
            "intercept() takes names, and 'https://10.0.0.5:8443' is an IP address, which no "
            "client looks up. Use start_proxy(intercept={...}) for it, and give the client that "
            "proxy",
        ),
        (
            [5],
            TypeError,
            "intercept() takes a host such as 'api.github.com' or '*.example.com', or an origin "
            "such as 'https://host', got 5",
        ),
    ],
)
async def test_patterns_that_are_none(
    service: MockService, patterns: list[Any], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind) as caught:
        intercept(dict.fromkeys(patterns, service))
    assert str(caught.value) == text


def test_services_that_are_none() -> None:
    with pytest.raises(TypeError) as caught:
        intercept(["https://api.github.com"])  # type: ignore[arg-type]
    assert str(caught.value) == (
        "intercept() takes a mapping such as {'api.github.com': service}, "
        "got ['https://api.github.com']"
    )
    with pytest.raises(TypeError) as caught:
        intercept({ORIGIN: "service"})  # type: ignore[dict-item]
    assert str(caught.value) == (
        "intercept() takes a running service for 'https://api.shop.test', got 'service'"
    )
    with pytest.raises(TypeError) as caught:
        intercept({}, patch="yes")  # type: ignore[arg-type]
    assert str(caught.value) == "intercept(patch=...) takes True or False, got 'yes'"


GIVES = ["aiohttp_connector", "httpx_transport", "httpx_sync_transport", "requests_adapter"]
GIVES += ["urllib3_pool"]


@pytest.mark.parametrize("name", GIVES)
async def test_nothing_is_given_before_the_block_is_entered(
    service: MockService, name: str
) -> None:
    net = intercept({ORIGIN: service})
    with pytest.raises(RuntimeError) as caught:
        getattr(net, name)()
    assert str(caught.value) == (
        "<MockNetwork 'https://api.shop.test', closed> is not entered: write "
        "`async with intercept(...) as net:` around it, or `with` where no loop runs"
    )


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("httpx_transport", "httpx"),
        ("httpx_sync_transport", "httpx"),
        ("requests_adapter", "requests"),
        ("urllib3_pool", "urllib3"),
    ],
)
async def test_a_client_that_is_not_installed(
    service: MockService, name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with intercept({ORIGIN: service}) as net:
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ImportError) as caught:
            getattr(net, name)()
    assert str(caught.value) == f"net.{name}() needs the package {package!r}: pip install {package}"


@pytest.mark.parametrize("patch", [False, True])
async def test_without_trustme_plain_http_is_left(
    service: MockService, patch: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    module = sys.modules["asyncly.srvmocker.tls.authority"]
    monkeypatch.setattr(module, "_made", [])  # as if nothing had used it before
    with pytest.raises(ImportError) as caught:
        intercept({ORIGIN: service}, patch=patch)
    assert str(caught.value) == (
        "intercept() of a host that speaks TLS needs the package 'trustme': "
        "pip install 'asyncly[tls]'"
    )
    async with (
        intercept({"http://api.shop.test": service}, patch=patch) as net,
        httpx.AsyncClient(transport=net.httpx_transport()) as client,
    ):
        assert (await client.get("http://api.shop.test/fact")).status_code == 200


async def test_its_repr_says_what_it_answers_for(service: MockService) -> None:
    net = intercept({ORIGIN: service, "*.cats.test": service}, patch=True)
    assert repr(net) == "<MockNetwork 'https://api.shop.test', '*.cats.test', patch, closed>"
    assert repr(intercept({})) == "<MockNetwork of no hosts, closed>"


# --- leaving against all odds ---------------------------------------------------------------


@pytest.mark.parametrize("turns", range(8))
async def test_a_block_that_is_cancelled_while_it_ends_leaves_no_door_open(
    service: MockService, turns: int
) -> None:
    doors: list[tuple[str, int]] = []
    inside, leaving = asyncio.Event(), asyncio.Event()

    async def block() -> None:
        hosts = ["a.test", "b.test", "c.test"]
        async with intercept({f"http://{host}": service for host in hosts}) as net:
            doors.extend(net._locate(host, 80) for host in hosts)
            inside.set()
            await leaving.wait()

    task = asyncio.create_task(block())
    await inside.wait()
    leaving.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    for door in doors:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*door)


def test_a_service_that_has_ended_is_named_with_what_to_do() -> None:
    with run_service(ROUTES) as service:
        pass
    with pytest.raises(RuntimeError) as caught, intercept({ORIGIN: service}):
        pass
    assert str(caught.value) == (
        f"intercept(): the service for '{ORIGIN}' does not run: {service!r}. "
        "Enter its `async with start_service(...)` first, and leave it last"
    )


# --- certificates of clients ----------------------------------------------------------------


async def test_what_it_gives_shows_a_certificate_where_one_is_required() -> None:
    async with start_service(ROUTES, tls=Tls(client_cert="required")) as service:
        service.register("fact", RawResponse("Meow."))
        async with intercept({ORIGIN: service}) as net:
            async with (
                aiohttp.ClientSession(connector=net.aiohttp_connector()) as session,
                session.get(URL) as answer,
            ):
                assert answer.status == 200
            async with httpx.AsyncClient(transport=net.httpx_transport()) as client:
                assert (await client.get(URL)).text == "Meow."
            with net.mount(requests.Session()) as blocking:
                got = await asyncio.to_thread(blocking.get, URL, timeout=5)
                assert got.text == "Meow."
            pool = net.urllib3_pool()
            assert (await asyncio.to_thread(pool.request, "GET", URL, timeout=5)).status == 200
            pool.clear()
        assert {call.peer_subject for call in service.history} == {
            service.last_call("fact").peer_subject
        }
        assert service.last_call("fact").peer_subject is not None


# --- proxies of the environment -------------------------------------------------------------


@pytest.mark.parametrize("known", [None, "intranet.test"])
def test_a_patched_client_goes_past_the_proxy_of_the_environment(
    on_thread: MockService, monkeypatch: pytest.MonkeyPatch, known: str | None
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody is there
    for name in ("NO_PROXY", "no_proxy"):
        if known is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, known)
    before = dict(os.environ)
    with intercept({ORIGIN: on_thread}, patch=True):
        with intercept({"https://*.b.test": on_thread}, patch=True):
            expected = ",".join(filter(None, (known, "api.shop.test", ".b.test")))
            assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == expected
            assert requests.get("https://a.b.test/fact", timeout=5).ok
        assert requests.get(URL, timeout=5).ok
        assert httpx.get(URL, timeout=5).is_success
        with urllib.request.urlopen(URL, timeout=5) as answer:
            assert answer.status == 200
        with pytest.raises(requests.exceptions.ProxyError):
            requests.get("https://other.test/", timeout=5)
    assert dict(os.environ) == before


async def test_a_transport_of_httpx_takes_no_proxy(service: MockService) -> None:
    async with intercept({ORIGIN: service}) as net:
        with pytest.raises(TypeError) as caught:
            net.httpx_transport(proxy="http://127.0.0.1:9")
    assert str(caught.value) == (
        "proxy='http://127.0.0.1:9' leads past the listed hosts; what net gives goes to them "
        "alone. Make a transport of httpx for it"
    )
