"""Slow answers: any response, at a rate, without losing what comes after."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from bench.faults.clients import outcomes

from asyncly.srvmocker import (
    BaseMockResponse,
    CallbackResponse,
    DripResponse,
    EarlyHints,
    JsonResponse,
    LatencyResponse,
    MockService,
    Pause,
    RawResponse,
    Send,
    SequenceResponse,
    TruncatedResponse,
    WireResponse,
)
from asyncly.srvmocker.responses.drip import DripTransport
from asyncly.srvmocker.responses.wire import WireAnswer

from .conftest import connect

if TYPE_CHECKING:
    from collections.abc import Callable

GET = b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\n"


class Ticker(BaseMockResponse):
    """A stream of a user's own."""

    async def response(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for number in range(3):
            await answer.write(b"%d" % number)
        return answer


class Echo(BaseMockResponse):
    """A WebSocket of a user's own."""

    async def response(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data.upper())
        return socket


class Endless(BaseMockResponse):
    """A stream that never ends and never waits but for the client."""

    def __init__(self) -> None:
        self.written = 0

    async def response(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(bytes(1024))
            self.written += 1024


def is_slowed(request: web.Request) -> object:
    return isinstance(request.transport, DripTransport)


def raising(request: web.Request) -> object:
    raise web.HTTPNotFound(text="nothing here")


@pytest.mark.parametrize(
    ("wrapped", "status", "text"),
    [
        (JsonResponse({"a": 1}), 200, '{"a": 1}'),
        (RawResponse("x", 418), 418, "x"),
        (Ticker(), 200, "012"),
        (CallbackResponse(lambda request: {"path": request.path}), 200, '{"path": "/fact"}'),
        (CallbackResponse(lambda request: web.Response(text="own")), 200, "own"),
        (CallbackResponse(raising), 404, "nothing here"),
        (LatencyResponse(RawResponse("late"), 0.001), 200, "late"),
        (SequenceResponse([RawResponse("first")], "cycle"), 200, "first"),
        (DripResponse(RawResponse("twice" * 300), bytes_per_second=9000), 200, "twice" * 300),
        (EarlyHints("</a>", RawResponse("hinted")), 200, "hinted"),
        (RawResponse("x", 200, {"Transfer-Encoding": "chunked"}), 200, "x"),
        (
            WireResponse(Send(b"HTTP/1.1 200 OK\r\n"), Pause(0.01), Send(b"\r\nwire")),
            200,
            "wire",
        ),
    ],
    ids=lambda item: type(item).__name__,
)
async def test_any_response_comes_slowly_and_whole(
    service: MockService,
    session: aiohttp.ClientSession,
    wrapped: BaseMockResponse,
    status: int,
    text: str,
) -> None:
    service.register("fact", DripResponse(wrapped, bytes_per_second=5000))
    service.register("create", CallbackResponse(is_slowed))
    for _ in range(2):
        async with session.get("/fact") as answer:
            assert answer.status == status
            assert await answer.text() == text
        async with session.post("/orders") as answer:  # the same connection, no longer slow
            assert await answer.json() is False
    if text != "wire":  # a script ends its connection
        assert {call.connection for call in service.history} == {1}
    assert [exchange.status for exchange in service.exchanges] == [status, 200] * 2
    assert service.errors == ()


async def test_the_rate_holds_for_the_head_too(service: MockService) -> None:
    loop = asyncio.get_running_loop()
    service.register("fact", DripResponse(RawResponse("x" * 60), bytes_per_second=1000))
    async with connect(service.url) as raw:
        begin = loop.time()
        await raw.send(GET)
        head, body = await raw.answer()
        taken = loop.time() - begin
    # The first piece comes at once; a loaded machine is slower, never faster.
    assert taken >= (len(head) + len(body)) / 1000 - 2 / 20


@pytest.mark.parametrize("wrapped", [RawResponse("x"), EarlyHints("</a>", RawResponse()), Ticker()])
async def test_one_byte_at_a_time(service: MockService, wrapped: BaseMockResponse) -> None:
    service.register("fact", DripResponse(wrapped, bytes_per_second=0.01))
    async with connect(service.url) as raw:
        await raw.send(GET)
        assert await raw.reader.read(100) == b"H"
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(raw.reader.read(1), 0.05)


async def test_the_status_is_noted_before_the_first_byte(service: MockService) -> None:
    service.register("fact", DripResponse(RawResponse("x", 418), bytes_per_second=0.01))
    async with connect(service.url) as raw:
        await raw.send(GET)
        await raw.reader.readexactly(1)
        assert service.exchanges[0].status == 418


class Rude(BaseMockResponse):
    """Writes to the transport and closes it, as a user's own code may."""

    async def response(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(b"bye")
        request.transport.write(b" bye")
        request.transport.close()
        assert request.transport.is_closing()
        return WireAnswer([], fault="rude")


async def test_a_close_waits_for_what_was_written(service: MockService) -> None:
    service.register("fact", DripResponse(Rude(), bytes_per_second=50))
    async with connect(service.url) as raw:
        await raw.send(GET)
        assert await raw.rest() == b"bye bye"
    assert service.exchanges[0].outcome == "rude"


async def test_an_endless_stream_waits_for_the_rate(service: MockService) -> None:
    endless = Endless()
    service.register("fact", DripResponse(endless, bytes_per_second=10))
    async with connect(service.url) as raw:
        await raw.send(GET)
        await raw.reader.readexactly(2)
        assert endless.written < 1 << 20


async def test_a_websocket_speaks_slowly(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    service.register("fact", DripResponse(Echo(), bytes_per_second=4000))
    async with session.ws_connect("/fact") as socket:
        for word in ("meow", "purr"):
            await socket.send_str(word)
            assert await socket.receive_str() == word.upper()


async def test_a_fault_comes_slowly(service: MockService, session: aiohttp.ClientSession) -> None:
    truncated = TruncatedResponse(b"half", declared_length=8)
    service.register("fact", DripResponse(truncated, bytes_per_second=4000))
    async with session.get("/fact") as answer:
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    assert service.exchanges[0].outcome == "truncated after 4 of 8 bytes"


async def test_a_read_timeout_does_not_end_a_drip(service: MockService) -> None:
    """What begins anew with each byte never ends; what holds for the whole call does."""
    service.register("fact", DripResponse(RawResponse("0123456789"), bytes_per_second=200))
    assert await outcomes(service.url / "fact", timeout=0.5) == (
        "builtins.TimeoutError",
        *["200 0123456789"] * 3,
        "exit 28",
    )


async def test_requests_in_one_segment(service: MockService) -> None:
    service.register("fact", DripResponse(RawResponse("x"), bytes_per_second=5000))
    async with connect(service.url) as raw:
        await raw.send(GET * 3)
        assert [(await raw.answer())[1] for _ in range(3)] == [b"x"] * 3


async def test_behind_answers_that_were_not_read(service: MockService) -> None:
    service.register("fact", RawResponse(bytes(60_000)))
    service.register("create", DripResponse(RawResponse("slow"), bytes_per_second=5000))
    async with connect(service.url) as raw:
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await raw.send(GET * 200 + b"POST /orders HTTP/1.1\r\nHost: x\r\n\r\n")
        await service.wait_for_call("create")
        raw.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(200):
            assert len((await raw.answer())[1]) == 60_000
        assert (await raw.answer())[1] == b"slow"
    assert service.errors == ()


async def test_a_response_that_raises_is_told_of(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    def fail(request: web.Request) -> object:
        raise KeyError("nobody")

    service.register("fact", DripResponse(CallbackResponse(fail), bytes_per_second=5000))
    async with session.get("/fact") as answer:
        assert answer.status == 500
        assert "KeyError: 'nobody'" in await answer.text()
    (error,) = service.errors
    assert isinstance(error, KeyError)


async def test_a_file_is_sent_by_the_system(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    answer = CallbackResponse(lambda request: web.FileResponse(__file__))
    service.register("fact", DripResponse(answer, bytes_per_second=5000))
    async with session.get("/fact") as got:
        assert got.status == 500
    assert [str(error) for error in service.errors] == [
        "DripResponse cannot slow a FileResponse, which the system sends by itself (sendfile); "
        "send the bytes of the file: RawResponse(path.read_bytes())"
    ]


async def test_what_is_no_answer_is_told_of(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    class Broken(BaseMockResponse):
        async def response(self, request: web.Request) -> Any:
            return {"a": 1}

    service.register("fact", DripResponse(Broken(), bytes_per_second=5000))
    async with session.get("/fact") as answer:
        assert "it must return an aiohttp.web.Response" in await answer.text()


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda: DripResponse("x", bytes_per_second=1),  # type: ignore[arg-type]
            TypeError,
            "DripResponse takes a response, got 'x'; wrap data in JsonResponse(...), bytes or "
            "text in RawResponse(...)",
        ),
        (
            lambda: DripResponse(RawResponse(), bytes_per_second=0),
            ValueError,
            "bytes_per_second takes a rate above 0, got 0",
        ),
        (
            lambda: DripResponse(RawResponse(), bytes_per_second=float("inf")),
            ValueError,
            "bytes_per_second takes a rate above 0, got inf",
        ),
        (
            lambda: DripResponse(RawResponse(), bytes_per_second=True),
            TypeError,
            "bytes_per_second takes a rate, such as 0.5, got True",
        ),
    ],
)
def test_what_a_drip_does_not_take(
    make: Callable[[], object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == text


def test_the_repr_of_a_drip_shows_its_pieces() -> None:
    slow = DripResponse(RawResponse("slow"), bytes_per_second=100)
    assert repr(slow).endswith(
        "bytes_per_second=100, script=[Send(5 of its bytes), Pause(0.05), …])"
    )
