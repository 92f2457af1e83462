"""Answers that come slowly, or come to a moment and no further."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from .base import BaseMockResponse, check_response
from .drip import DripTransport, piece_size
from .faults import BrokenOff
from .numbers import check_amount
from .steps import Pause, Stall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.abc import AbstractStreamWriter

__all__ = ["DripResponse", "StallResponse"]


@dataclass(frozen=True, repr=False)
class DripResponse(BaseMockResponse):
    """Sends the whole answer of another response, head and body, at a slow rate.

    A read timeout that begins anew with each byte never ends it: httpx and requests return the
    answer however long it takes, and so does aiohttp with `sock_read`. aiohttp's `total` raises
    `TimeoutError`, and `curl --max-time` exits with 28.

    Args:
        wrapped: the response; any, a stream or a fault too. Only an `aiohttp.web.FileResponse`
            that it returns raises a `TypeError`: the system sends it.
        bytes_per_second: the rate: up to 20, one byte at a time; above, 20 pieces a second.

    Raises:
        TypeError: `wrapped` is no response, or the rate no number.
        ValueError: the rate is not above 0, or not finite.

    Example:
        >>> DripResponse(RawResponse("slow"), bytes_per_second=10).bytes_per_second
        10
    """

    wrapped: BaseMockResponse
    _: KW_ONLY
    bytes_per_second: float

    def __post_init__(self) -> None:
        check_response(self.wrapped, "DripResponse")
        check_amount(self.bytes_per_second, "bytes_per_second takes a rate", zero=False)

    @property
    def parts(self) -> tuple[BaseMockResponse, ...]:
        """The wrapped response."""
        return (self.wrapped,)

    def __repr__(self) -> str:
        piece = piece_size(self.bytes_per_second)
        pause = Pause(piece / self.bytes_per_second)
        return (
            f"DripResponse({self.wrapped!r}, bytes_per_second={self.bytes_per_second!r}, "
            f"script=[Send({piece} of its bytes), {pause!r}, …])"
        )

    async def response(self, request: web.Request) -> web.StreamResponse:
        """Answer slowly."""
        async with _slowed(request, self.bytes_per_second):
            try:
                answer = await self.wrapped.response(request)
            except web.HTTPException as raised:  # aiohttp's way to answer by raising
                answer = raised
        if not isinstance(answer, web.StreamResponse):
            return answer  # refused where every answer is checked
        if isinstance(answer, web.FileResponse):
            raise TypeError(
                "DripResponse cannot slow a FileResponse, which the system sends by itself "
                "(sendfile); send the bytes of the file: RawResponse(path.read_bytes())"
            )
        return _Dripped(answer, self.bytes_per_second)


class _Dripped(web.StreamResponse):
    """Sends another answer slowly."""

    def __init__(self, answer: web.StreamResponse, rate: float) -> None:
        super().__init__(status=answer.status)
        self.fault: str | None = getattr(answer, "fault", None)
        self._answer = answer
        self._rate = rate

    @property
    def keep_alive(self) -> bool | None:
        """What the other answer says."""
        return self._answer.keep_alive

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send all of it."""
        async with _slowed(request, self._rate):
            await self._answer.prepare(request)
            await self._answer.write_eof()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: all is sent."""


@asynccontextmanager
async def _slowed(request: web.BaseRequest, rate: float) -> AsyncIterator[None]:
    """Let everything that is written within the block leave slowly; end when all has left."""
    await request.writer.drain()  # else the transport would still resume what it has paused
    protocol, transport = request.protocol, request.transport
    if protocol is None or transport is None:  # the client has left
        yield
        return
    slow = DripTransport(transport, protocol, rate)
    protocol.transport = slow
    try:
        yield
        await slow.emptied()
    finally:
        slow.release()
        if protocol.transport is slow:  # else the connection is lost
            protocol.transport = transport


@dataclass(frozen=True, repr=False)
class StallResponse(BrokenOff):
    r"""Comes to a moment and goes no further, with the connection open.

    It ends when the client or the service leaves. Before the end of the head a client's timeout
    is aiohttp's `TimeoutError`, httpx's and requests' `ReadTimeout`, urllib3's
    `ReadTimeoutError`, and curl exits with 28. After the head requests raises
    `ConnectionError`, the others the same.

    Args:
        after: `"request"`: before a byte of answer; `"status"`: the status line is sent;
            `"headers"`: the whole head; `"body"`: the head and half of the body.
        body: the body that is announced, in bytes.
        status: the status code.
        headers: a mapping or pairs; `application/octet-stream` unless they say otherwise.

    Raises:
        TypeError: the body is no bytes.
        ValueError: `after` is another word, or the body is too short to be halved.

    Example:
        >>> StallResponse(after="status").script
        WireResponse(Send(b'HTTP/1.1 200 OK\r\n'), Stall())
    """

    end = Stall()
    verb = "stalled"
