"""The kinds of live streams: how each opens, says something, and ends in order.

A kind is a subclass of `Channel` and a line in `KINDS`; nothing else knows it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from aiohttp import web

from ..waiting import Bell
from .canned import Headers, check_headers, check_status
from .sse import SseResponse, encode_event
from .streams import (
    ChunkedResponse,
    NdjsonResponse,
    check_bytes,
    check_stream,
    encode_line,
    end_with_connection,
    head_only,
)
from .websocket_link import WebSocketLink
from .websocket_upgrade import Upgrade, refuse
from .writing import write_unbroken

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from ..journal import Exchange

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
        protocols: as given to the `LiveStream`.

    Attributes:
        answer: not yet prepared.
        bell: rung when the client said something, and when a close frame was sent.
    """

    speaks: ClassVar[bool] = False
    """Whether the client speaks too, once the stream is open."""

    def __init__(
        self,
        request: web.Request,
        status: int,
        headers: Headers | None,
        protocols: Iterable[str] = (),
    ) -> None:
        self.request = request
        self.bell = Bell()
        self._sent = 0
        self.protocols = protocols
        self.answer = self.make_answer(check_status(status), headers)

    @classmethod
    def check(cls, status: int, headers: Headers | None, protocols: Iterable[str] = ()) -> None:
        """Refuse what this kind cannot answer with, when the `LiveStream` is made.

        Raises:
            TypeError: an argument is of the wrong type.
            ValueError: the status or a header cannot be sent, or there are no such protocols.
        """
        check_stream(status, headers)
        if tuple(protocols):
            raise ValueError('protocols are sub-protocols of the kind "websocket" only')

    def refuse(self) -> web.StreamResponse | None:
        """Return the answer to a request that opens no stream; None if it does."""
        return self.answer if head_only(self.request) else None

    @abstractmethod
    def make_answer(self, status: int, headers: Headers | None) -> web.StreamResponse:
        """Return the answer, not yet prepared: to a HEAD it is sent as it is."""

    async def open(self, exchange: Exchange) -> None:
        """Send the head: from now on the test has the connection."""
        await self.answer.prepare(self.request)

    @abstractmethod
    async def send(self, value: Any) -> None:
        """Write what the test sends, count it, and wait while the client does not read.

        Raises:
            TypeError: this kind cannot send such a value.
            ConnectionError: the client has left.
        """

    @property
    def sent(self) -> int:
        """Bytes that were handed to the socket, without framing."""
        return self._sent

    async def hold(self, over: asyncio.Future[Ending]) -> Ending:
        """Return how the stream ends. A kind in which the client speaks too listens here.

        Args:
            over: the test sets it; so may a kind, when the client ends the stream in order.
        """
        return await over

    async def close(self, code: int = 1000, reason: str = "") -> web.StreamResponse:
        """End the stream in order and return the answer."""
        await self.answer.write_eof()
        return self.answer

    # --- where the client speaks too ----------------------------------------------------

    def take(self) -> str | bytes | None:
        """Return the client's next message; None if there is none yet."""
        return None

    async def ping(self, data: bytes) -> None:  # noqa: B027 - asked only where it speaks
        """Ask the client for a sign of life.

        Raises:
            ConnectionError: it has left.
        """

    @property
    def is_silent(self) -> bool:
        """Whether one side has closed: no message comes any more."""
        return False

    @property
    def client_code(self) -> int | None:
        """The code with which the client closed."""
        return None


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

    async def send(self, value: Any) -> None:
        data = self.encode(value)
        transport = self.request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        self._sent += len(data)
        if not self.answer.chunked:
            await write_unbroken(self.request, len(data), self.answer.write(data))
        elif data:  # an empty chunk would end the body
            # The chunk (RFC 9112 §7.1) is framed here: half the time of aiohttp's own way.
            transport.write(b"%x\r\n%b\r\n" % (len(data), data))
            await write_unbroken(self.request, 0, self.request.writer.drain())


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


class _WebSocket(Channel):
    speaks = True
    answer: Upgrade
    _link: WebSocketLink

    @classmethod
    def check(
        cls,
        status: int,
        headers: Headers | None,
        protocols: Iterable[str] = (),  # noqa: ARG003 - any
    ) -> None:
        check_headers(headers)
        if check_status(status) not in (101, 200):
            raise ValueError(f"a WebSocket is answered 101, not {status}: leave the status out")

    def make_answer(self, status: int, headers: Headers | None) -> Upgrade:
        return Upgrade(self.protocols, headers)

    def refuse(self) -> web.StreamResponse | None:
        return refuse(self.request)

    async def open(self, exchange: Exchange) -> None:
        await super().open(exchange)
        self._link = WebSocketLink(self.answer, self.request, exchange, bell=self.bell)
        self.request.break_off = self._link.break_off

    async def send(self, value: Any) -> None:
        await self._link.send(value)

    @property
    def sent(self) -> int:
        return self._link.sent

    async def ping(self, data: bytes) -> None:
        await self._link.ping(data)

    def take(self) -> str | bytes | None:
        item = self._link.take()
        return None if item is None else item[1].data

    @property
    def is_silent(self) -> bool:
        return self._link.is_silent

    @property
    def client_code(self) -> int | None:
        farewell = self._link.farewell
        return 1006 if farewell is None else farewell.code

    async def hold(self, over: asyncio.Future[Ending]) -> Ending:
        ends: list[asyncio.Future[Any]] = [over, self._link.listener]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        return over.result() if over.done() else Ending("client", self._answer_close)

    async def _answer_close(self) -> web.StreamResponse:
        await self._link.finish()
        return self.answer

    async def close(self, code: int = 1000, reason: str = "") -> web.StreamResponse:
        await self._link.close(code, reason)
        return self.answer


KINDS: dict[str, type[Channel]] = {
    "sse": _Sse,
    "ndjson": _Ndjson,
    "chunked": _Chunked,
    "websocket": _WebSocket,
}
