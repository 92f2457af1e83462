"""WebSockets, scripted in steps or by a function, driven by clients that nobody here wrote."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import aiohttp
import dirty_equals
import httpx
import pytest
import websockets
from aiohttp import WSMsgType, web
from websockets.asyncio.client import connect as ws_client

from asyncly.srvmocker import (
    BaseMockResponse,
    Exchange,
    LatencyResponse,
    MockRoute,
    MockService,
    RawResponse,
    SequenceResponse,
    StreamClosedError,
    WebSocketConnection,
    WebSocketResponse,
    WebSocketScriptError,
    start_service,
    ws,
)
from asyncly.srvmocker.report import render_trouble
from asyncly.srvmocker.responses.websocket_messages import clip_reason

from .conftest import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

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
async def session(service: MockService) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(service.url) as session:
        yield session


def said(service: MockService) -> list[tuple[str, str, Any]]:
    """What both sides said in the only exchange."""
    [exchange] = service.exchanges
    return [(message.sender, message.kind, message.data) for message in exchange.messages]


def frame(opcode: int, payload: bytes = b"") -> bytes:
    """A frame of a client, masked with zeros."""
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload


async def until(satisfied: Callable[[], bool]) -> None:
    """Let the loop turn until something is so; a hang is cut by the timeout."""
    async with asyncio.timeout(5):
        while not satisfied():
            await asyncio.sleep(0)


async def send(client: aiohttp.ClientWebSocketResponse, message: str | bytes) -> None:
    if isinstance(message, str):
        await client.send_str(message)
    else:
        await client.send_bytes(message)


def error_of(service: MockService) -> WebSocketScriptError:
    [error] = service.errors
    assert isinstance(error, WebSocketScriptError)
    [exchange] = service.exchanges
    assert exchange.error is error
    return error


# --- a script that is followed ----------------------------------------------------------


async def test_steps_with_aiohttp(service: MockService, session: aiohttp.ClientSession) -> None:
    script = [
        ws.Expect({"type": "hello"}),
        ws.Send({"type": "welcome"}),
        ws.Expect("text"),
        ws.Send("answer"),
        ws.Expect(b"\x00\xff"),
        ws.Send(b"\xff\x00"),
        ws.Close(4001, "bye"),
    ]
    service.register("chat", WebSocketResponse(script))
    async with session.ws_connect("/chat") as client:
        await client.send_json({"type": "hello"})
        assert await client.receive_json() == {"type": "welcome"}
        await client.send_str("text")
        assert await client.receive_str() == "answer"
        await client.send_bytes(b"\x00\xff")
        assert await client.receive_bytes() == b"\xff\x00"
        closed = await client.receive()
        assert (closed.type, closed.data, closed.extra) == (WSMsgType.CLOSE, 4001, "bye")
    assert service.errors == ()
    [exchange] = service.exchanges
    assert (exchange.status, exchange.fault) == (101, None)
    await until(lambda: len(exchange.messages) == 8)
    assert said(service) == [
        ("client", "text", '{"type": "hello"}'),
        ("server", "text", '{"type": "welcome"}'),
        ("client", "text", "text"),
        ("server", "text", "answer"),
        ("client", "binary", b"\x00\xff"),
        ("server", "binary", b"\xff\x00"),
        ("server", "close", "bye"),
        ("client", "close", ""),
    ]
    assert [message.code for message in exchange.messages[-2:]] == [4001, 1000]
    assert exchange.messages[0].json() == {"type": "hello"}
    times = [message.at for message in exchange.messages]
    assert times == sorted(times)
    assert times[0] >= exchange.request.received_at
    service.assert_called("chat", times=1)


async def test_steps_with_websockets(service: MockService) -> None:
    script = [ws.Expect("a"), ws.Send({"n": 1}), ws.Ping(b"there?"), ws.Expect(b"b"), ws.Close()]
    service.register("chat", WebSocketResponse(script))
    async with ws_client(str(service.url.with_scheme("ws") / "chat")) as client:
        await client.send("a")
        assert await client.recv() == '{"n": 1}'
        await client.send(b"b")
        with pytest.raises(websockets.ConnectionClosedOK):
            await client.recv()
    assert service.errors == ()
    assert ("client", "pong", b"there?") in said(service)


async def test_a_script_that_ends_closes_with_1000(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    service.register("chat", WebSocketResponse([]))
    async with session.ws_connect("/chat") as client:
        message = await client.receive()
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1000)
    assert service.errors == ()


async def test_what_nobody_expects_is_recorded_and_pings_are_answered(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    service.register("chat", WebSocketResponse([ws.Expect("first"), ws.ExpectClose(1000)]))
    async with session.ws_connect("/chat", autoping=False) as client:
        await client.send_str("first")
        await client.ping(b"?")
        pong = await client.receive()
        assert (pong.type, bytes(pong.data)) == (WSMsgType.PONG, b"?")
        await client.close()
        assert client.close_code == 1000
    assert service.errors == ()
    assert said(service)[:5] == [
        ("client", "text", "first"),
        ("client", "ping", b"?"),
        ("server", "pong", b"?"),
        ("client", "close", ""),
        ("server", "close", ""),
    ]


async def test_pings_that_stay_without_a_pong(service: MockService) -> None:
    """A client that watches its connection finds the server hanging."""
    service.register("chat", WebSocketResponse([ws.Expect("never")], answer_pings=False))
    url = str(service.url.with_scheme("ws") / "chat")
    async with ws_client(url, ping_interval=0.01, ping_timeout=0.05) as client:
        async with asyncio.timeout(5):
            with pytest.raises(websockets.ConnectionClosedError, match="keepalive ping timeout"):
                await client.recv()


async def test_messages_that_came_before_they_were_expected(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    service.register(
        "chat", WebSocketResponse([ws.Pause(0.01), *map(ws.Expect, "abc"), ws.Send("all")])
    )
    async with session.ws_connect("/chat") as client:
        for text in "abc":
            await client.send_str(text)
        assert await client.receive_str() == "all"


async def test_a_reset_is_no_error(service: MockService, session: aiohttp.ClientSession) -> None:
    service.register("chat", WebSocketResponse([ws.Send("half"), ws.Expect("go"), ws.Reset()]))
    async with session.ws_connect("/chat") as client:
        assert await client.receive_str() == "half"
        await client.send_str("go")
        message = await client.receive()
        assert message.type in (WSMsgType.CLOSED, WSMsgType.ERROR)
        assert client.close_code == 1006
    [exchange] = service.exchanges
    await until(lambda: exchange.finished_at is not None)
    assert (exchange.fault, service.errors) == ("reset by the script", ())


async def test_a_reset_is_an_rst(service: MockService) -> None:
    service.register("chat", WebSocketResponse([ws.Reset()]))
    async with connect(service.url) as raw:
        await raw.send(HANDSHAKE)
        with pytest.raises(ConnectionResetError):
            await raw.rest()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (re.compile(r"id-\d+"), "id-7"),
        (str, "text"),
        (bytes, b"bytes"),
        (dict, "{}"),
        (str | bytes, "text"),
        (None, "null"),
        (5, "5"),
        (True, "true"),
        ([1, {"at": float}], '[1, {"at": 0.5}]'),
        ({"n": 1}, b'{"n": 1}'),
        ({"id": re.compile("[a-f]+"), "n": int}, '{"id": "abc", "n": 2}'),
        (dirty_equals.IsPartialDict(type="x"), '{"type": "x", "more": 1}'),
        (dirty_equals.IsStr(regex="t.*"), "text"),
        (dirty_equals.IsJson({"a": 1}), '{"a": 1}'),
        (lambda data: data["n"] > 1, '{"n": 2}'),
        (lambda data: data.startswith("t"), "text"),
    ],
)
async def test_values_that_fit(
    service: MockService, session: aiohttp.ClientSession, value: Any, message: str | bytes
) -> None:
    service.register("chat", WebSocketResponse([ws.Expect(value), ws.Send("fits")]))
    async with session.ws_connect("/chat") as client:
        await send(client, message)
        assert (await client.receive()).data == "fits"


async def test_sub_protocols(service: MockService, session: aiohttp.ClientSession) -> None:
    response = WebSocketResponse([], protocols=["graphql-ws", "chat"])
    service.register("chat", response)
    async with session.ws_connect("/chat", protocols=["other", "chat"]) as client:
        assert client.protocol == "chat"
    async with session.ws_connect("/chat", protocols=["other"]) as client:
        assert client.protocol is None
    agreed: list[str | None] = []

    async def look(connection: WebSocketConnection) -> None:
        agreed.append(connection.protocol)

    service.register("chat", WebSocketResponse(look, protocols=("graphql-ws",)))
    url = str(service.url.with_scheme("ws") / "chat")
    async with ws_client(url, subprotocols=["graphql-ws"]) as other:  # type: ignore[list-item]
        assert other.subprotocol == "graphql-ws"
    assert agreed == ["graphql-ws"]


@pytest.mark.parametrize("compress", [True, False])
async def test_permessage_deflate(service: MockService, compress: bool) -> None:
    text = "very repetitive " * 10_000
    service.register("chat", WebSocketResponse([ws.Expect(text), ws.Send(text)], compress=compress))
    async with ws_client(str(service.url.with_scheme("ws") / "chat")) as client:
        assert bool(client.protocol.extensions) is compress
        await client.send(text)
        assert await client.recv() == text


async def test_headers_of_the_handshake(service: MockService) -> None:
    service.register("chat", WebSocketResponse([], headers={"X-Node": "7"}))
    async with ws_client(str(service.url.with_scheme("ws") / "chat")) as client:
        assert client.response is not None
        assert client.response.headers["X-Node"] == "7"


async def test_the_size_of_a_message(service: MockService, session: aiohttp.ClientSession) -> None:
    service.register("chat", WebSocketResponse([ws.Expect(), ws.Send("big")]))
    async with session.ws_connect("/chat") as client:
        await client.send_bytes(bytes(5 << 20))
        assert await client.receive_str() == "big"
    service.reset()
    service.register("chat", WebSocketResponse([ws.Expect()], max_message_size=10))
    async with session.ws_connect("/chat") as client:
        await client.send_bytes(bytes(11))
        assert (await client.receive()).data == 1009
    await until(lambda: bool(service.errors))
    assert "the client broke the protocol (Message size 11 exceeds" in str(error_of(service))
    assert service.exchanges[0].messages[-1].code == 1009


async def test_it_composes(service: MockService, session: aiohttp.ClientSession) -> None:
    hello = WebSocketResponse([ws.Send("hello")])
    service.register("chat", SequenceResponse([RawResponse(status=503), LatencyResponse(hello, 0)]))
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await session.ws_connect("/chat")
    async with session.ws_connect("/chat") as client:
        assert await client.receive_str() == "hello"


async def test_many_clients_at_once(service: MockService, session: aiohttp.ClientSession) -> None:
    service.register("chat", WebSocketResponse([ws.Expect(int), ws.Send("done")]))

    async def talk(number: int) -> None:
        async with session.ws_connect("/chat") as client:
            await client.send_str(str(number))
            assert await client.receive_str() == "done"

    await asyncio.gather(*map(talk, range(50)))
    assert service.errors == ()
    sent = {exchange.messages[0].data for exchange in service.exchanges}
    assert sent == set(map(str, range(50)))


class Thrice(ws.Step):
    """A step of the user's own."""

    async def run(self, connection: WebSocketConnection) -> None:
        for _ in range(3):
            await connection.send("again")


async def test_a_step_of_the_users_own(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    service.register("chat", WebSocketResponse([Thrice()]))
    async with session.ws_connect("/chat") as client:
        assert [message.data async for message in client] == ["again"] * 3


# --- a script that is a function --------------------------------------------------------


async def test_an_echo_for_both_clients(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    async def echo(connection: WebSocketConnection) -> None:
        async for data in connection:
            await connection.send(data)

    service.register("chat", WebSocketResponse(echo))
    async with session.ws_connect("/chat") as client:
        for data in ("text", "more"):
            await client.send_str(data)
            assert await client.receive_str() == data
    async with ws_client(str(service.url.with_scheme("ws") / "chat")) as other:
        await other.send(b"bytes")
        assert await other.recv() == b"bytes"
    async with connect(service.url) as raw:  # this one leaves without a word
        await raw.send(HANDSHAKE + frame(1, b"last"))
        await raw.reader.readuntil(b"last")
    await until(lambda: all(item.finished_at is not None for item in service.exchanges))
    assert service.errors == ()


async def test_everything_a_function_can_do(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    seen: list[Any] = []

    async def talk(connection: WebSocketConnection) -> None:
        seen.append(connection.request.query["room"])
        seen.append(await connection.receive())
        seen.append(await connection.receive_json(timeout=5))
        seen.append(await connection.expect({"n": int}, timeout=5))
        await connection.ping(b"x")
        await connection.pause(0.001)
        seen.append(len([m for m in connection.messages if m.sender == "client"]))
        await connection.close(4000, "enough")
        with pytest.raises(StreamClosedError, match="closed"):
            await connection.send("too late")
        seen.append("the end")

    service.register("chat", WebSocketResponse(talk))
    async with session.ws_connect("/chat?room=7", autoclose=False) as client:
        await client.send_str("a")
        await client.send_str('{"b": 1}')
        await client.send_str('{"n": 2}')
        closed = await client.receive()
        assert closed.type is WSMsgType.PING or closed.data == 4000
        await client.close()
        await until(lambda: seen[-1] == "the end" or bool(service.errors))
    assert service.errors == ()
    assert seen[:4] == ["7", "a", {"b": 1}, '{"n": 2}']


async def test_a_function_that_raises(service: MockService, session: aiohttp.ClientSession) -> None:
    async def explode(connection: WebSocketConnection) -> None:
        await connection.receive()
        raise ZeroDivisionError("division by zero")

    service.register("chat", WebSocketResponse(explode))
    async with session.ws_connect("/chat") as client:
        await client.send_str("go")
        closed = await client.receive()
        assert (closed.type, closed.data) == (WSMsgType.CLOSE, 1011)
        assert closed.extra == "the script raised ZeroDivisionError: division by zero"
        assert [type(error) for error in service.errors] == [ZeroDivisionError]


async def test_a_function_that_is_not_async(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    service.register("chat", WebSocketResponse(lambda connection: None))  # type: ignore[arg-type, return-value]
    async with session.ws_connect("/chat") as client:
        assert (await client.receive()).data == 1011
    assert str(service.errors[0]) == (
        "the lambda returned None: the script of a WebSocketResponse is an async function"
    )


# --- a client that does something else --------------------------------------------------

SUBSCRIBE = {"type": "subscribe", "channels": [{"id": 1}]}


@pytest.mark.parametrize(
    ("script", "act", "reason", "text"),
    [
        (
            [ws.Send("hi"), ws.Expect("a")],
            lambda client: client.send_str("b"),
            "step 2 of 2: message[1]: expected 'a', got 'b'",
            "'chat' (GET /chat): another message came at step 2 of 2\n"
            "    message[1]: expected 'a', got 'b'",
        ),
        (
            [ws.Expect(SUBSCRIBE), ws.Send("ok")],
            lambda client: client.send_json({**SUBSCRIBE, "channels": [{"id": "1"}]}),
            "step 1 of 2: message[0].channels[0].id: expected 1, got '1' (a text is not a number)",
            "'chat' (GET /chat): another message came at step 1 of 2\n"
            "  expected  {'type': 'subscribe', 'channels': [{'id': 1}]}\n"
            "  got       {'type': 'subscribe', 'channels': [{'id': '1'}]}\n"
            "    message[0].channels[0].id: expected 1, got '1' (a text is not a number)",
        ),
        (
            [ws.Expect({})],
            lambda client: client.send_str("no JSON"),
            "step 1 of 1: message[0]: expected {}, got 'no JSON' (it is no JSON: Expecting value: "
            "line 1 column 1 (char 0))",
            "'chat' (GET /chat): another message came at step 1 of 1\n"
            "    message[0]: expected {}, got 'no JSON' (it is no JSON: Expecting value: line 1 "
            "column 1 (char 0))",
        ),
        (
            [ws.Expect("a")],
            lambda client: client.send_bytes(b"a"),
            "step 1 of 1: message[0]: expected 'a', got b'a'",
            "'chat' (GET /chat): another message came at step 1 of 1\n"
            "    message[0]: expected 'a', got b'a'",
        ),
        (
            [ws.Expect("ü" * 200)],
            lambda client: client.send_str("x"),
            "step 1 of 1: message[0]: first difference at character 0 (expected 200, got 1 "
            "characters)",
            "'chat' (GET /chat): another message came at step 1 of 1\n"
            "    message[0]: first difference at character 0 (expected 200, got 1 characters)\n"
            f"      expected {'ü' * 28!r}…\n"
            "      got      'x'",
        ),
        (
            [ws.Expect(re.compile("ü{50}" + "ö" * 30))],
            lambda client: client.send_str("ä" * 50),
            f"step 1 of 1: message[0]: expected a match of 'ü{{50}}{'ö' * 30}', got '…",
            "'chat' (GET /chat): another message came at step 1 of 1\n"
            f"    message[0]: expected a match of 'ü{{50}}{'ö' * 30}', got '{'ä' * 50}'",
        ),
        (
            [ws.ExpectClose()],
            lambda client: client.send_str("more"),
            "step 1 of 1: message[0]: unexpected, got 'more' (expected a close frame)",
            "'chat' (GET /chat): a message came at step 1 of 1\n"
            "    message[0]: unexpected, got 'more' (expected a close frame)",
        ),
        (
            [ws.ExpectClose(4000)],
            lambda client: client.close(),
            "step 1 of 1: close.code: expected 4000, got 1000",
            "'chat' (GET /chat): the client closed (1000) at step 1 of 1\n"
            "    close.code: expected 4000, got 1000",
        ),
        (
            [ws.Send("hi"), ws.Send("ho"), ws.Expect({"a": 1}), ws.Send("b"), ws.Close()],
            lambda client: client.close(),
            "the client closed (1000) at step 3 of 5: expected {'a': 1}",
            "'chat' (GET /chat): the client closed (1000) at step 3 of 5: expected {'a': 1}",
        ),
        (
            [ws.Expect()],
            lambda client: client.close(code=4007, message=b"tired"),
            "the client closed (4007 'tired') at step 1 of 1: expected a message",
            "'chat' (GET /chat): the client closed (4007 'tired') at step 1 of 1: "
            "expected a message",
        ),
        (
            [ws.Pause(3600), ws.Send("late")],
            lambda client: client.close(),
            "the client closed (1000) at step 1 of 2: it was not there for Pause(seconds=3600)",
            "'chat' (GET /chat): the client closed (1000) at step 1 of 2: "
            "it was not there for Pause(seconds=3600)",
        ),
        (
            [ws.Expect("a", timeout=0.01)],
            lambda client: client.ping(),
            "no message came in 0.01 s at step 1 of 1: expected 'a'",
            "'chat' (GET /chat): no message came in 0.01 s at step 1 of 1: expected 'a'",
        ),
        (
            [ws.ExpectClose(timeout=0.01)],
            lambda client: client.ping(),
            "the client did not close in 0.01 s at step 1 of 1: expected a close frame",
            "'chat' (GET /chat): the client did not close in 0.01 s at step 1 of 1: "
            "expected a close frame",
        ),
    ],
)
async def test_what_fails_is_said_to_both_sides(
    service: MockService,
    session: aiohttp.ClientSession,
    script: list[ws.Step],
    act: Callable[[aiohttp.ClientWebSocketResponse], Awaitable[object]],
    reason: str,
    text: str,
) -> None:
    service.register("chat", WebSocketResponse(script))
    async with session.ws_connect("/chat") as client:
        await act(client)
        while (message := await client.receive()).type is WSMsgType.TEXT:
            pass
        # Noted before the client hears of it.
        assert str(error_of(service)) == text
        is_expectation = "expected" in text
        assert bool(error_of(service).mismatches) is is_expectation
        if not client.closed or message.type is WSMsgType.CLOSE:
            assert message.extra in (reason, None)
        assert client.close_code == 1008
    [exchange] = service.exchanges
    sent = [m for m in exchange.messages if (m.sender, m.kind) == ("server", "close")]
    assert [(m.code, m.data) for m in sent] == [(1008, reason)]
    assert len(reason.encode()) <= 123


async def test_what_never_came_is_a_difference_too(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    service.register("chat", WebSocketResponse([ws.Expect("a", timeout=0.01)]))
    async with session.ws_connect("/chat") as client:
        await client.receive()
        assert [str(item) for item in error_of(service).mismatches] == [
            "message: missing, expected 'a' (no message came in 0.01 s)"
        ]


async def test_the_report_shows_each_difference(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    service.register("chat", WebSocketResponse([ws.Expect({"a": 1, "b": 2})]))
    async with session.ws_connect("/chat") as client:
        await client.send_json({"a": 2, "b": 3})
        await client.receive()
    assert render_trouble(service).split("\n")[1:] == [
        "  raised while answering",
        "    GET /chat → the answer broke off: its response raised",
        "      WebSocketScriptError: 'chat' (GET /chat): another message came at step 1 of 1",
        "        expected  {'a': 1, 'b': 2}",
        "        got       {'a': 2, 'b': 3}",
        "          message[0].a: expected 1, got 2",
        "          message[0].b: expected 2, got 3",
    ]
    assert [str(item) for item in error_of(service).mismatches] == [
        "message[0].a: expected 1, got 2",
        "message[0].b: expected 2, got 3",
    ]


async def test_the_reason_with_websockets(service: MockService) -> None:
    service.register("chat", WebSocketResponse([ws.Expect("a")]))
    async with ws_client(str(service.url.with_scheme("ws") / "chat")) as client:
        await client.send("b")
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert closed.value.rcvd.reason == "step 1 of 1: message[0]: expected 'a', got 'b'"


@pytest.mark.parametrize("how", ["fin", "rst"])
async def test_a_client_that_leaves(service: MockService, how: str) -> None:
    """What it had sent before is taken in first, so the step that is named does not vary."""
    service.register("chat", WebSocketResponse([ws.Send("hi"), *map(ws.Expect, "abc")]))
    async with connect(service.url) as raw:
        await raw.send(HANDSHAKE)
        await raw.reader.readuntil(b"\x81\x02hi")
        await raw.send(frame(1, b"a") + frame(1, b"b"))
        if how == "rst":
            await until(lambda: len(service.exchanges[0].messages) == 3)
            raw.writer.transport.abort()
        else:
            raw.writer.write_eof()
        await until(lambda: bool(service.errors))
    assert str(error_of(service)) == (
        "'chat' (GET /chat): the client left without a close frame (1006) at step 4 of 4: "
        "expected 'c'"
    )


async def test_a_client_that_leaves_in_a_pause(service: MockService) -> None:
    service.register("chat", WebSocketResponse([ws.Pause(3600)]))
    async with connect(service.url) as raw:
        await raw.send(HANDSHAKE)
        await raw.reader.readuntil(b"\r\n\r\n")
    await until(lambda: bool(service.errors))
    assert "the client left without a close frame (1006) at step 1 of 1" in str(error_of(service))


async def test_a_client_that_leaves_a_function(service: MockService) -> None:
    cancelled: list[str] = []

    async def hang(connection: WebSocketConnection) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append("cancelled")
            raise

    async def listen(connection: WebSocketConnection) -> None:
        await connection.receive()

    for script in (hang, listen):
        service.reset()
        service.register("chat", WebSocketResponse(script))
        async with connect(service.url) as raw:
            await raw.send(HANDSHAKE)
            await raw.reader.readuntil(b"\r\n\r\n")
        await until(lambda: bool(service.errors))
        assert str(error_of(service)) == (
            "'chat' (GET /chat): the client left without a close frame (1006) in the function "
            f"{script.__name__}: before it returned"
        )
    assert cancelled == ["cancelled"]


async def test_a_function_that_cuts_and_goes_on(service: MockService) -> None:
    """aiohttp cancels it then, and that is no failure: this side wanted the end."""

    async def cut(connection: WebSocketConnection) -> None:
        await connection.reset()
        await asyncio.Event().wait()

    service.register("chat", WebSocketResponse(cut))
    async with connect(service.url) as raw:
        await raw.send(HANDSHAKE)
        with pytest.raises(ConnectionResetError):
            await raw.rest()
    [exchange] = service.exchanges
    await until(lambda: exchange.finished_at is not None)
    assert (exchange.fault, service.errors) == ("reset by the script", ())


async def test_a_client_that_breaks_the_protocol(service: MockService) -> None:
    service.register("chat", WebSocketResponse([ws.Expect("a")]))
    async with connect(service.url) as raw:
        await raw.send(HANDSHAKE + frame(1, b"\xff"))
        assert (await raw.rest()).endswith(b"\x88\x02" + (1007).to_bytes(2, "big"))
    assert str(error_of(service)) == (
        "'chat' (GET /chat): the client broke the protocol (Invalid UTF-8 text message) at step "
        "1 of 1: expected 'a'"
    )


async def test_frames_that_come_with_the_handshake(service: MockService) -> None:
    service.register("chat", WebSocketResponse([ws.Expect("a"), ws.Close(4000)]))
    async with connect(service.url) as raw:
        await raw.send(HANDSHAKE + frame(1, b"a") + frame(8))
        head, _, frames = (await raw.rest()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert frames == b"\x88\x02" + (4000).to_bytes(2, "big")
    assert service.errors == ()
    assert service.exchanges[0].messages[1].code == 1005


# --- the end of the service -------------------------------------------------------------


@pytest.mark.parametrize(
    "script", [[ws.Expect("never")], [ws.Pause(3600)], [ws.ExpectClose()], [ws.Close()]]
)
async def test_leaving_ends_a_script_at_once(script: list[ws.Step]) -> None:
    tasks = asyncio.all_tasks()
    async with start_service(ROUTES) as service:
        service.register("chat", WebSocketResponse(script))
        async with connect(service.url) as raw:
            await raw.send(HANDSHAKE)
            await raw.reader.readuntil(b"\r\n\r\n")
            async with asyncio.timeout(1):
                await service.stop()
            assert asyncio.all_tasks() == tasks
    assert service.errors == ()
    assert service.exchanges[0].fault == "the service was stopped"


async def test_leaving_ends_functions_and_clients_that_never_read() -> None:
    tasks = asyncio.all_tasks()

    async def flood(connection: WebSocketConnection) -> None:
        while True:
            await connection.send(bytes(1 << 20))

    async with start_service(ROUTES) as service:
        service.register("chat", WebSocketResponse(flood, compress=False))
        async with connect(service.url) as raw:
            raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await raw.send(HANDSHAKE)
            await until(lambda: bool(service.exchanges and len(service.exchanges[0].messages) > 3))
            async with asyncio.timeout(1):
                await service.stop()
            assert asyncio.all_tasks() == tasks
    assert service.errors == ()


# --- what is no WebSocket ---------------------------------------------------------------


async def test_a_plain_get(service: MockService) -> None:
    service.register("chat", WebSocketResponse([ws.Send("hi")]))
    async with httpx.AsyncClient(base_url=str(service.url)) as client:
        answer = await client.get("/chat")
    assert answer.status_code == 426
    assert (answer.headers["Upgrade"], answer.headers["Connection"]) == ("websocket", "Upgrade")
    assert answer.text == (
        "426: /chat speaks WebSocket, and this request asks for no upgrade to it: it needs the "
        "headers 'Upgrade: websocket' and 'Connection: Upgrade' (RFC 6455 §4.1)\n"
        f"connect with a WebSocket client: ws://127.0.0.1:{service.url.port}/chat\n"
    )
    assert service.errors == ()


@pytest.mark.parametrize(
    ("old", "new", "status", "says"),
    [
        (b"Version: 13", b"Version: 7", 426, "Sec-WebSocket-Version must be 13"),
        (b"AAAAAAAAAAAAAAAAAAAAAA==", b"AAAA", 400, "got 'AAAA'"),
        (b"AAAAAAAAAAAAAAAAAAAAAA==", b"A", 400, "16 bytes in base64"),
    ],
)
async def test_a_broken_handshake(
    service: MockService, old: bytes, new: bytes, status: int, says: str
) -> None:
    service.register("chat", WebSocketResponse([ws.Send("hi")]))
    async with connect(service.url) as raw:
        await raw.send(HANDSHAKE.replace(old, new))
        head, body = await raw.answer()
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert says in body.decode()
    assert (b"Sec-WebSocket-Version: 13\r\n" in head) is (status == 426)


async def test_an_exchange_without_messages(service: MockService) -> None:
    service.register("chat", RawResponse("plain"))
    async with httpx.AsyncClient(base_url=str(service.url)) as client:
        await client.get("/chat")
    assert service.exchanges[0].messages == ()


# --- a response of the user's own -------------------------------------------------------


class Echo(BaseMockResponse):
    """aiohttp's own WebSocket, already run when it is returned."""

    async def response(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket


async def test_aiohttps_own_response(service: MockService, session: aiohttp.ClientSession) -> None:
    service.register("chat", Echo())
    async with session.ws_connect("/chat") as client:
        await client.send_str("hi")
        assert await client.receive_str() == "hi"
    await until(lambda: service.exchanges[0].finished_at is not None)
    [exchange] = service.exchanges
    assert (exchange.status, exchange.fault, service.errors) == (101, None, ())
    assert isinstance(exchange, Exchange)


# --- mistakes of the test ---------------------------------------------------------------

Untyped: Any = WebSocketResponse
steps: Any = ws


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Untyped("hi"), TypeError, "takes a list of steps such as"),
        (lambda: Untyped(["hi"]), TypeError, "step 1 is 'hi'; a step is one of the"),
        (lambda: Untyped([ws.Close]), TypeError, r"the class; make one: ws\.Close\("),
        (
            lambda: Untyped([ws.Close(), ws.Send("x")]),
            ValueError,
            "step 1 of 2, Close.*can never be reached",
        ),
        (lambda: Untyped([], protocols="chat"), TypeError, r"write \['chat'\]"),
        (lambda: Untyped([], max_message_size=0), ValueError, "bytes from 1 up"),
        (lambda: steps.Send({1, 2}), TypeError, "what JSON has a form for"),
        (lambda: steps.Close(1006), ValueError, "1006 cannot be sent"),
        (lambda: steps.Close("1000"), TypeError, "a close code is a number"),
        (lambda: steps.Close(reason=b"x"), TypeError, "the reason of a close is text"),
        (lambda: steps.Close(reason="ü" * 62), ValueError, "takes 123 bytes.*this has 124"),
        (lambda: steps.Ping("x"), TypeError, "Ping takes bytes"),
        (lambda: steps.Ping(bytes(126)), ValueError, "at most 125 bytes"),
        (lambda: steps.Pause(-1), ValueError, "Pause takes seconds from 0 up"),
        (lambda: steps.Pause("1"), TypeError, "Pause takes seconds, such as"),
        (lambda: steps.Expect("a", timeout=-1), ValueError, "timeout takes seconds from 0 up"),
        (lambda: steps.ExpectClose(timeout="1"), TypeError, "timeout takes seconds"),
    ],
)
def test_mistakes(make: Callable[[], object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()


@pytest.mark.parametrize("call", ["receive", "receive_json", "expect", "expect_close"])
async def test_a_script_that_waits_no_time_is_told(
    service: MockService, session: aiohttp.ClientSession, call: str
) -> None:
    async def script(connection: WebSocketConnection) -> None:
        await getattr(connection, call)(timeout="5")

    service.register("chat", WebSocketResponse(script))
    async with session.ws_connect("/chat") as client:
        assert (await client.receive()).data == 1011
    (error,) = service.errors
    assert str(error) == "timeout= takes seconds, or None to wait for ever, got '5'"


def test_values() -> None:
    script = [ws.Expect({"a": 1}), ws.Send(b"x")]
    assert WebSocketResponse(script) == WebSocketResponse(tuple(script))
    assert repr(script) == "[Expect(value={'a': 1}, timeout=None), Send(data=b'x')]"


@pytest.mark.parametrize("size", range(90, 126))
def test_a_reason_is_cut_between_characters(size: int) -> None:
    reason = "a" * size + "ü" * 30
    cut = clip_reason(reason)
    assert len(cut.encode()) in (122, 123)
    assert cut.endswith("…")
    assert reason.startswith(cut[:-1])


async def test_a_send_that_takes_too_long_does_not_break_what_follows(
    service: MockService,
) -> None:
    gave_up = asyncio.Event()

    async def script(connection: WebSocketConnection) -> None:
        try:
            async with asyncio.timeout(0.01):  # the client does not read
                await connection.send(bytes(1 << 24))
        except TimeoutError:
            gave_up.set()
        await connection.send("late")
        await connection.close(4000)

    service.register("chat", WebSocketResponse(script, compress=False))
    async with connect(service.url) as raw, asyncio.timeout(10):
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await raw.send(HANDSHAKE)
        await gave_up.wait()
        raw.writer.transport.resume_reading()  # type: ignore[attr-defined]
        got = bytearray()
        while not got.endswith(b"late\x88\x02\x0f\xa0"):
            got += await raw.reader.read(1 << 20)
        await raw.send(frame(8, b"\x0f\xa0"))
        await until(lambda: service.exchanges[0].finished_at is not None)
    assert service.errors == ()


async def test_no_secret_of_the_handshake_is_in_the_error_of_a_script(
    service: MockService, session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    scripts: list[list[ws.Step]] = [
        [ws.Expect({"token": None})],
        [ws.Expect("hello")],
        [ws.ExpectClose()],
    ]
    for script in scripts:
        service.register("chat", WebSocketResponse(script))
        headers = {"Authorization": "Bearer s3cr3t"}
        async with session.ws_connect("/chat", headers=headers) as client:
            await client.send_json({"token": "s3cr3t"})
            closing = await client.receive()
            assert "s3cr3t" not in str(closing.extra)
    assert len(service.errors) == 3
    assert "s3cr3t" not in "".join(map(str, service.errors))
    assert "***" in str(service.errors[0])
    assert "s3cr3t" not in caplog.text
