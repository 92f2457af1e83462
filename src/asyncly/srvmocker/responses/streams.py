"""Bodies that are written piece by piece, so that the client sees each when it is written."""

from __future__ import annotations

import asyncio
import math
from abc import abstractmethod
from contextlib import aclosing
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from aiohttp import HttpVersion11, web

from ..serialization import JsonSerializer
from ..text import shorten
from .base import BaseMockResponse
from .canned import Headers, check_headers, check_status, has_no_body
from .pieces import Pieces, Source, nothing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from aiohttp.abc import AbstractStreamWriter

__all__ = [
    "ChunkedResponse",
    "NdjsonResponse",
    "StreamedResponse",
    "check_bytes",
    "check_stream",
    "encode_line",
    "end_with_connection",
    "head_only",
]

_json = JsonSerializer()


@dataclass(frozen=True)
class StreamedResponse(BaseMockResponse):
    """The base of streams that send what they were given: a subclass says how it is encoded.

    Args:
        interval: seconds between one piece and the next.
        status: the status code.
        headers: a mapping or pairs.
    """

    _: KW_ONLY
    interval: float = 0
    status: int = 200
    headers: Headers | None = None

    content_type: ClassVar[str]
    """The media type that is sent unless the headers name another."""

    def __post_init__(self) -> None:
        check_stream(self.status, self.headers)
        _check_interval(self.interval)
        vars(self)["_source"] = Source(self.pieces, self.encode, type(self).__name__)

    @property
    @abstractmethod
    def pieces(self) -> Pieces:
        """What was given."""

    @abstractmethod
    def encode(self, piece: Any) -> bytes:
        """Return the bytes of one piece.

        Raises:
            TypeError: it cannot be sent by such a stream.
        """

    async def response(self, request: web.Request) -> web.StreamResponse:
        """Return a new answer, yours to change before it is sent.

        Raises:
            RuntimeError: the pieces were a generator, which an earlier request has used up.
        """
        source: Source = vars(self)["_source"]
        pieces = nothing() if head_only(request) else await source.open()
        answer = _StreamAnswer(pieces, self.interval, check_status(self.status), self.headers)
        answer.headers.setdefault("Content-Type", self.content_type)
        return answer


@dataclass(frozen=True)
class ChunkedResponse(StreamedResponse):
    """Bytes in pieces, each written by itself (`Transfer-Encoding: chunked`, RFC 9112 §7.1).

    Args:
        chunks: an iterable or async iterable of bytes, or a function without arguments that
            returns one. A list can be served any number of times, a generator once: pass the
            function that makes it. An empty piece is not sent, but its interval is waited for.
        interval: seconds between one piece and the next.
        status: the status code.
        headers: a mapping or pairs; `application/octet-stream` unless they say otherwise. With a
            Content-Length here the body is sent in pieces, but not chunked.

    Raises:
        TypeError: an argument, or a piece of a list, is of the wrong type.
        ValueError: an answer of this status has no body, or the interval is negative or not
            finite.

    Example:
        >>> ChunkedResponse([b"one", b"two"], interval=0.5).chunks
        [b'one', b'two']
    """

    chunks: Pieces

    content_type = "application/octet-stream"

    @property
    def pieces(self) -> Pieces:
        """The chunks."""
        return self.chunks

    def encode(self, piece: Any) -> bytes:
        """Return the piece as it is."""
        return check_bytes(piece)


@dataclass(frozen=True)
class NdjsonResponse(StreamedResponse):
    """Values as JSON, one a line, each written by itself (`application/x-ndjson`).

    Args:
        items: an iterable or async iterable of values that JSON has a form for, or a function
            without arguments that returns one. A list can be served any number of times, a
            generator once: pass the function that makes it.
        interval: seconds between one line and the next.
        status: the status code.
        headers: a mapping or pairs; a Content-Type here wins.

    Raises:
        TypeError: an argument, or an item of a list, is of the wrong type.
        ValueError: an answer of this status has no body, or the interval is negative or not
            finite.

    Example:
        >>> NdjsonResponse([{"id": 1}, {"id": 2}]).items
        [{'id': 1}, {'id': 2}]
    """

    items: Pieces

    content_type = "application/x-ndjson"

    @property
    def pieces(self) -> Pieces:
        """The items."""
        return self.items

    def encode(self, piece: Any) -> bytes:
        """Return the line of one item."""
        return encode_line(piece)


class _StreamAnswer(web.StreamResponse):
    """An answer whose pieces are written once its head is sent."""

    def __init__(
        self,
        pieces: AsyncGenerator[bytes],
        interval: float,
        status: int,
        headers: Headers | None,
    ) -> None:
        super().__init__(status=status, headers=check_headers(headers))
        self._pieces = pieces
        self._interval = interval
        self._begun = False

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send the head."""
        end_with_connection(self, request)
        return await super().prepare(request)

    async def write_eof(self, data: bytes = b"") -> None:
        """Write the pieces, then end the body."""
        async with aclosing(self._pieces) as pieces:
            async for piece in pieces:
                if self._begun:
                    await asyncio.sleep(self._interval)  # 0 lets the loop turn: none may starve it
                self._begun = True
                await self.write(piece)
        await super().write_eof(data)


def end_with_connection(answer: web.StreamResponse, request: web.BaseRequest) -> bool:
    """Close the connection behind a stream that is not chunked, and tell whether it is one.

    HTTP/1.0 has no chunks (RFC 9112 §6.3), and a Content-Length may promise more than comes.
    """
    closes = request.version < HttpVersion11 or "Content-Length" in answer.headers
    if closes:
        answer.force_close()
    return closes


def head_only(request: web.BaseRequest) -> bool:
    """Tell whether the client asked for the head alone (RFC 9110 §9.3.2)."""
    return request.method == "HEAD"


def check_stream(status: object, headers: Headers | None) -> None:
    """Refuse what cannot be the head of a stream.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: the status or a header cannot be sent, or the status has no body.
    """
    if has_no_body(check_status(status)):
        raise ValueError(
            f"an answer of status {status} has no body to stream (RFC 9110 §6.4.1); "
            f"use RawResponse(status={status})"
        )
    check_headers(headers)


def check_bytes(piece: object) -> bytes:
    """Return the bytes of a piece.

    Raises:
        TypeError: it is no bytes.
    """
    if isinstance(piece, bytes | bytearray | memoryview):
        return bytes(piece)
    hint = "; encode the text: text.encode()" if isinstance(piece, str) else ""
    raise TypeError(f"a chunked stream sends bytes, got {shorten(piece)}{hint}")


def encode_line(item: object) -> bytes:
    """Return a value as a line of JSON.

    Raises:
        TypeError: JSON has no form for it.
    """
    try:
        return _json.dumps(item) + b"\n"
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"an item cannot be sent as a line of JSON: {error}; it is {shorten(item)}"
        ) from error


def _check_interval(interval: object) -> None:
    if isinstance(interval, bool) or not isinstance(interval, int | float):
        raise TypeError(f"interval takes seconds, such as 0.5, got {shorten(interval)}")
    if not 0 <= interval < math.inf:
        raise ValueError(f"interval takes seconds from 0 up, got {interval!r}")
