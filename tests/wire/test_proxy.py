"""The forward proxy, with clients that speak to proxies in their own ways."""

from __future__ import annotations

import asyncio
import gzip
import re
import socket
import warnings
from typing import TYPE_CHECKING

import aiohttp
import httpx
import pytest
import requests
from aiohttp import web

from asyncly.srvmocker import (
    BaseMockResponse,
    CallbackResponse,
    JsonResponse,
    MockProxyService,
    MockRoute,
    MockService,
    RawResponse,
    TruncatedResponse,
    start_proxy,
    start_service,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from yarl import URL

ROUTES = [
    MockRoute("*", "/fact", "fact"),
    MockRoute("POST", "/orders", "create"),
    MockRoute("GET", "/other/{tail:.*}", "other"),
]


@pytest.fixture
async def service() -> AsyncIterator[MockService]:
    async with start_service(ROUTES) as service:
        service.register("fact", JsonResponse({"fact": "Meow."}))
        service.register("create", JsonResponse({"id": 1}, 201))
        yield service


@pytest.fixture
async def proxy() -> AsyncIterator[MockProxyService]:
    async with start_proxy() as proxy:
        yield proxy


async def curl(*args: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "curl", "-s", "-i", *args, stdout=asyncio.subprocess.PIPE
    )
    return (await process.communicate())[0].decode()


async def raw(proxy: MockProxyService, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.url.port)
    writer.write(data)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_aiohttp(service: MockService, proxy: MockProxyService) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(service.url / "orders", json={"qty": 3}, proxy=proxy.url) as answer,
    ):
        assert (answer.status, await answer.json()) == (201, {"id": 1})
    service.assert_called("create", times=1, json={"qty": 3})
    proxy.assert_called(target=service.url / "orders", method="POST", json={"qty": 3}, times=1)
    assert proxy.last_call().body == b'{"qty": 3}'


async def test_httpx(service: MockService, proxy: MockProxyService) -> None:
    async with httpx.AsyncClient(proxy=str(proxy.url)) as client:
        answer = await client.get(str(service.url / "fact"))
    assert answer.json() == {"fact": "Meow."}
    proxy.assert_called(target=f"127.0.0.1:{service.url.port}", times=1)


async def test_requests(service: MockService, proxy: MockProxyService) -> None:
    answer = await asyncio.to_thread(
        requests.get, str(service.url / "fact"), proxies={"http": str(proxy.url)}
    )
    assert answer.json() == {"fact": "Meow."}
    proxy.assert_called(method="get", times=1)


async def test_curl(service: MockService, proxy: MockProxyService) -> None:
    answer = await curl("-x", str(proxy.url), str(service.url / "fact"))
    assert answer.startswith("HTTP/1.1 200 OK")
    assert '{"fact": "Meow."}' in answer


async def test_the_request_arrives_as_it_was_sent(
    service: MockService, proxy: MockProxyService
) -> None:
    head = (
        f"GET {service.url}/fact?b=%2F&a=1 HTTP/1.1\r\nHost: api.example.com\r\n"
        "X-Two: 1\r\nX-Two: 2\r\nConnection: close, X-Hop\r\nX-Hop: gone\r\nTE: trailers\r\n"
        "Proxy-Connection: keep-alive\r\nCookie: a=1\r\n\r\n"
    )
    answer = await raw(proxy, head.encode())
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    received = service.last_call("fact")
    assert received.target == "/fact?b=%2F&a=1"
    kept = [(n, v) for n, v in received.headers.items() if n != "Connection"]
    assert kept == [
        ("Host", "api.example.com"),
        ("X-Two", "1"),
        ("X-Two", "2"),
        ("Cookie", "a=1"),
    ]
    assert proxy.last_call().headers["X-Hop"] == "gone"


async def test_the_answer_arrives_as_it_was_sent(
    service: MockService, proxy: MockProxyService
) -> None:
    packed = gzip.compress(b"hello")
    sent = [
        ("Content-Encoding", "gzip"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("Location", "/elsewhere"),
    ]
    service.register("fact", RawResponse(packed, 302, sent))
    answer = await raw(
        proxy, f"GET {service.url}/fact HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    )
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 302 Found\r\n")
    assert body == packed
    assert head.count(b"Set-Cookie: ") == 2
    assert len(service.history) == 1  # no redirect followed
    again = await raw(
        proxy, f"GET {service.url}/fact HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    )
    assert again.startswith(b"HTTP/1.1 302")
    assert "Cookie" not in service.last_call("fact").headers  # no cookies of its own


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_without_a_body(
    service: MockService, proxy: MockProxyService, status: int
) -> None:
    service.register("fact", RawResponse(status=status))
    async with aiohttp.ClientSession() as session:
        for _ in range(2):
            async with session.get(service.url / "fact", proxy=proxy.url) as answer:
                assert (answer.status, await answer.read()) == (status, b"")
        async with session.head(service.url / "fact", proxy=proxy.url) as answer:
            assert await answer.read() == b""


async def test_a_body_is_streamed_both_ways(proxy: MockProxyService) -> None:
    """Neither side waits for the other's end: each piece is answered before the next is sent."""
    seen: asyncio.Queue[bytes] = asyncio.Queue()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(3):
            size = int(await reader.readline(), 16)
            piece = await reader.readexactly(size + 2)
            writer.write(b"%x\r\n%b\r\n" % (size, piece[:-2].upper()))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        assert await seen.get() == b"ONE"
        yield b"two"
        assert await seen.get() == b"TWO"
        yield b"end"

    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"http://127.0.0.1:{port}/", data=pieces(), proxy=proxy.url, chunked=True
        ) as answer,
    ):
        async for piece in answer.content.iter_any():
            seen.put_nowait(piece)
    server.close()
    await server.wait_closed()
    assert (await seen.get()) == b"END"
    assert proxy.last_call().body == b"onetwoend"


@pytest.mark.parametrize("kind", ["BasicAuth", "pair"])
async def test_auth(service: MockService, kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of newer aiohttp only
        basic = aiohttp.BasicAuth("tester", "s3cret")
    auth = basic if kind == "BasicAuth" else ("tester", "s3cret")
    async with start_proxy(auth=auth) as proxy, aiohttp.ClientSession() as session:

        async def status_by(url: URL) -> int:
            async with session.get(service.url / "fact", proxy=url) as answer:
                if answer.status == 407:
                    assert answer.headers["Proxy-Authenticate"] == 'Basic realm="mock proxy"'
                return answer.status

        tester = proxy.url.with_user("tester")
        assert await status_by(proxy.url) == 407
        assert await status_by(tester.with_password("guess")) == 407
        assert service.history == ()
        assert [exchange.status for exchange in proxy.unmatched] == [407, 407]
        assert await status_by(tester.with_password("s3cret")) == 200
    assert "Proxy-Authorization" not in service.last_call("fact").headers


def test_wrong_arguments() -> None:
    with pytest.raises(
        TypeError, match=r"auth takes aiohttp.BasicAuth\(.* or a pair of texts, got str"
    ):
        start_proxy(auth="tester:s3cret")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="timeout takes seconds above 0, got 0"):
        start_proxy(timeout=0)


async def test_refused_target_is_502(proxy: MockProxyService, unused_tcp_port: int) -> None:
    target = f"http://127.0.0.1:{unused_tcp_port}/x"
    async with (
        aiohttp.ClientSession() as session,
        session.post(target, data=b"kept", proxy=proxy.url) as answer,
    ):
        assert answer.status == 502
        text = await answer.text()
    assert text.startswith(f"502: {target} could not be reached: ClientConnectorError: ")
    (error,) = proxy.errors
    assert proxy.exchanges[0].error is error
    assert proxy.last_call().body == b"kept"


async def test_silent_target_is_504() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel accepts, nobody answers
        target = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        async with (
            start_proxy(timeout=0.05) as proxy,
            aiohttp.ClientSession() as session,
            session.get(target, proxy=proxy.url) as answer,
        ):
            assert answer.status == 504
            assert await answer.text() == f"504: {target} did not answer within 0.05 s\n"


async def test_a_target_that_breaks_off_breaks_off_for_the_client(
    service: MockService, proxy: MockProxyService
) -> None:
    service.register("fact", TruncatedResponse(b"half", declared_length=8))
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientPayloadError):
            async with session.get(service.url / "fact", proxy=proxy.url) as answer:
                await answer.read()
    await proxy.wait_for_call()
    (exchange,) = proxy.exchanges
    while exchange.finished_at is None:
        await asyncio.sleep(0)
    assert exchange.fault == "the target broke off: ClientPayloadError"
    assert exchange.status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2", "0.0.0.0", "[::1]"])
async def test_a_request_for_the_proxy_itself_is_refused(
    proxy: MockProxyService, host: str
) -> None:
    target = f"http://{host}:{proxy.url.port}/x"
    answer = await raw(
        proxy, f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    )
    assert answer.startswith(b"HTTP/1.1 421 ")
    assert f"421: {target} is the proxy itself".encode() in answer
    assert len(proxy.exchanges) == 1


async def test_a_client_that_takes_it_for_a_server_is_told(proxy: MockProxyService) -> None:
    async with aiohttp.ClientSession() as session, session.get(proxy.url / "fact") as answer:
        assert answer.status == 400
        assert await answer.text() == (
            "400: GET /fact does not name a host: this is a forward proxy. "
            f"Give {proxy.url} to your client as its proxy, not as its base URL\n"
        )
    assert len(proxy.unmatched) == 1


async def test_queries_and_their_diagnosis(service: MockService, proxy: MockProxyService) -> None:
    async with httpx.AsyncClient(proxy=str(proxy.url)) as client:
        await client.post(str(service.url / "orders"), json={"items": [{"qty": 2}]})
        await client.get(str(service.url / "fact"))
    orders = service.url / "orders"
    assert [call.method for call in proxy.get_calls()] == ["POST", "GET"]
    assert len(proxy.get_calls(target=re.compile(r".*/orders"))) == 1
    assert len(proxy.get_calls(target=lambda url: url.endswith("/fact"), method="GET")) == 1
    proxy.assert_not_called(target="api.example.com")
    with pytest.raises(AssertionError) as caught:
        proxy.assert_called(target=orders, method="POST", json={"items": [{"qty": 3}]})
    assert str(caught.value) == (
        f"the proxy, POST to URL('{orders}'): expected a matching call, got 0 of 2 calls\n"
        "  expected  json={'items': [{'qty': 3}]}\n"
        f"  closest   call 1 of 2: POST {orders}\n"
        "    json.items[0].qty: expected 3, got 2"
    )
    with pytest.raises(AssertionError, match=r"expected no matching call, got 1 of 2"):
        proxy.assert_not_called(method="POST")
    with pytest.raises(AssertionError, match=r"waited 0.01 s for 3 matching calls"):
        await proxy.wait_for_call(times=3, timeout=0.01, headers={"Host": re.compile(".*")})
    proxy.reset()
    assert proxy.history == ()


async def test_a_client_that_leaves_is_recorded(
    service: MockService, proxy: MockProxyService
) -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def wait(request: web.Request) -> web.Response:
        arrived.set()
        await go.wait()
        return web.Response()

    service.register("fact", CallbackResponse(wait))
    async with aiohttp.ClientSession() as session:
        call = asyncio.create_task(session.get(service.url / "fact", proxy=proxy.url))
        await arrived.wait()
        call.cancel()
        await asyncio.wait([call])
    (exchange,) = proxy.exchanges
    while exchange.finished_at is None:
        await asyncio.sleep(0)
    assert exchange.fault == "the client disconnected"


async def test_a_large_download_is_not_held(service: MockService, proxy: MockProxyService) -> None:
    class Large(BaseMockResponse):
        async def response(self, request: web.Request) -> web.StreamResponse:
            answer = web.StreamResponse()
            await answer.prepare(request)
            for _ in range(200):
                await answer.write(b"x" * 2**18)
            return answer

    service.register("fact", Large())
    size = 0
    async with (
        aiohttp.ClientSession() as session,
        session.get(service.url / "fact", proxy=proxy.url) as answer,
    ):
        async for piece in answer.content.iter_any():
            size += len(piece)
    assert size == 200 * 2**18
