"""Live WebSockets: the test speaks with the client itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import pytest
import trio
from aiohttp import WSMsgType
from websockets.asyncio.client import connect as ws_client
from websockets.sync.client import connect as ws_client_in_a_thread

from asyncly.srvmocker import (
    LiveStream,
    MockRoute,
    MockService,
    StreamClosedError,
    run_service,
    start_service,
)

from .conftest import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ROUTES = [MockRoute("GET", "/chat", "chat")]
HANDSHAKE = (
    b"GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@pytest.fixture
async def service() -> AsyncIterator[MockService]:
    tasks = asyncio.all_tasks()
    async with start_service(ROUTES) as service:
        yield service
    assert asyncio.all_tasks() - tasks <= {asyncio.current_task()}


@pytest.fixture
def live(service: MockService) -> LiveStream:
    live = LiveStream("websocket", protocols=["chat"], headers={"X-Node": "7"})
    service.register("chat", live)
    return live


async def test_both_directions_with_aiohttp(
    live: LiveStream, session: aiohttp.ClientSession, service: MockService
) -> None:
    async with session.ws_connect("/chat", protocols=["chat"]) as client:
        conn = await live.accept()
        assert client.protocol == "chat"
        await client.send_json({"type": "hello"})
        assert await conn.receive() == '{"type": "hello"}'
        await conn.send({"type": "welcome"})
        assert await client.receive_json() == {"type": "welcome"}
        await client.send_bytes(b"\x00")
        assert await conn.receive(timeout=5) == b"\x00"
        await conn.send("text")
        assert await client.receive_str() == "text"
        await conn.close(4001, "bye")
        assert not conn.is_open
        closed = await client.receive()
        assert (closed.type, closed.data, closed.extra) == (WSMsgType.CLOSE, 4001, "bye")
    end = await conn.closed()
    assert (end.by, end.sent, end.code) == ("test", 19 + 4, 1000)
    with pytest.raises(StreamClosedError, match=r"conn\.send\(\.\.\.\) reaches nobody"):
        await conn.send("more")
    (exchange,) = service.exchanges
    assert (exchange.outcome, service.errors) == ("101", ())
    assert [(m.sender, m.kind) for m in exchange.messages] == [
        ("client", "text"),
        ("server", "text"),
        ("client", "binary"),
        ("server", "text"),
        ("server", "close"),
        ("client", "close"),
    ]
    await conn.close()  # it is ended already


async def test_with_websockets(live: LiveStream, service: MockService) -> None:
    async with ws_client(str(service.url.with_scheme("ws") / "chat")) as client:
        conn = await live.accept()
        assert client.response is not None
        assert client.response.headers["X-Node"] == "7"
        await conn.ping(b"there?")
        await conn.send(b"go")
        assert await client.recv() == b"go"
        for text in ("one", "two"):
            await client.send(text)
        await client.close(4000, "tired")
    end = await conn.closed()
    assert (end.by, end.code) == ("client", 4000)
    assert str(end).startswith("the client left (4000) ")
    # What it had sent is still there.
    assert [await conn.receive(), await conn.receive()] == ["one", "two"]
    with pytest.raises(StreamClosedError, match=r"waits for nothing, .* the client left \(4000\)"):
        await conn.receive()
    with pytest.raises(StreamClosedError, match=r"conn\.ping\(\) reaches nobody"):
        await conn.ping()
    (exchange,) = service.exchanges
    assert ("client", "pong", b"there?") in [(m.sender, m.kind, m.data) for m in exchange.messages]
    assert (exchange.messages[-1].sender, exchange.messages[-1].code) == ("server", 4000)


async def test_json_is_received_as_values(live: LiveStream, session: aiohttp.ClientSession) -> None:
    async with session.ws_connect("/chat") as client:
        conn = await live.accept()
        for text in ('{"type": "hello"}', "null", "hello", "[1]"):
            await client.send_str(text)
        await client.send_bytes(b"\xff")
        assert await conn.receive_json() == {"type": "hello"}
        assert await conn.receive_json(timeout=5) is None
        with pytest.raises(
            ValueError,
            match=r"^the client of GET /chat sent no JSON \(Expecting .*\), but 'hello'$",
        ):
            await conn.receive_json()
        assert await conn.receive_json() == [1]
        with pytest.raises(ValueError, match=r"sent no JSON \(.*\), but b'\\xff'$"):
            await conn.receive_json()
        with pytest.raises(AssertionError, match=r"sent no message in 0\.01 s$"):
            await conn.receive_json(timeout=0.01)
    with pytest.raises(StreamClosedError, match=r"^conn\.receive_json\(\) waits for nothing"):
        await conn.receive_json()


async def test_a_client_that_leaves(live: LiveStream, service: MockService) -> None:
    async with connect(service.url) as raw:
        await raw.send(HANDSHAKE)
        conn = await live.accept()
        waiting = asyncio.create_task(_receive(conn))
        await asyncio.sleep(0)
    with pytest.raises(StreamClosedError, match="waits for nothing"):
        await waiting
    end = await conn.closed()
    assert (end.by, end.code) == ("client", 1006)
    assert service.exchanges[0].fault == "the client disconnected"
    assert service.errors == ()


async def _receive(conn: Any) -> object:
    return await conn.receive()


async def test_a_reset(live: LiveStream, service: MockService) -> None:
    async with connect(service.url) as raw:
        await raw.send(HANDSHAKE)
        conn = await live.accept()
        conn.reset()
        with pytest.raises(ConnectionResetError):
            await raw.rest()
    assert (await conn.closed()).by == "test"
    assert service.exchanges[0].fault == "reset by the test"


async def test_no_message_in_time(live: LiveStream, session: aiohttp.ClientSession) -> None:
    async with session.ws_connect("/chat"):
        conn = await live.accept()
        with pytest.raises(
            AssertionError, match=r"^the client of GET /chat sent no message in 0\.01 s$"
        ):
            await conn.receive(timeout=0.01)


async def test_leaving_ends_them_all(live: LiveStream, service: MockService) -> None:
    async with connect(service.url) as one, connect(service.url) as two:
        for raw in (one, two):
            await raw.send(HANDSHAKE)
        conns = [await live.accept(), await live.accept()]
        waiting = asyncio.create_task(_receive(conns[0]))
        await asyncio.sleep(0)
        await service.stop()
        with pytest.raises(StreamClosedError):
            await waiting
        for conn in conns:
            assert (await conn.closed()).by == "service"
            with pytest.raises(StreamClosedError, match="the service was stopped"):
                await conn.receive()
    assert service.errors == ()


async def test_a_plain_get(live: LiveStream, service: MockService) -> None:
    async with httpx.AsyncClient(base_url=str(service.url)) as client:
        assert (await client.get("/chat")).status_code == 426
    assert live.connections == ()


@pytest.fixture
def threaded() -> Iterator[MockService]:
    with run_service(ROUTES) as service:
        yield service


def test_in_a_thread(threaded: MockService) -> None:
    live = LiveStream("websocket")
    threaded.register("chat", live)
    with ws_client_in_a_thread(str(threaded.url.with_scheme("ws") / "chat")) as client:
        conn = live.accept().block()
        client.send("hi")
        assert conn.receive().block() == "hi"
        conn.send("ho").block()
        assert client.recv() == "ho"
        conn.close(4000).block()
    assert conn.closed().block().by == "test"


def test_in_trio(threaded: MockService) -> None:
    live = LiveStream("websocket")
    threaded.register("chat", live)

    def talk() -> None:
        with ws_client_in_a_thread(str(threaded.url.with_scheme("ws") / "chat")) as client:
            client.send("hi")
            assert client.recv() == "ho"

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, talk)
            conn = await live.accept()
            assert await conn.receive() == "hi"
            await conn.send("ho")
            assert (await conn.closed()).code == 1000

    trio.run(main)


async def test_what_a_kind_cannot_do(service: MockService, session: aiohttp.ClientSession) -> None:
    live = LiveStream("sse")
    service.register("chat", live)
    async with session.get("/chat"):
        conn = await live.accept()
        for call in (conn.receive, conn.receive_json, conn.ping, lambda: conn.close(4000)):
            with pytest.raises(TypeError, match=r'is for LiveStream\("websocket"\)'):
                call()


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="answered 101, not 204"):
        LiveStream("websocket", status=204)
    with pytest.raises(ValueError, match="protocols are sub-protocols"):
        LiveStream("sse", protocols=["chat"])
    with pytest.raises(TypeError, match="protocols takes a list"):
        LiveStream("websocket", protocols="chat")
    assert repr(LiveStream("websocket", protocols=["a"])) == (
        "LiveStream('websocket', status=200, headers=None, protocols=('a',))"
    )
