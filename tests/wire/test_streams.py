"""Streams that send what they were given: each piece by itself, and what clients see of it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import pytest
import requests

from asyncly.srvmocker import (
    ChunkedResponse,
    JsonResponse,
    LatencyResponse,
    MockRoute,
    MockService,
    NdjsonResponse,
    SequenceResponse,
    ServerSentEvent,
    SseResponse,
    start_service,
)

from .conftest import ROUTES, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from asyncly.srvmocker import BaseMockResponse

WRONG: Any = object()
GET = b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
async def service() -> AsyncIterator[MockService]:
    async with start_service([*ROUTES, MockRoute("HEAD", "/fact", "fact")]) as service:
        yield service


def made() -> Iterator[bytes]:
    yield b"one"
    yield b"two"


async def made_async() -> AsyncIterator[bytes]:
    for piece in made():
        await asyncio.sleep(0)
        yield piece


async def list_async() -> list[bytes]:
    return [b"one", b"two"]


class Later:
    """Pieces that come when the test sets `go`; it notes that it was closed."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.closed = asyncio.Event()

    async def __call__(self) -> AsyncIterator[bytes]:
        try:
            yield b"one"
            await self.go.wait()
            yield b"two"
        finally:
            self.closed.set()


@pytest.mark.parametrize(
    ("response", "content_type", "body"),
    [
        (ChunkedResponse([b"one", b"", b"two"]), "application/octet-stream", b"onetwo"),
        (ChunkedResponse([]), "application/octet-stream", b""),
        (ChunkedResponse(made), "application/octet-stream", b"onetwo"),
        (ChunkedResponse(made_async), "application/octet-stream", b"onetwo"),
        (ChunkedResponse(list_async), "application/octet-stream", b"onetwo"),
        (
            NdjsonResponse([{"a": "ü\n"}, None]),
            "application/x-ndjson",
            b'{"a": "\\u00fc\\n"}\nnull\n',
        ),
        (
            SseResponse([ServerSentEvent("one", id="1"), "two", {"n": 3}]),
            "text/event-stream",
            b'id: 1\ndata: one\n\ndata: two\n\ndata: {"n": 3}\n\n',
        ),
    ],
)
async def test_a_stream_is_served_any_number_of_times(
    service: MockService,
    session: aiohttp.ClientSession,
    response: BaseMockResponse,
    content_type: str,
    body: bytes,
) -> None:
    service.register("fact", response)
    for _ in range(2):
        async with session.get("/fact") as answer:
            assert answer.headers["Transfer-Encoding"] == "chunked"
            assert answer.headers["Content-Type"] == content_type
            assert await answer.read() == body
    assert [exchange.outcome for exchange in service.exchanges] == ["200", "200"]
    assert len({exchange.request.connection for exchange in service.exchanges}) == 1


async def test_each_chunk_is_a_write_of_its_own(service: MockService) -> None:
    later = Later()
    service.register("fact", ChunkedResponse(later))
    async with connect(service.url) as raw:
        await raw.send(GET)
        await raw.reader.readuntil(b"\r\n\r\n")
        assert await raw.reader.readuntil(b"one\r\n") == b"3\r\none\r\n"
        later.go.set()
        assert await raw.reader.readuntil(b"0\r\n\r\n") == b"3\r\ntwo\r\n0\r\n\r\n"


async def test_an_interval_lies_between_the_pieces(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    service.register("fact", ChunkedResponse([b"1", b"2", b"3"], interval=0.02))
    async with session.get("/fact") as answer:
        pieces = [piece async for piece, _ in answer.content.iter_chunks()]
    assert pieces == [b"1", b"2", b"3"]
    (exchange,) = service.exchanges
    assert exchange.finished_at is not None
    assert exchange.finished_at - exchange.request.received_at >= 0.04


@pytest.mark.parametrize("make", [made, made_async])
async def test_a_generator_can_be_served_once_and_says_so_the_second_time(
    service: MockService, session: aiohttp.ClientSession, make: Callable[[], Any]
) -> None:
    service.register("fact", ChunkedResponse(make()))
    async with session.head("/fact") as answer:  # takes nothing of it
        assert answer.status == 200
    async with session.get("/fact") as answer:
        assert await answer.read() == b"onetwo"
    async with session.get("/fact") as answer:
        assert answer.status == 500
    (error,) = service.errors
    assert str(error) == (
        "the pieces of the ChunkedResponse were a generator, and an earlier request has used it "
        "up. Pass a list, or the function that makes the generator: "
        "ChunkedResponse(make_pieces), without calling it"
    )


async def test_the_callers_status_and_headers_win(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    headers = {"content-type": "text/csv", "X-A": "1"}
    service.register("fact", ChunkedResponse([b"a,b\n"], status=207, headers=headers))
    async with session.get("/fact") as answer:
        assert answer.status == 207
        assert answer.headers.getall("Content-Type") == ["text/csv"]
        assert answer.headers["X-A"] == "1"


@pytest.mark.parametrize(
    ("head", "headers", "rest"),
    [
        (b"HEAD /fact HTTP/1.1\r\nConnection: close", {}, b""),
        (b"GET /fact HTTP/1.0\r\nConnection: keep-alive", {}, b"onetwo"),
        (b"GET /fact HTTP/1.1", {"Content-Length": "6"}, b"onetwo"),
        (b"GET /fact HTTP/1.1", {"Content-Length": "9"}, b"onetwo"),
    ],
)
async def test_without_chunks_the_end_of_the_connection_is_the_end(
    service: MockService, head: bytes, headers: dict[str, str], rest: bytes
) -> None:
    service.register("fact", ChunkedResponse([b"one", b"two"], headers=headers))
    async with connect(service.url) as raw:
        await raw.send(head + b"\r\nHost: x\r\n\r\n")
        answer = await raw.rest()
    assert answer[8:].startswith(b" 200 OK\r\n")
    assert b"chunked" not in answer.lower()
    assert answer.partition(b"\r\n\r\n")[2] == rest


async def test_a_client_that_leaves_ends_the_stream(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    later = Later()
    service.register("fact", ChunkedResponse(later))
    async with session.get("/fact") as answer:
        assert await answer.content.readexactly(3) == b"one"
        answer.close()
        await later.closed.wait()
    async with connect(service.url) as raw:  # the exchange is finished by the next one's answer
        await raw.send(b"HEAD /fact HTTP/1.1\r\nHost: x\r\n\r\n")
        await raw.reader.readuntil(b"\r\n\r\n")
    exchange = service.exchanges[0]
    assert (exchange.status, exchange.fault) == (200, "the client disconnected")
    assert service.errors == ()


@pytest.mark.parametrize("make", [made, made_async])
async def test_a_generator_is_closed_when_the_client_leaves_between_two_pieces(
    service: MockService, session: aiohttp.ClientSession, make: Callable[[], Any]
) -> None:
    generators: list[Any] = []  # holds them, so that nothing else closes them

    def remember() -> object:
        generators.append(make())
        return generators[0]

    service.register("fact", ChunkedResponse(remember, interval=3600))
    async with session.get("/fact") as answer:
        await answer.content.readexactly(3)
        answer.close()
    (generator,) = generators
    frame = "gi_frame" if make is made else "ag_frame"
    async with asyncio.timeout(5):
        while getattr(generator, frame) is not None:
            await asyncio.sleep(0)


async def test_an_endless_stream_starves_nobody(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    def endless() -> Iterator[int]:
        number = 0
        while True:
            yield (number := number + 1)

    service.register("fact", NdjsonResponse(endless))
    async with session.get("/fact") as answer:
        lines = [json.loads(await answer.content.readline()) for _ in range(500)]
        answer.close()
    assert lines == list(range(1, 501))


async def test_a_stream_that_raises_breaks_off(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    def broken() -> Iterator[object]:
        yield b"one"
        yield "two"

    service.register("fact", ChunkedResponse(broken))
    async with session.get("/fact") as answer:
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    (error,) = service.errors
    assert str(error) == ("a chunked stream sends bytes, got 'two'; encode the text: text.encode()")
    assert service.exchanges[0].outcome == "the answer broke off: its response raised"


async def test_a_function_that_returns_no_pieces(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    def count() -> int:
        return 3

    service.register("fact", ChunkedResponse(count))
    async with session.get("/fact") as answer:
        assert answer.status == 500
    assert str(service.errors[0]) == (
        "the function count must return an iterable for ChunkedResponse, got 3"
    )


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: ChunkedResponse(b"a"), TypeError, "takes an iterable of pieces; write [b'a']"),
        (lambda: NdjsonResponse({"a": 1}), TypeError, "takes an iterable of pieces; write [{'a'"),
        (
            lambda: ChunkedResponse(WRONG),
            TypeError,
            "an async iterable, or a function that returns one",
        ),
        (
            lambda: ChunkedResponse(["a"]),
            TypeError,
            "a chunked stream sends bytes, got 'a'; encode",
        ),
        (lambda: NdjsonResponse([{1}]), TypeError, "an item cannot be sent as a line of JSON: Obj"),
        (lambda: SseResponse([b"a"]), TypeError, "the data of a ServerSentEvent is text or what"),
        (lambda: ChunkedResponse([], interval=-1), ValueError, "interval takes seconds from 0 up"),
        (lambda: ChunkedResponse([], interval=WRONG), TypeError, "interval takes seconds, such as"),
        (
            lambda: ChunkedResponse([], status=204),
            ValueError,
            "an answer of status 204 has no body",
        ),
        (
            lambda: ChunkedResponse([], headers=iter(())),
            TypeError,
            "headers takes a dict or a list",
        ),
    ],
)
def test_mistakes_are_seen_when_the_stream_is_made(
    make: Callable[[], object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        make()
    assert text in str(caught.value)


async def test_streams_in_a_sequence_and_late(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    stream = LatencyResponse(SseResponse(["one"]), 0.01)
    service.register("fact", SequenceResponse([JsonResponse({}, 503), stream, stream]))
    texts = []
    for _ in range(3):
        async with session.get("/fact") as answer:
            texts.append(await answer.text())
    assert texts == ["{}", "data: one\n\n", "data: one\n\n"]


def _lines_of_requests(url: str, step: Callable[[], object]) -> list[str]:
    with requests.get(url, stream=True, timeout=30) as answer:
        lines = answer.iter_lines(chunk_size=1, decode_unicode=True)
        first = next(lines)
        step()
        return [first, *lines]


async def _lines_of_httpx(url: str, step: Callable[[], object]) -> list[str]:
    async with httpx.AsyncClient(timeout=30) as client, client.stream("GET", url) as answer:
        lines = answer.aiter_lines()
        first = await anext(lines)
        step()
        return [first, *[line async for line in lines]]


async def _lines_of_curl(url: str, step: Callable[[], object]) -> list[str]:
    process = await asyncio.create_subprocess_exec(
        "curl", "-sN", url, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    first = await process.stdout.readline()
    step()
    rest = await process.stdout.read()
    assert await process.wait() == 0
    return (first + rest).decode().splitlines()


async def _lines_of_aiohttp(url: str, step: Callable[[], object]) -> list[str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        first = await answer.content.readline()
        step()
        return (first + await answer.read()).decode().splitlines()


@pytest.mark.parametrize("client", ["aiohttp", "httpx", "requests", "curl"])
async def test_clients_see_a_piece_before_the_next_is_made(
    service: MockService, client: str
) -> None:
    seen = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def events() -> AsyncIterator[object]:
        yield {"n": 1}
        await seen.wait()
        yield {"n": 2}

    def step() -> None:
        loop.call_soon_threadsafe(seen.set)

    service.register("fact", NdjsonResponse(events))
    url = str(service.url / "fact")
    if client == "requests":
        lines = await asyncio.to_thread(_lines_of_requests, url, step)
    else:
        lines = await globals()[f"_lines_of_{client}"](url, step)
    assert [json.loads(line) for line in lines] == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("interval", [0, 3600])
async def test_a_client_that_ends_its_sending_side_has_left(interval: float) -> None:
    """A FIN is all that there is to see of a client that leaves; so says aiohttp's own server."""
    async with start_service([MockRoute("GET", "/items", "items")]) as service:
        service.register("items", NdjsonResponse([1, 2], interval=interval))
        async with connect(service.url) as raw:
            raw.writer.write(b"GET /items HTTP/1.1\r\nHost: x\r\n\r\n")
            raw.writer.write_eof()
            assert not (await raw.rest()).endswith(b"0\r\n\r\n")
        await service.wait_for_call("items")
        while service.exchanges[0].finished_at is None:
            await asyncio.sleep(0)
        assert service.exchanges[0].fault == "the client disconnected"
        assert service.errors == ()


async def test_a_client_that_ends_its_sending_side_after_the_answer_has_all_of_it() -> None:
    async with start_service([MockRoute("GET", "/items", "items")]) as service:
        service.register("items", NdjsonResponse([1, 2]))
        async with connect(service.url) as raw:
            await raw.send(b"GET /items HTTP/1.1\r\nHost: x\r\n\r\n")
            await raw.reader.readuntil(b"\r\n2\n\r\n0\r\n\r\n")
            raw.writer.write_eof()
            assert await raw.rest() == b""
        assert service.exchanges[0].outcome == "200"
