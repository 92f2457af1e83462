"""The kinds of live streams: how each opens, says something, and ends in order.

A kind is a subclass of `Channel` and a line in `KINDS`; nothing else knows it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from aiohttp import web

from .canned import Headers, check_headers, check_status
from .sse import SseResponse, encode_event
from .streams import (
    ChunkedResponse,
    NdjsonResponse,
    check_bytes,
    check_stream,
    encode_line,
    end_with_connection,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

__all__ = ["KINDS", "Channel", "EndedBy", "Ending"]

EndedBy = Literal["client", "test", "service"]


class Ending(NamedTuple):
    """How a stream ends: who wants it, and what is to be done, which gives the answer."""

    by: EndedBy
    end: Callable[[], Awaitable[web.StreamResponse]]


class Channel(ABC):
    """One client's stream. It belongs to one request and lives in the server's loop.

    Args:
        request: what the client asked.
        status: as given to the `LiveStream`.
        headers: as given to the `LiveStream`.
    """

    def __init__(self, request: web.Request, status: int, headers: Headers | None) -> None:
        self.request = request
        self.answer = self.make_answer(check_status(status), headers)

    @classmethod
    def check(cls, status: int, headers: Headers | None) -> None:
        """Refuse what this kind cannot answer with, when the `LiveStream` is made.

        Raises:
            TypeError: an argument is of the wrong type.
            ValueError: the status or a header cannot be sent.
        """
        check_stream(status, headers)

    @abstractmethod
    def make_answer(self, status: int, headers: Headers | None) -> web.StreamResponse:
        """Return the answer, not yet prepared: to a HEAD it is sent as it is."""

    async def open(self) -> None:
        """Send the head: from now on the test has the connection."""
        await self.answer.prepare(self.request)

    @abstractmethod
    async def send(self, value: Any) -> int:
        """Write what the test sends, and wait while the client does not read.

        Returns:
            The bytes of it, without framing.

        Raises:
            TypeError: this kind cannot send such a value.
            ConnectionError: the client has left.
        """

    async def hold(self, over: asyncio.Future[Ending]) -> Ending:
        """Return how the stream ends. A kind in which the client speaks too listens here.

        Args:
            over: the test sets it; so may a kind, when the client ends the stream in order.
        """
        return await over

    async def close(self) -> web.StreamResponse:
        """End the stream in order and return the answer."""
        await self.answer.write_eof()
        return self.answer


class _BodyChannel(Channel):
    """A body that is written piece by piece."""

    content_type: ClassVar[str]

    @abstractmethod
    def encode(self, value: Any) -> bytes:
        """Return the bytes of what the test sends."""

    def make_answer(self, status: int, headers: Headers | None) -> web.StreamResponse:
        answer = web.StreamResponse(status=status, headers=check_headers(headers))
        answer.headers.setdefault("Content-Type", self.content_type)
        if not end_with_connection(answer, self.request):
            answer.enable_chunked_encoding()
        return answer

    async def send(self, value: Any) -> int:
        data = self.encode(value)
        transport = self.request.transport
        if not self.answer.chunked:
            await self.answer.write(data)
        elif transport is None or transport.is_closing():
            raise ConnectionResetError
        elif data:  # an empty chunk would end the body
            # The chunk (RFC 9112 §7.1) is framed here: half the time of aiohttp's own way.
            transport.write(b"%x\r\n%b\r\n" % (len(data), data))
            await self.request.writer.drain()
        return len(data)


class _Chunked(_BodyChannel):
    content_type = ChunkedResponse.content_type

    def encode(self, value: Any) -> bytes:
        return check_bytes(value)


class _Ndjson(_BodyChannel):
    content_type = NdjsonResponse.content_type

    def encode(self, value: Any) -> bytes:
        return encode_line(value)


class _Sse(_BodyChannel):
    content_type = SseResponse.content_type

    def encode(self, value: Any) -> bytes:
        return encode_event(value)


KINDS: dict[str, type[Channel]] = {"sse": _Sse, "ndjson": _Ndjson, "chunked": _Chunked}
