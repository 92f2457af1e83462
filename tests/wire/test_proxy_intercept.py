"""Interception: a hard-coded https:// URL that the mock answers, through the proxy."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import pytest
import requests
import websockets
from yarl import URL

from asyncly.srvmocker import (
    JsonResponse,
    MockRoute,
    MockService,
    ResetResponse,
    Tls,
    run_proxy,
    run_service,
    start_proxy,
    start_service,
)
from asyncly.srvmocker.server.thread import ServingThread

from .conftest import connect
from .test_leaving import nothing_is_left
from .test_tunnel import CHAT, CLIENTS, both_loops, client_context, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["nothing_is_left"]  # a fixture: no test here leaves a socket behind

ROUTES = [MockRoute("*", "/fact", "fact"), MockRoute("GET", "/feed", "feed")]
NAME = "api.github.com"
FACT = {"fact": "Meow."}


@pytest.fixture
async def service() -> AsyncIterator[MockService]:
    async with start_service(ROUTES) as service:
        service.register("fact", JsonResponse(FACT))
        service.register("feed", CHAT)
        yield service


def session_over(proxy: Any, **options: Any) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(ssl=proxy.tls.client_context())
    return aiohttp.ClientSession(connector=connector, proxy=proxy.url, **options)


@pytest.mark.parametrize("url", [f"https://{NAME}/fact", f"http://{NAME}/fact"])
@pytest.mark.parametrize("name", CLIENTS)
async def test_a_listed_host_is_answered_by_the_mock(
    service: MockService, name: str, url: str
) -> None:
    async with start_proxy(intercept={NAME: service}) as proxy:
        said = await CLIENTS[name](str(proxy.url), url, proxy.tls.ca_pem)
        assert said == FACT
        service.assert_called("fact", times=2, headers={"Host": NAME})
        received = service.last_call("fact")
        assert received.url == URL(url)
        if url.startswith("https"):
            proxy.assert_called(target=NAME, method="CONNECT", times=1)
            proxy.assert_called(target=f"{NAME}:443", times=1)
            assert received.connection == 1
        else:
            proxy.assert_called(target=URL(url), method="GET", times=2)
        assert proxy.unmatched == ()
    assert service.ports.listeners == (service.ports.own,)  # the doors are closed


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("*.s3.amazonaws.com", "https://bucket.s3.amazonaws.com/fact"),
        ("*.s3.amazonaws.com", "https://a.b.s3.amazonaws.com:8443/fact"),
        ("https://api.github.com", "https://api.github.com/fact"),
        ("https://api.github.com:8443", "https://api.github.com:8443/fact"),
        ("http://api.github.com", "http://api.github.com/fact"),
        ("API.GitHub.com", "https://api.github.com/fact"),
        ("münchen.example", "https://münchen.example/fact"),
        ("xn--mnchen-3ya.example", "http://münchen.example/fact"),
        ("10.0.0.5", "https://10.0.0.5/fact"),
        ("10.0.0.5", "http://10.0.0.5:8080/fact"),
        ("[2001:db8::5]", "https://[2001:db8::5]/fact"),
    ],
)
async def test_patterns(service: MockService, pattern: str, url: str) -> None:
    async with start_proxy(intercept={pattern: service}) as proxy, session_over(proxy) as session:
        async with session.get(url) as answer:
            assert await answer.json() == FACT
        assert service.last_call("fact").url == URL(url)
        proxy.assert_called(target=URL(url).host, times=1)
        proxy.assert_called(target=URL(url).raw_host, times=1)


async def test_each_host_has_its_service(service: MockService) -> None:
    async with start_service([MockRoute("GET", "/fact", "fact")]) as other:
        other.register("fact", JsonResponse({"fact": "Woof."}))
        async with (
            start_proxy(intercept={NAME: service, "*.example.com": other}) as proxy,
            session_over(proxy) as session,
        ):
            async with session.get(f"https://{NAME}/fact") as answer:
                assert await answer.json() == FACT
            async with session.get("https://dogs.example.com/fact") as answer:
                assert await answer.json() == {"fact": "Woof."}
        service.assert_called("fact", times=1)
        other.assert_called("fact", times=1)


# --- hosts that are not listed ------------------------------------------------------------


REFUSED = (
    "httpbin.org:443 is not intercepted; listed in start_proxy(intercept=...): 'api.github.com'; "
    'unlisted="tunnel" would let it pass'
)


async def test_a_host_that_is_not_listed_is_refused_in_words(service: MockService) -> None:
    async with start_proxy(intercept={NAME: service}) as proxy:
        async with session_over(proxy) as session:
            with pytest.raises(aiohttp.ClientHttpProxyError) as caught:
                await session.get("https://httpbin.org/get")
            assert (caught.value.status, caught.value.message) == (403, REFUSED)
            async with session.get("http://httpbin.org/get") as answer:
                assert answer.status == 403
                assert await answer.text() == f"403: {REFUSED.replace('443', '80')}\n"
        async with httpx.AsyncClient(proxy=str(proxy.url)) as client:
            with pytest.raises(httpx.ProxyError, match=f"403 {re.escape(REFUSED)}"):
                await client.get("https://httpbin.org/get")
        with pytest.raises(
            requests.exceptions.ProxyError, match=r"403 httpbin.org:443 is not inte"
        ):
            await asyncio.to_thread(
                requests.get, "https://httpbin.org/get", proxies={"https": str(proxy.url)}
            )
        statuses = [(item.request.method, item.status) for item in proxy.unmatched]
        assert statuses == [("CONNECT", 403), ("GET", 403), ("CONNECT", 403), ("CONNECT", 403)]
        assert proxy.errors == ()
    assert service.history == ()


async def test_a_host_that_is_not_listed_passes_if_the_test_says_so(service: MockService) -> None:
    async with (
        serve(tls=True) as other,
        start_proxy(intercept={NAME: service}, unlisted="tunnel") as proxy,
        session_over(proxy) as session,
    ):
        async with session.get(f"https://{NAME}/fact") as answer:
            assert await answer.json() == FACT
        async with session.get(other.url / "fact", ssl=client_context()) as answer:
            assert await answer.json() == FACT
        service.assert_called("fact", times=1)
        other.assert_called("fact", times=1)
        assert proxy.unmatched == ()


async def test_a_proxy_that_refuses_everything() -> None:
    async with (
        serve() as other,
        start_proxy(unlisted="refuse") as proxy,
        session_over(proxy) as session,
        session.get(other.url / "fact") as answer,
    ):
        assert answer.status == 403
        assert await answer.text() == (
            f'403: {other.url.authority} is refused; unlisted="tunnel" would let it pass\n'
        )
        assert other.history == ()


def test_wrong_words(service: MockService) -> None:
    with pytest.raises(ValueError, match=r"^unlisted takes 'tunnel' or 'refuse', got 'pass'$"):
        start_proxy(unlisted="pass")  # type: ignore[arg-type]
    with pytest.raises(
        TypeError, match=r"^start_proxy\(intercept=...\) takes a mapping such as .*, got \['api"
    ):
        start_proxy(intercept=["api.github.com"])  # type: ignore[arg-type]
    with pytest.raises(
        TypeError,
        match=r"^start_proxy\(intercept=...\) takes a running service for 'x.org', got 's",
    ):
        start_proxy(intercept={"x.org": "service"})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("api.*.com", r"a '\*' may only stand for what is before the first dot"),
        ("https://api.github.com/user", "a host has no path; declare paths as routes"),
        ("ftp://api.github.com", "the scheme is https or http, not 'ftp'"),
        ("", "there is no host in it"),
    ],
)
def test_a_pattern_that_is_none_is_refused_in_words(pattern: str, reason: str) -> None:
    with pytest.raises(
        ValueError, match=rf"^start_proxy\(intercept=...\) takes a host such as .*: {reason}"
    ):
        start_proxy(intercept={pattern: MockService([])})


def test_patterns_that_overlap_are_refused() -> None:
    service = MockService([])
    with pytest.raises(ValueError, match="overlap") as caught:
        start_proxy(intercept={"*.github.com": service, NAME: service})
    assert str(caught.value) == (
        "start_proxy(intercept=...): '*.github.com' and 'api.github.com' overlap: which service "
        "would answer? Keep one of them, or narrow the wider one"
    )


async def test_a_service_that_does_not_run_is_told_what_to_do(service: MockService) -> None:
    stopped = MockService([])
    proxy = start_proxy(intercept={NAME: service, "x.org": stopped})
    with pytest.raises(RuntimeError, match="does not run") as caught:
        async with proxy:
            pass
    assert str(caught.value) == (
        f"start_proxy(intercept=...): the service for 'x.org' does not run: {stopped!r}. "
        "Enter its `async with start_service(...)` first, and leave it last"
    )
    assert service.ports.listeners == (service.ports.own,)


async def test_a_port_in_use_is_told_what_to_do(service: MockService) -> None:
    port = service.url.port
    assert port is not None
    with pytest.raises(OSError, match="in use") as caught:
        async with start_proxy(intercept={NAME: service}, port=port):
            pass
    assert caught.value.strerror == (
        f"cannot listen on 127.0.0.1:{port}: Address already in use; use port=0 for a free one"
    )
    assert service.ports.listeners == (service.ports.own,)


async def test_a_proxy_that_lists_itself_is_refused_all_the_same(service: MockService) -> None:
    async with (
        start_proxy(intercept={"127.0.0.1": service}) as proxy,
        connect(proxy.url) as client,
    ):
        place = proxy.url.authority.encode()
        await client.send(b"CONNECT %b HTTP/1.1\r\nHost: x\r\n\r\n" % place)
        assert (await client.answer())[0].startswith(b"HTTP/1.1 421 ")
        await client.send(b"GET /fact HTTP/1.1\r\nHost: %b\r\n\r\n" % place)
        head, body = await client.answer()
        assert head.startswith(b"HTTP/1.1 400 ")
        assert body.startswith(b"400: GET /fact does not name a host: this is a forward proxy")
    assert service.history == ()


# --- what the mock does is what the client meets ------------------------------------------


async def test_a_service_that_is_down_is_502_as_behind_a_real_proxy(service: MockService) -> None:
    async with start_proxy(intercept={NAME: service}) as proxy, session_over(proxy) as session:
        async with service.outage():
            with pytest.raises(aiohttp.ClientHttpProxyError) as caught:
                await session.get(f"https://{NAME}/fact")
            assert caught.value.status == 502
            assert caught.value.message.startswith(f"{NAME}:443 could not be reached: Connection")
            async with session.get(f"http://{NAME}/fact") as answer:
                assert answer.status == 502
        async with session.get(f"https://{NAME}/fact") as answer:
            assert answer.status == 200
        assert len(proxy.errors) == 2


@both_loops
async def test_a_reset_of_the_mock_reaches_the_client() -> None:
    async with start_service(ROUTES) as service:
        service.register("fact", ResetResponse())
        async with start_proxy(intercept={NAME: service}) as proxy, session_over(proxy) as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get(f"https://{NAME}/fact")
            assert (await proxy.connections[0].closed()).was_reset
            assert proxy.exchanges[0].fault == "the target broke off: ConnectionResetError"


async def test_a_fault_of_tls_reaches_the_client() -> None:
    async with start_service(ROUTES, tls=Tls(fault=["expired", None])) as service:
        service.register("fact", JsonResponse(FACT))
        async with start_proxy(intercept={NAME: service}) as proxy, session_over(proxy) as session:
            with pytest.raises(aiohttp.ClientConnectorCertificateError, match="expired"):
                await session.get(f"https://{NAME}/fact")
            async with session.get(f"https://{NAME}/fact") as answer:
                assert answer.status == 200


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_websockets(service: MockService, scheme: str) -> None:
    url = f"{scheme}://{NAME}/feed"
    async with start_proxy(intercept={NAME: service}) as proxy:
        async with session_over(proxy) as session, session.ws_connect(url) as socket:
            assert await socket.receive_str() == "hello"
            await socket.send_str("bye")
            assert (await socket.receive()).data == 4000
        context = proxy.tls.client_context() if scheme == "wss" else None
        async with websockets.connect(url, proxy=str(proxy.url), ssl=context) as other:
            assert await other.recv() == "hello"
            await other.send("bye")
            with pytest.raises(websockets.ConnectionClosed):
                await other.recv()
        service.assert_called("feed", times=2)
        assert {call.url.host for call in service.history} == {NAME}


async def test_credentials_are_asked_for_before_anything(service: MockService) -> None:
    async with start_proxy(intercept={NAME: service}, auth=("cat", "käse")) as proxy:
        async with session_over(proxy) as session:
            with pytest.raises(aiohttp.ClientHttpProxyError) as caught:
                await session.get(f"https://{NAME}/fact")
            assert caught.value.status == 407
            assert caught.value.message.startswith("no Proxy-Authorization; this proxy was start")
        url = proxy.url.with_user("cat").with_password("käse")
        # Some encode what is not ASCII in UTF-8, others in Latin-1.
        for name in ("aiohttp", "httpx", "requests", "curl"):
            said = await CLIENTS[name](str(url), f"https://{NAME}/fact", proxy.tls.ca_pem)
            assert said == FACT
        async with connect(proxy.url) as client:
            head = "GET http://x/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic \xff\r\n\r\n"
            await client.send(head.encode("latin-1"))
            assert (await client.answer())[0].startswith(b"HTTP/1.1 407 ")


async def test_a_service_in_another_thread() -> None:
    service = MockService(ROUTES)
    service.bind()
    thread = ServingThread(service)
    try:
        service.register("fact", JsonResponse(FACT))
        async with (
            start_proxy(intercept={NAME: service}) as proxy,
            session_over(proxy) as session,
            session.get(f"https://{NAME}/fact") as answer,
        ):
            assert await answer.json() == FACT
        assert service.ports.listeners == (service.ports.own,)
    finally:
        service.close()
        thread.stop()


def test_both_on_threads() -> None:
    with run_service(ROUTES) as service, run_proxy(intercept={NAME: service}) as proxy:
        service.register("fact", JsonResponse(FACT))
        with requests.Session() as session:
            session.trust_env, session.verify = False, proxy.tls.ca_pem
            session.proxies = {"https": str(proxy.url)}
            assert session.get(f"https://{NAME}/fact", timeout=10).json() == FACT
        service.assert_called("fact", times=1)
        proxy.assert_called(target=NAME, times=1)


async def test_a_service_whose_loop_waits_for_the_proxy_is_told_so(
    service: MockService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncly.srvmocker.proxy.doorkeeper._TIMEOUT", 0.05)
    on_thread = run_proxy(intercept={NAME: service})
    with pytest.raises(RuntimeError, match="stands still") as caught, on_thread:
        pass
    assert str(caught.value) == (
        "start_proxy(intercept=...): the loop that a service runs in stands still, so it cannot "
        "answer. With `run_proxy` serve it by `run_service`, or in an async test write "
        "`async with start_proxy(...)`"
    )


async def test_leaving_with_open_tunnels(service: MockService) -> None:
    tasks = asyncio.all_tasks()
    async with start_proxy(intercept={NAME: service}) as proxy:
        session = session_over(proxy)
        socket = await session.ws_connect(f"wss://{NAME}/feed")
        assert await socket.receive_str() == "hello"
        await proxy.stop()
        assert proxy.exchanges[0].fault == "the service was stopped"
    await socket.close()
    await session.close()
    assert asyncio.all_tasks() == tasks
