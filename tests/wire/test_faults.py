"""Every named fault: its script, what five clients make of it, and what is written down."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from bench.faults.clients import outcomes

from asyncly.srvmocker import (
    BadEncoding,
    BadStatusLine,
    BaseMockResponse,
    CallbackResponse,
    ConflictingLength,
    DisconnectResponse,
    EmptyResponse,
    ExtraBytes,
    GarbageResponse,
    InvalidHeader,
    JsonResponse,
    LatencyResponse,
    MalformedChunkResponse,
    MissingFinalChunk,
    MockService,
    OversizedHeaders,
    ResetResponse,
    SequenceResponse,
    StallResponse,
    TruncatedResponse,
)

from ..versions import LENIENT_CLIENT
from .conftest import connect

if TYPE_CHECKING:
    from asyncly.srvmocker.responses.wire import ScriptedResponse

GET = b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\n"
WHOLE = "200 0123456789"
CLOSED = (
    "aiohttp.ServerDisconnectedError",
    "httpx.RemoteProtocolError",
    "requests.ConnectionError",
    "urllib3.ProtocolError",
    "exit 52",
)
NO_STATUS_LINE = (
    "aiohttp.ClientResponseError",
    "httpx.RemoteProtocolError",
    "requests.ConnectionError",
    "urllib3.ProtocolError",
    "exit 1",
)
CUT_BEFORE_THE_BODY = (
    "aiohttp.ClientOSError",
    "httpx.ReadError",
    "requests.ConnectionError",
    "urllib3.ProtocolError",
    "exit 56",
)
CUT_IN_THE_BODY = (
    "aiohttp.ClientPayloadError",
    "httpx.ReadError",
    "requests.ChunkedEncodingError",
    "urllib3.ProtocolError",
    "exit 56",
)
SHORT = (
    "aiohttp.ClientPayloadError",
    "httpx.RemoteProtocolError",
    "requests.ChunkedEncodingError",
    "urllib3.ProtocolError",
    "exit 18",
)
BAD_HEADER = (
    "aiohttp.ClientResponseError",
    "httpx.RemoteProtocolError",
    WHOLE,
    WHOLE,
    "exit 8",
)
BAD_CODING = (
    "aiohttp.ClientPayloadError",
    "httpx.DecodingError",
    "requests.ContentDecodingError",
    "urllib3.DecodeError",
    "exit 61",
)
NUL_IN_HEADER = (WHOLE if LENIENT_CLIENT else BAD_HEADER[0], *BAD_HEADER[1:])
TOO_LARGE = (
    "aiohttp.ClientResponseError",
    WHOLE,
    "requests.ConnectionError",
    "urllib3.ProtocolError",
    WHOLE,
)
TOO_MANY = (WHOLE if LENIENT_CLIENT else TOO_LARGE[0], *TOO_LARGE[1:])
TWO_LENGTHS = (
    "aiohttp.ClientResponseError",
    "httpx.RemoteProtocolError",
    "requests.InvalidHeader",
    "urllib3.InvalidHeader",
)
BAD_CHUNK = (
    "httpx.RemoteProtocolError",
    "requests.ChunkedEncodingError",
    "urllib3.ProtocolError",
    "exit 56",
)

# The fault, what the clients of outcomes.CLIENTS make of it, and how the exchange ended.
FAULTS: list[tuple[ScriptedResponse, tuple[str, ...], tuple[int | None, str]]] = [
    (EmptyResponse(), CLOSED, (None, "disconnected without an answer")),
    (DisconnectResponse(), CLOSED, (None, "disconnected without an answer")),
    (ResetResponse(), CUT_BEFORE_THE_BODY, (None, "reset after the request")),
    (ResetResponse("status"), CUT_BEFORE_THE_BODY, (200, "reset after the status line")),
    (ResetResponse("headers"), CUT_IN_THE_BODY, (200, "reset after the headers")),
    (
        ResetResponse("body", body=b"abcdefg", status=206),
        CUT_IN_THE_BODY,
        (206, "reset after 3 of 7 bytes of the body"),
    ),
    (TruncatedResponse(b"half"), SHORT, (200, "truncated after 4 of 5 bytes")),
    (GarbageResponse(), NO_STATUS_LINE, (None, "64 bytes of garbage")),
    (GarbageResponse(seed=1, size=5), NO_STATUS_LINE, (None, "5 bytes of garbage")),
    (BadStatusLine(), NO_STATUS_LINE, (None, "a bad status line: 'HTTP/1.1 OK'")),
    (
        BadStatusLine("HTTP/1.1 2000 OK"),
        NO_STATUS_LINE,
        (None, "a bad status line: 'HTTP/1.1 2000 OK'"),
    ),
    (InvalidHeader(), BAD_HEADER, (200, "an invalid header: 'a line without a colon'")),
    (InvalidHeader(b"X-A: a\0b"), NUL_IN_HEADER, (200, r"an invalid header: b'X-A: a\x00b'")),
    (OversizedHeaders(), TOO_LARGE, (200, "a header of 100000 bytes")),
    (OversizedHeaders(count=500), TOO_MANY, (200, "500 headers")),
    (
        MalformedChunkResponse(),
        ("aiohttp.ClientResponseError", *BAD_CHUNK),
        (200, "a malformed chunk"),
    ),
    (MissingFinalChunk(), SHORT, (200, "closed without the final chunk")),
    (ConflictingLength(), (*TWO_LENGTHS, "exit 18"), (200, "two Content-Lengths: 5 and 10")),
    (ConflictingLength(7, 5), (*TWO_LENGTHS, "200 xxxxx"), (200, "two Content-Lengths: 7 and 5")),
    (
        ExtraBytes(),
        ("aiohttp.ClientResponseError", WHOLE, WHOLE, WHOLE, WHOLE),
        (200, "8 bytes behind the body"),
    ),
    (BadEncoding(), BAD_CODING, (200, "a body that is no 'gzip'")),
    (BadEncoding("deflate"), BAD_CODING, (200, "a body that is no 'deflate'")),
]


@pytest.mark.parametrize(("fault", "expected", "ended"), FAULTS, ids=lambda item: repr(item)[:50])
async def test_what_clients_make_of_a_fault(
    service: MockService,
    fault: ScriptedResponse,
    expected: tuple[str, ...],
    ended: tuple[int | None, str],
) -> None:
    service.register("fact", fault)
    assert await outcomes(service.url / "fact") == expected
    assert {(exchange.status, exchange.fault) for exchange in service.exchanges} == {ended}
    assert service.errors == ()


async def test_a_malformed_chunk_that_comes_late(service: MockService) -> None:
    """A client of aiohttp with the C parser waits for its timeout; the others see it at once."""
    service.register("fact", MalformedChunkResponse(delay=0.05))
    assert await outcomes(service.url / "fact", timeout=1) == (
        "builtins.TimeoutError",
        *BAD_CHUNK,
    )


STALLED = (
    "builtins.TimeoutError",
    "httpx.ReadTimeout",
    "requests.ReadTimeout",
    "urllib3.ReadTimeoutError",
    "exit 28",
)
STALLED_IN_THE_BODY = (*STALLED[:2], "requests.ConnectionError", *STALLED[3:])


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("request", STALLED),
        ("status", STALLED),
        ("headers", STALLED_IN_THE_BODY),
        ("body", STALLED_IN_THE_BODY),
    ],
)
async def test_what_clients_make_of_a_stall(
    service: MockService, after: Any, expected: tuple[str, ...]
) -> None:
    service.register("fact", StallResponse(after))
    assert await outcomes(service.url / "fact", timeout=0.4) == expected
    service.assert_called("fact", times=5)
    assert service.errors == ()


@pytest.mark.parametrize(
    "fault", [fault for fault, _, _ in FAULTS], ids=lambda item: repr(item)[:50]
)
async def test_a_fault_is_its_script(service: MockService, fault: ScriptedResponse) -> None:
    """What is registered and the script that it shows put the same on the wire."""
    seen = []
    for response in (fault, fault.script):
        service.register("fact", response)
        async with connect(service.url) as raw:
            await raw.send(GET)
            received = b""
            try:
                while data := await raw.reader.read(1 << 16):
                    received += data
                seen.append((received, "FIN"))
            except ConnectionResetError:
                seen.append((received, "RST"))
    assert seen[0] == seen[1]
    assert f"script=[{repr(fault.script)[len('WireResponse(') : -1]}]" in repr(fault)
    assert [exchange.status for exchange in service.exchanges] == [fault.script.status or None] * 2


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        (EmptyResponse(), "EmptyResponse(script=[Fin()])"),
        (ResetResponse(), "ResetResponse(script=[Reset()])"),
        (
            ResetResponse("status"),
            r"ResetResponse(after='status', script=[Send(b'HTTP/1.1 200 OK\r\n'), Reset()])",
        ),
        (StallResponse(), "StallResponse(script=[Stall()])"),
        (GarbageResponse(size=2), r"GarbageResponse(size=2, script=[Send(b'\xac\xd8'), Fin()])"),
    ],
)
def test_a_fault_shows_its_script(fault: BaseMockResponse, shown: str) -> None:
    assert repr(fault) == shown


def test_faults_are_values() -> None:
    faults: set[BaseMockResponse] = {ResetResponse("body"), ResetResponse(after="body")}
    assert len(faults | {StallResponse("body")}) == 2
    assert hash(GarbageResponse(3)) == hash(GarbageResponse(seed=3))
    assert GarbageResponse(3).script == GarbageResponse(3).script != GarbageResponse(4).script


async def test_faults_among_answers(service: MockService, session: aiohttp.ClientSession) -> None:
    faults = iter([ResetResponse("body"), EmptyResponse()])
    service.register(
        "create",
        SequenceResponse(
            [
                ResetResponse(),
                LatencyResponse(ResetResponse("status"), 0.001),
                CallbackResponse(lambda request: next(faults)),
                CallbackResponse(lambda request: next(faults)),
                JsonResponse({"id": 1}),
            ]
        ),
    )
    seen = []
    for _ in range(5):
        try:
            async with session.post("/orders", json={}) as answer:
                seen.append(str(await answer.json()))
        except aiohttp.ClientError as error:
            seen.append(type(error).__name__)
    assert seen == [
        "ClientOSError",
        "ClientOSError",
        "ClientPayloadError",
        "ServerDisconnectedError",
        "{'id': 1}",
    ]
    assert service.errors == ()


async def test_many_at_once(service: MockService) -> None:
    service.register("fact", ResetResponse("headers"))

    async def fetch() -> bytes:
        async with connect(service.url) as raw:
            await raw.send(GET)
            head = await raw.reader.readuntil(b"\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                await raw.reader.readexactly(1)
            return head

    assert len(set(await asyncio.gather(*(fetch() for _ in range(100))))) == 1


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda: ResetResponse("end"),  # type: ignore[arg-type]
            ValueError,
            "after takes one of 'request', 'status', 'headers', 'body', got 'end'",
        ),
        (
            lambda: StallResponse(body="text"),  # type: ignore[arg-type]
            TypeError,
            "StallResponse takes bytes as body, got 'text'",
        ),
        (
            lambda: ResetResponse("body", body=b"1"),
            ValueError,
            "a body of 1 bytes has no half to be sent",
        ),
        (lambda: ResetResponse(status=20), ValueError, "status takes three digits"),
        (lambda: ResetResponse(headers={"a b": "c"}), ValueError, "'a b' is no name of a header"),
        (lambda: GarbageResponse(seed="x"), TypeError, "seed takes an int, got 'x'"),  # type: ignore[arg-type]
        (lambda: GarbageResponse(size=0), ValueError, "size takes an int from 1 up, got 0"),
        (lambda: GarbageResponse(size=1.5), TypeError, "size takes an int, got 1.5"),  # type: ignore[arg-type]
        (
            lambda: BadStatusLine("a\nb"),
            ValueError,
            r"the line holds a line break: 'a\nb'; for more lines use WireResponse",
        ),
        (lambda: BadStatusLine(1), TypeError, "a line takes text or bytes, got 1"),  # type: ignore[arg-type]
        (lambda: InvalidHeader(b"a\rb"), ValueError, "the line holds a line break"),
        (
            lambda: OversizedHeaders(bytes=1, count=1),
            TypeError,
            "OversizedHeaders takes bytes= or count=, not both",
        ),
        (lambda: OversizedHeaders(bytes=0), ValueError, "bytes takes an int from 1 up, got 0"),
        (lambda: OversizedHeaders(count=True), TypeError, "count takes an int, got True"),
        (lambda: MalformedChunkResponse(delay=-1), ValueError, "delay takes seconds from 0 up"),
        (
            lambda: MalformedChunkResponse("1"),  # type: ignore[arg-type]
            TypeError,
            "delay takes seconds, such as 0.5, got '1'",
        ),
        (lambda: ConflictingLength(5, 5), ValueError, "two Content-Lengths of 5 do not conflict"),
        (lambda: ConflictingLength(0, 5), ValueError, "first takes an int from 1 up, got 0"),
        (lambda: ExtraBytes(b""), ValueError, "ExtraBytes takes at least one byte, got none"),
        (lambda: ExtraBytes("x"), TypeError, "ExtraBytes takes bytes, got 'x'"),  # type: ignore[arg-type]
        (lambda: BadEncoding(1), TypeError, "encoding takes a text, such as 'gzip', got 1"),  # type: ignore[arg-type]
        (lambda: BadEncoding(body="x"), TypeError, "BadEncoding takes bytes as body, got 'x'"),  # type: ignore[arg-type]
    ],
)
def test_what_a_fault_does_not_take(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value).startswith(text)
