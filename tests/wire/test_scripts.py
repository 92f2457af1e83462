"""Wire scripts: each step over before the next, on both loops, in plain and over TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import trustme
import uvloop

from asyncly.srvmocker import (
    BaseMockResponse,
    CallbackResponse,
    DripResponse,
    EmptyResponse,
    Fin,
    HalfClose,
    JsonResponse,
    LatencyResponse,
    MissingFinalChunk,
    MockService,
    Pause,
    RawResponse,
    Reset,
    ResetResponse,
    Send,
    SequenceResponse,
    Stall,
    StallResponse,
    TruncatedResponse,
    WireResponse,
    start_service,
)
from asyncly.srvmocker.responses.steps import Step

from .conftest import ROUTES, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from aiohttp import web

GET = b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


async def test_an_answer_written_by_hand(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    steps = [Send(HEAD), Pause(0.001), Send(b"01234"), Pause(0), Send(b"56789")]
    service.register("fact", WireResponse(*steps))
    async with session.get("/fact") as answer:
        assert await answer.text() == "0123456789"
    (exchange,) = service.exchanges
    assert exchange.status == 200
    assert exchange.fault == (
        "on the wire: 39 bytes, a pause of 0.001 s, 5 bytes, a pause of 0 s, 5 bytes, FIN"
    )


class Note(Step):
    """A step of a test's own: tells that the steps before it are over."""

    words = "a note"

    def __init__(self) -> None:
        self.reached = asyncio.Event()

    async def run(self, request: web.BaseRequest) -> None:
        self.reached.set()


async def test_a_step_begins_when_the_one_before_has_left(service: MockService) -> None:
    note, size = Note(), 32 << 20  # more than the buffers of the system hold
    service.register("fact", WireResponse(Send(bytes(size)), note))
    async with connect(service.url) as raw:
        await raw.send(GET)
        await raw.reader.readexactly(1 << 20)
        assert not note.reached.is_set()
        await raw.reader.readexactly(size - (1 << 20))
        await note.reached.wait()
        assert await raw.rest() == b""


class Look(Step):
    """Sees what the transport holds back."""

    words = "a look"

    def __init__(self) -> None:
        self.held_back: list[int] = []

    async def run(self, request: web.BaseRequest) -> None:
        assert request.transport is not None
        self.held_back.append(request.transport.get_write_buffer_size())


async def small_sends_to_a_slow_client() -> None:
    look, times = Look(), 200
    fill = Send(bytes(16 << 20))
    async with start_service(ROUTES) as service:
        service.register("fact", WireResponse(fill, *[Send(bytes(9000)), look] * times))
        async with connect(service.url) as raw:
            await raw.send(GET)
            assert len(await raw.rest()) == (16 << 20) + times * 9000
    assert look.held_back == [0] * times


async def bytes_before_a_reset() -> None:
    async with start_service(ROUTES) as service:
        service.register("fact", WireResponse(Send(b"one"), Send(b"two"), Reset()))
        async with connect(service.url) as raw:
            await raw.send(GET)
            assert await raw.reader.readexactly(6) == b"onetwo"
            with pytest.raises(ConnectionResetError):
                await raw.reader.readexactly(1)


async def bytes_before_a_stall() -> None:
    async with start_service(ROUTES) as service:
        service.register("fact", WireResponse(Send(b"one"), Stall()))
        async with connect(service.url) as raw:
            await raw.send(GET)
            assert await raw.reader.readexactly(3) == b"one"
            assert service.exchanges[0].outcome == "on the wire: 3 bytes, stall"


async def bytes_slowly() -> None:
    async with start_service(ROUTES) as service:
        script = WireResponse(Send(b"one"), Send(b"two"), Fin())
        service.register("fact", DripResponse(script, bytes_per_second=100))
        async with connect(service.url) as raw:
            await raw.send(GET)
            assert await raw.rest() == b"onetwo"


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize(
    "scenario",
    [bytes_before_a_reset, bytes_before_a_stall, bytes_slowly, small_sends_to_a_slow_client],
)
def test_on_both_loops(
    run: Callable[[Coroutine[Any, Any, None]], None],
    scenario: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    run(scenario())


@pytest.mark.parametrize(
    ("end", "takes_more"),
    [([HalfClose(), Stall()], True), ([Fin()], False), ([HalfClose(), Fin()], False)],
)
async def test_a_half_close_goes_on_reading(
    service: MockService, end: list[Step], takes_more: bool
) -> None:
    loop = asyncio.get_running_loop()
    service.register("fact", WireResponse(Send(b"bye"), *end))
    with socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", service.url.port))
        await loop.sock_sendall(client, GET)
        received = b""
        while data := await loop.sock_recv(client, 100):
            received += data
        assert received == b"bye"
        while not takes_more and service.exchanges[0].finished_at is None:
            await asyncio.sleep(0)
        await asyncio.sleep(0)  # the socket is closed in the turn after its exchange
        client.send(b"more")
        refused = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
        assert refused is not takes_more


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda: WireResponse(Fin(), Send(b"x")),
            ValueError,
            "Send(b'x') can never happen: Fin() before it ends it all",
        ),
        (
            lambda: WireResponse(Stall(), Fin()),
            ValueError,
            "Fin() can never happen: Stall() before it lasts until the client leaves",
        ),
        (
            lambda: WireResponse(HalfClose(), Pause(1), Send(b"x")),
            ValueError,
            "Send(b'x') cannot be sent: HalfClose() before it has ended this direction",
        ),
        (
            lambda: WireResponse(b"x"),  # type: ignore[arg-type]
            TypeError,
            "WireResponse takes steps, got b'x'; write Send(...) around bytes",
        ),
        (
            lambda: WireResponse(0.5),  # type: ignore[arg-type]
            TypeError,
            "WireResponse takes steps, got 0.5; write Pause(...) around seconds",
        ),
        (
            lambda: WireResponse(Fin),  # type: ignore[arg-type]
            TypeError,
            "WireResponse takes steps, got Fin; that is the class; make one: Fin(...)",
        ),
        (
            lambda: WireResponse([Fin()]),  # type: ignore[arg-type]
            TypeError,
            "WireResponse takes steps, got [Fin()]; "
            "it takes Send, Pause, HalfClose, Fin, Reset and Stall",
        ),
        (lambda: Send("x"), TypeError, "Send takes bytes, got 'x'; write b'x'"),  # type: ignore[arg-type]
        (lambda: Send(1), TypeError, "Send takes bytes, got 1"),  # type: ignore[arg-type]
        (lambda: Pause(-1), ValueError, "Pause takes seconds from 0 up, got -1"),
        (lambda: Pause("1"), TypeError, "Pause takes seconds, such as 0.5, got '1'"),  # type: ignore[arg-type]
    ],
)
def test_what_a_script_does_not_take(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("script", "shown"),
    [
        (WireResponse(), "WireResponse(Fin())"),
        (WireResponse(Send(b"a"), Pause(1)), "WireResponse(Send(b'a'), Pause(1), Fin())"),
        (WireResponse(HalfClose(), Stall()), "WireResponse(HalfClose(), Stall())"),
        (WireResponse(Send(b"a" * 999)), f"WireResponse(Send(b'{'a' * 117}…), Fin())"),
    ],
)
def test_a_script_shows_its_steps(script: WireResponse, shown: str) -> None:
    assert repr(script) == str(script) == shown


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ([b"HTTP/1.1 204 No Content\r\n"], 204),
        ([b"HTTP/1.", b"0 503 \r\n"], 503),
        ([b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 200 OK\r\n"], 200),
        ([b"HTTP/1.1 100 Continue\r\n\r\n"], 0),
        ([b"HTTP/1.1 101 Switching Protocols\r\n"], 101),
        ([b"HTTP/1.1 OK\r\n"], 0),
        ([b"HTTP/1.1 2000 OK\r\n"], 0),
        ([], 0),
    ],
)
def test_the_status_of_a_script(sent: list[bytes], status: int) -> None:
    assert WireResponse(*map(Send, sent)).status == status


# --- TLS --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server, client = (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context())
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    return server, client


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (ResetResponse(), aiohttp.ClientOSError),
        (ResetResponse("status"), aiohttp.ClientOSError),
        (ResetResponse("body"), aiohttp.ClientPayloadError),
        (EmptyResponse(), aiohttp.ServerDisconnectedError),
        (TruncatedResponse(b"half"), aiohttp.ClientPayloadError),
        (MissingFinalChunk(), aiohttp.ClientPayloadError),
        (StallResponse("headers"), TimeoutError),
        (DripResponse(ResetResponse("body"), bytes_per_second=4000), aiohttp.ClientPayloadError),
        (DripResponse(RawResponse("x" * 100), bytes_per_second=4000), None),
    ],
    ids=lambda item: repr(item)[:40],
)
async def test_over_tls(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
    response: BaseMockResponse,
    expected: type[Exception] | None,
) -> None:
    server, client = contexts
    timeout = aiohttp.ClientTimeout(total=0.3 if expected is TimeoutError else 10)
    connector = aiohttp.TCPConnector(ssl=client)
    async with (
        start_service(ROUTES, ssl_context=server) as service,
        aiohttp.ClientSession(service.url, connector=connector, timeout=timeout) as session,
    ):
        service.register("fact", response)
        if expected is None:
            async with session.get("/fact") as answer:
                assert await answer.text() == "x" * 100
            return
        with pytest.raises(expected):
            async with session.get("/fact") as answer:
                await answer.read()


class Heard(Step):
    """A step that is over when the client has sent more."""

    words = "listening"

    def __init__(self, wanted: bytes) -> None:
        self.wanted = wanted

    async def run(self, request: web.BaseRequest) -> None:
        while not request.protocol._data.endswith(self.wanted):  # type: ignore[attr-defined]
            await asyncio.sleep(0)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_client_that_goes_on_sending_over_tls(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
    run: Callable[[Coroutine[Any, Any, None]], None],
    times: int,
) -> None:
    server, client = contexts

    async def talk() -> None:
        steps: list[Step] = []
        for number in range(times):
            steps += [Send(b"%d" % number), Heard(b"more %d" % number)]
        async with start_service(ROUTES, ssl_context=server) as service:
            service.register("fact", WireResponse(*steps, Send(b"end")))
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", service.url.port, ssl=client
            )
            writer.write(GET)
            for number in range(times):
                assert await reader.readexactly(1) == b"%d" % number
                writer.write(b"more %d" % number)
            assert await reader.read() == b"end"
            writer.transport.abort()

    run(asyncio.wait_for(talk(), 10))


async def test_a_half_close_is_refused_over_tls(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server, client = contexts
    script = WireResponse(HalfClose(), Stall())
    text = (
        "HalfClose() cannot be sent over TLS: there a direction cannot be ended by itself. "
        "Use Fin(), or serve plain HTTP"
    )
    async with start_service(ROUTES, ssl_context=server) as service:
        for response in (
            script,
            SequenceResponse([JsonResponse({}), LatencyResponse(script, 1)]),
            DripResponse(script, bytes_per_second=1),
        ):
            with pytest.raises(ValueError, match="HalfClose") as caught:
                service.register("fact", response)
            assert str(caught.value) == text
        # A callback is asked at the request only.
        service.register("fact", CallbackResponse(lambda request: script))
        connector = aiohttp.TCPConnector(ssl=client)
        async with (
            aiohttp.ClientSession(service.url, connector=connector) as session,
            session.get("/fact") as answer,
        ):
            assert answer.status == 500
        assert [str(error) for error in service.errors] == [text]


# --- the end of the service or of the client ----------------------------------------------

WAITING = [
    WireResponse(Send(b"x"), Stall()),
    WireResponse(Send(b"x"), Pause(3600), Send(b"y")),
    WireResponse(Send(b"x"), HalfClose(), Stall()),
    StallResponse("body"),
    DripResponse(RawResponse("slow"), bytes_per_second=0.001),
    DripResponse(StallResponse("status"), bytes_per_second=100_000),
    WireResponse(Send(bytes(32 << 20))),
]


@pytest.mark.parametrize("response", WAITING, ids=lambda item: repr(item)[:60])
async def test_leaving_ends_what_waits(response: BaseMockResponse) -> None:
    tasks, loop = asyncio.all_tasks(), asyncio.get_running_loop()
    async with start_service(ROUTES) as service:
        service.register("fact", response)
        async with connect(service.url) as raw:
            await raw.send(GET)
            await raw.reader.readexactly(1)
            turns = 0

            def count() -> None:
                nonlocal turns
                turns += 1
                loop.call_soon(count)

            loop.call_soon(count)
            await service.stop()
            assert turns < 20  # no clock is waited for
    assert asyncio.all_tasks() == tasks
    assert service.exchanges[0].outcome == "the service was stopped"
    assert service.errors == ()


@pytest.mark.parametrize("response", WAITING, ids=lambda item: repr(item)[:60])
async def test_a_client_that_leaves_ends_what_waits(response: BaseMockResponse) -> None:
    async with start_service(ROUTES) as service:
        service.register("fact", response)
        async with connect(service.url) as raw:
            await raw.send(GET)
            await raw.reader.readexactly(1)
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                while service.exchanges[0].finished_at is None:
                    await asyncio.sleep(0)
        assert service.exchanges[0].outcome == "the client disconnected"
        assert service.errors == ()
