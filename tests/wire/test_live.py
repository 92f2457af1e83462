"""Live streams: the test holds the connection and says what is sent, and when."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import pytest
import requests
import trio
from aiohttp.test_utils import make_mocked_request

from asyncly.srvmocker import (
    BaseMockResponse,
    JsonResponse,
    LatencyResponse,
    LiveConnection,
    LiveStream,
    MockRoute,
    MockService,
    SequenceResponse,
    ServerSentEvent,
    SrvMockerError,
    StreamClosedError,
    run_service,
    start_service,
)

from .conftest import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aiohttp import web

ROUTES = [
    MockRoute("GET", "/events", "events"),
    MockRoute("GET", "/others", "others"),
    MockRoute("HEAD", "/events", "events"),
]


@pytest.fixture
async def service() -> AsyncIterator[MockService]:
    async with start_service(ROUTES) as service:
        yield service


@pytest.fixture
def live(service: MockService) -> LiveStream:
    live = LiveStream("sse")
    service.register("events", live)
    return live


async def test_the_client_sees_each_event_before_the_test_sends_the_next(
    live: LiveStream, session: aiohttp.ClientSession, service: MockService
) -> None:
    async with session.get("/events", headers={"Last-Event-ID": "6"}) as answer:
        conn = await live.accept()
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert conn.request.last_event_id == "6"
        await conn.send(ServerSentEvent("one", id="7"))
        assert await answer.content.readuntil(b"\n\n") == b"id: 7\ndata: one\n\n"
        await conn.send("two")
        assert await answer.content.readuntil(b"\n\n") == b"data: two\n\n"
        assert conn.is_open
        await conn.close()
        assert await answer.read() == b""
    end = await conn.closed()
    assert (end.by, end.sent) == ("test", len(b"id: 7\ndata: one\n\ndata: two\n\n"))
    assert end.at - conn.request.received_at == pytest.approx(end.after)
    (exchange,) = service.exchanges
    assert exchange.outcome == "200"
    assert conn.request is exchange.request
    await conn.close()  # it is ended already


@pytest.mark.parametrize(
    ("kind", "content_type", "data", "wire"),
    [
        ("chunked", "application/octet-stream", b"\x00\xff", b"\x00\xff"),
        ("chunked", "application/octet-stream", b"", b""),
        ("ndjson", "application/x-ndjson", {"a": "\n"}, b'{"a": "\\n"}\n'),
        ("sse", "text/event-stream", {"a": 1}, b'data: {"a": 1}\n\n'),
    ],
)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_the_kinds(
    service: MockService, kind: Any, content_type: str, data: object, wire: bytes, version: str
) -> None:
    live = LiveStream(kind, status=203, headers={"X-A": "1"})
    service.register("events", live)
    async with connect(service.url) as raw:
        await raw.send(f"GET /events HTTP/{version}\r\nHost: x\r\n\r\n".encode())
        conn = await live.accept()
        head = (await raw.reader.readuntil(b"\r\n\r\n")).decode()
        assert head.startswith(f"HTTP/{version} 203 ")
        assert f"\r\nContent-Type: {content_type}\r\n" in head
        assert "\r\nX-A: 1\r\n" in head
        await conn.send(data)
        await conn.close()
        assert conn.sent == len(wire)
        if version == "1.0":
            assert await raw.rest() == wire
        else:
            chunk = b"%x\r\n%b\r\n" % (len(wire), wire) if wire else b""
            assert await raw.reader.readuntil(b"\r\n0\r\n\r\n" if wire else b"0\r\n\r\n") == (
                chunk + b"0\r\n\r\n"
            )


async def test_an_empty_piece_does_not_end_the_stream(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    live = LiveStream("chunked")
    service.register("events", live)
    async with session.get("/events") as answer:
        conn = await live.accept()
        for piece in (b"", b"one", b""):
            await conn.send(piece)
        await conn.close()
        assert await answer.read() == b"one"


async def test_a_client_that_leaves_is_seen(
    live: LiveStream, session: aiohttp.ClientSession, service: MockService
) -> None:
    async with session.get("/events") as answer:
        conn = await live.accept()
        await conn.send("one")
        await answer.content.readuntil(b"\n\n")
        answer.close()
    end = await conn.closed()
    assert (end.by, end.sent) == ("client", 11)
    assert 0 < end.after < 5
    assert not conn.is_open
    assert live.connections == ()
    assert service.exchanges[0].status == 200
    assert service.exchanges[0].fault == "the client disconnected"
    with pytest.raises(StreamClosedError) as caught:
        await conn.send("two")
    assert isinstance(caught.value, ConnectionError)
    assert str(caught.value) == (
        "conn.send(...) reaches nobody, for the stream to the client of GET /events has ended: "
        f"the client left {end.after:.3g} s after its request, when 11 bytes were sent"
    )


async def test_sending_in_the_very_moment_of_the_end_is_refused_too(
    live: LiveStream, service: MockService
) -> None:
    async with connect(service.url) as raw:
        await raw.send(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        conn = await live.accept()
        conn.reset()
        with pytest.raises(StreamClosedError, match="the test ended it"):
            await conn.send("one")
        await conn.close()
    async with connect(service.url) as raw:
        await raw.send(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        conn = await live.accept()
        raw.writer.transport.abort()
        with pytest.raises(StreamClosedError, match="the client left"):
            while True:
                await conn.send("x" * 1_000_000)


async def test_a_client_that_resets_while_it_does_not_read_ends_the_sending(
    live: LiveStream, service: MockService
) -> None:
    async with connect(service.url) as raw:
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined] # asyncio's have it
        await raw.send(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        conn = await live.accept()
        sending = asyncio.create_task(conn.send("x" * 30_000_000))
        for _ in range(3):
            await asyncio.sleep(0)
        assert not sending.done()
        linger = struct.pack("ii", 1, 0)
        raw.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        raw.writer.transport.abort()
        with pytest.raises(StreamClosedError, match="the client left"):
            await sending


async def test_leaving_ends_a_sending_that_waits_for_its_client() -> None:
    live = LiveStream("chunked")
    async with start_service(ROUTES) as service:
        service.register("events", live)
        async with connect(service.url) as raw:
            raw.writer.transport.pause_reading()  # type: ignore[attr-defined] # as above
            await raw.send(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
            conn = await live.accept()
            sending = asyncio.create_task(conn.send(b"x" * 30_000_000))
            for _ in range(3):
                await asyncio.sleep(0)
            await service.stop()
            assert (await conn.closed()).by == "service"
            with pytest.raises(StreamClosedError, match="the service was stopped"):
                await sending


async def test_a_reset_is_an_error_in_mid_stream(
    live: LiveStream, session: aiohttp.ClientSession, service: MockService
) -> None:
    async with session.get("/events") as answer:
        conn = await live.accept()
        await conn.send("one")
        await answer.content.readuntil(b"\n\n")
        conn.reset()
        with pytest.raises(aiohttp.ClientPayloadError, match="Connection reset by peer"):
            await answer.content.read()
    assert (await conn.closed()).by == "test"
    assert service.exchanges[0].fault == "reset by the test"
    assert service.errors == ()


async def test_several_clients_at_once_in_order_of_arrival(
    live: LiveStream, session: aiohttp.ClientSession
) -> None:
    answers = [await session.get(f"/events?n={n}") for n in range(3)]
    conns = [await live.accept() for _ in range(3)]
    assert [conn.request.query["n"] for conn in conns] == ["0", "1", "2"]
    assert live.connections == tuple(conns)
    for number, conn in reversed(list(enumerate(conns))):
        await conn.send(number)
        await conn.close()
    assert [await answer.text() for answer in answers] == [f"data: {n}\n\n" for n in range(3)]
    assert live.connections == ()


async def test_each_client_is_given_to_one_accept(
    live: LiveStream, session: aiohttp.ClientSession
) -> None:
    waits = [asyncio.create_task(live.accept()) for _ in range(2)]
    await asyncio.sleep(0)
    answers = [await session.get("/events") for _ in range(2)]
    assert len(set(await asyncio.gather(*waits))) == 2
    for answer in answers:
        answer.close()


async def test_leaving_the_service_ends_all_in_silence() -> None:
    live = LiveStream("ndjson")
    async with aiohttp.ClientSession() as session:
        async with start_service(ROUTES) as service:
            service.register("events", live)
            answers = [await session.get(service.url / "events") for _ in range(2)]
            conns = [await live.accept() for _ in range(2)]
        for answer in answers:
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()
    assert [(await conn.closed()).by for conn in conns] == ["service", "service"]
    assert {exchange.fault for exchange in service.exchanges} == {"the service was stopped"}
    assert service.errors == ()
    with pytest.raises(StreamClosedError, match=r"the service was stopped 0.*, when 0 bytes"):
        await conns[0].send(1)


async def test_one_stream_under_several_names_and_services(
    live: LiveStream, session: aiohttp.ClientSession, service: MockService
) -> None:
    service.register("others", live)
    async with start_service(ROUTES) as second:
        second.register("events", SequenceResponse([JsonResponse({}), LatencyResponse(live, 0)]))
        urls = [service.url / "events", service.url / "others"] + [second.url / "events"] * 2
        answers = [await session.get(url) for url in urls]
        conns = [await live.accept() for _ in range(3)]
        assert [conn.request.handler_name for conn in conns] == ["events", "others", "events"]
        for answer in answers:
            answer.close()


async def test_nobody_comes(
    live: LiveStream, session: aiohttp.ClientSession, service: MockService
) -> None:
    with pytest.raises(AssertionError) as caught:
        await live.accept(timeout=0.01)
    assert str(caught.value) == (
        "no client came to LiveStream('sse', status=200, headers=None) in 0.01 s\n"
        "registered for 'events'\n"
        "0 accepted before, 0 open now\n"
        "no request came at all: does the client call service.url?"
    )
    async with session.get("/evnts"), session.get("/events") as answer:
        conn = await live.accept()
        with pytest.raises(AssertionError) as caught:
            await live.accept(timeout=0.01)
        assert str(caught.value).splitlines()[1:] == [
            "registered for 'events'",
            "1 accepted before, 1 open now",
            "requests that came, the last 2 of 2:",
            "  GET /evnts → 404",
            "  GET /events → 200",
        ]
        with pytest.raises(AssertionError) as caught:
            await conn.closed(timeout=0.01)
        assert str(caught.value) == (
            "the client of GET /events is still there after 0.01 s: it neither left, nor did the "
            "test end its stream; 0 bytes were sent to it"
        )
        answer.close()
    with pytest.raises(AssertionError, match=r"registered nowhere. service.register\(name, live\)"):
        await LiveStream("chunked").accept(timeout=0)


async def test_a_head_is_answered_with_the_head_alone(
    live: LiveStream, session: aiohttp.ClientSession
) -> None:
    async with session.head("/events") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/event-stream"
    assert live.connections == ()


async def test_a_response_of_a_users_own_hands_a_copy_of_its_request_on(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    live = LiveStream("sse")

    class Rewritten(BaseMockResponse):
        async def response(self, request: web.Request) -> web.StreamResponse:
            return await live.response(request.clone(rel_url="/other"))

    service.register("events", Rewritten())
    async with session.get("/events") as answer:
        conn = await live.accept()
        assert conn.request is service.last_call("events")
        await conn.send("one")
        await conn.close()
        assert await answer.text() == "data: one\n\n"


async def test_a_request_that_came_from_no_service_is_refused() -> None:
    with pytest.raises(SrvMockerError) as caught:
        await LiveStream("sse").response(make_mocked_request("GET", "/"))
    assert str(caught.value) == (
        "LiveStream needs the record of the request, and this request came from no service. "
        "Register it: service.register(name, response)"
    )


async def test_what_a_stream_cannot_send_is_refused_and_the_stream_goes_on(
    live: LiveStream, session: aiohttp.ClientSession
) -> None:
    async with session.get("/events") as answer:
        conn = await live.accept()
        with pytest.raises(TypeError, match="the data of a ServerSentEvent is text or"):
            await conn.send(b"bytes")
        await conn.send("one")
        await conn.close()
        assert await answer.text() == "data: one\n\n"


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (
            {"kind": "see"},
            ValueError,
            "LiveStream takes one of the kinds 'sse', 'ndjson', 'chunked'",
        ),
        ({"kind": "sse", "status": 304}, ValueError, "an answer of status 304 has no body to str"),
        ({"kind": "sse", "headers": {"A": 1}}, TypeError, "the header 'A' takes a text"),
    ],
)
def test_mistakes_are_seen_when_the_stream_is_made(
    arguments: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        LiveStream(**arguments)
    assert text in str(caught.value)


# --- other clients, other loops ---------------------------------------------------------


async def test_httpx_and_curl(live: LiveStream, service: MockService) -> None:
    url = str(service.url / "events")
    async with httpx.AsyncClient() as client, client.stream("GET", url) as answer:
        conn = await live.accept()
        lines = answer.aiter_lines()
        for text in ("one", "two"):
            await conn.send(text)
            assert await anext(lines) == f"data: {text}"
            assert await anext(lines) == ""
    assert (await conn.closed()).by == "client"
    curl = await asyncio.create_subprocess_exec("curl", "-sN", url, stdout=asyncio.subprocess.PIPE)
    assert curl.stdout is not None
    conn = await live.accept()
    for text in ("one", "two"):
        await conn.send(text)
        assert await curl.stdout.readuntil(b"\n\n") == f"data: {text}\n\n".encode()
    conn.reset()
    assert await curl.wait() == 56


@pytest.fixture
def threaded() -> Iterator[MockService]:
    """A service on a thread of its own, as the fixture serves it where no loop runs."""
    with run_service(ROUTES) as service:
        yield service


def test_a_test_without_a_loop(threaded: MockService) -> None:
    live = LiveStream("ndjson")
    threaded.register("events", live)
    with requests.get(str(threaded.url / "events"), stream=True, timeout=30) as answer:
        conn = live.accept().block()
        lines = answer.iter_lines(chunk_size=1)
        for number in range(3):
            conn.send({"n": number}).block()
            assert json.loads(next(lines)) == {"n": number}
        conn.close().block()
        assert list(lines) == []
        assert threaded.exchanges[0].outcome == "200"
    with requests.get(str(threaded.url / "events"), stream=True, timeout=30) as answer:
        conn = live.accept().block()
        conn.reset()
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            answer.content  # noqa: B018 - reading it is the point
    assert conn.closed().block().by == "test"
    assert threaded.exchanges[1].fault == "reset by the test"
    with requests.get(str(threaded.url / "events"), stream=True, timeout=30):
        conn = live.accept().block()
    assert conn.closed().block().by == "client"
    assert threaded.exchanges[2].fault == "the client disconnected"
    with pytest.raises(StreamClosedError, match="the client left"):
        conn.send(1).block()


def test_a_service_whose_thread_has_ended() -> None:
    live = LiveStream("ndjson")
    with ExitStack() as running, ExitStack() as clients:
        service = running.enter_context(run_service(ROUTES))
        service.register("events", live)
        url = str(service.url / "events")
        clients.enter_context(requests.get(url, stream=True, timeout=30))
        conn = live.accept().block()
        running.close()
        assert conn.closed().block().by == "service"
        with pytest.raises(StreamClosedError, match="the service was stopped"):
            conn.send(1).block()
        conn.close().block()
        conn.reset()


async def _drive(live: LiveStream) -> LiveConnection:
    conn = await live.accept()
    await conn.send({"n": 1})
    await conn.send({"n": 2})
    await conn.close()
    assert (await conn.closed()).by == "test"
    return conn


@pytest.mark.parametrize("run", [asyncio.run, trio.run])
def test_a_test_in_another_loop(threaded: MockService, run: Any) -> None:
    live = LiveStream("ndjson")
    threaded.register("events", live)
    with ThreadPoolExecutor(1) as pool:
        got = pool.submit(requests.get, str(threaded.url / "events"), timeout=30)
        if run is trio.run:
            trio.run(_drive, live)
        else:
            asyncio.run(_drive(live))
        assert got.result().text == '{"n": 1}\n{"n": 2}\n'
    assert threaded.exchanges[0].outcome == "200"


def test_uvloop() -> None:
    async def main() -> None:
        live = LiveStream("sse")
        async with start_service(ROUTES) as service, aiohttp.ClientSession() as session:
            service.register("events", live)
            async with session.get(service.url / "events") as answer:
                conn = await live.accept()
                await conn.send("one")
                assert await answer.content.readuntil(b"\n\n") == b"data: one\n\n"
                conn.reset()
                with pytest.raises(aiohttp.ClientPayloadError, match="reset by peer"):
                    await answer.read()
            assert service.exchanges[0].fault == "reset by the test"

    uvloop = pytest.importorskip("uvloop")
    uvloop.run(main())


@pytest.mark.parametrize("kind", ["chunked", "websocket"])
async def test_a_send_that_is_cancelled_harms_no_other(service: MockService, kind: Any) -> None:
    """A client that does not read, and a test that has the patience of a moment."""
    live = LiveStream(kind)
    service.register("events", live)
    async with connect(service.url) as raw, asyncio.timeout(10):
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await raw.send(
            b"GET /events HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        conn = await live.accept()
        big = bytes(1 << 24)  # more than the sockets take
        impatient = asyncio.create_task(conn.send(big))
        patient = [asyncio.create_task(conn.send(big)) for _ in range(2)]
        while conn.sent < 3 << 24:
            await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.wait([impatient])
        assert impatient.cancelled()
        assert conn.sent == 3 << 24  # it was handed over, whoever waits
        patient.append(asyncio.create_task(conn.send(b"last")))
        raw.writer.transport.resume_reading()  # type: ignore[attr-defined]
        got = bytearray()
        while not got.endswith(b"last" if kind == "websocket" else b"4\r\nlast\r\n"):
            got += await raw.reader.read(1 << 20)
        await asyncio.gather(*patient)
        conn.reset()
        assert (await conn.closed()).sent == (3 << 24) + 4
    assert service.errors == ()


async def test_the_clients_of_a_service_that_has_stopped_are_forgotten() -> None:
    """Two tests may share one `LiveStream`, that of a module for example."""
    live = LiveStream("sse")
    async with start_service(ROUTES) as service, aiohttp.ClientSession(service.url) as session:
        service.register("events", live)
        async with session.get("/events"):
            pass  # it leaves before anybody accepts it
        async with session.get("/events"):
            await service.stop()  # it does not
    async with start_service(ROUTES) as service, aiohttp.ClientSession(service.url) as session:
        service.register("events", live)
        async with session.get("/events") as answer:
            conn = await live.accept()
            await conn.send("to the second one")
            assert await answer.content.readline() == b"data: to the second one\n"
