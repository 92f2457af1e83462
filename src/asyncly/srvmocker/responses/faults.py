"""Answers that break off."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

from ..text import shorten
from .base import BaseMockResponse
from .canned import Headers, check_headers, check_status, render_head
from .wire import Fin, Send, WireAnswer

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["DisconnectResponse", "TruncatedResponse"]


@dataclass(frozen=True)
class DisconnectResponse(BaseMockResponse):
    """Closes the connection in order once the request has arrived, without a byte of answer.

    aiohttp raises `ServerDisconnectedError`, httpx `RemoteProtocolError`, requests
    `ConnectionError`, and curl exits with 52.

    Example:
        >>> DisconnectResponse()
        DisconnectResponse()
    """

    async def response(self, request: web.Request) -> web.StreamResponse:
        """Close the connection."""
        return WireAnswer([Fin()], fault="disconnected without an answer")


@dataclass(frozen=True)
class TruncatedResponse(BaseMockResponse):
    """Declares more bytes than it sends, then closes the connection in order.

    aiohttp raises `ClientPayloadError`, httpx `RemoteProtocolError`, requests
    `ChunkedEncodingError`, and curl exits with 18.

    Args:
        body: the bytes that are sent.
        declared_length: the Content-Length, in bytes; by default one more than is sent.
        status: the status code.
        headers: a mapping or pairs; `application/octet-stream` unless they say otherwise.

    Raises:
        TypeError: the body is no bytes.
        ValueError: the declared length is no more than what is sent.

    Example:
        >>> TruncatedResponse(b"half", declared_length=8).body
        b'half'
    """

    body: bytes = b""
    _: KW_ONLY
    declared_length: int | None = None
    status: int = 200
    headers: Headers | None = None

    def __post_init__(self) -> None:
        check_status(self.status)
        check_headers(self.headers)
        if not isinstance(self.body, bytes):
            raise TypeError(f"TruncatedResponse takes bytes, got {shorten(self.body)}")
        if self.declared_length is None:
            return
        if isinstance(self.declared_length, bool) or not isinstance(self.declared_length, int):
            raise TypeError(f"declared_length takes bytes, got {shorten(self.declared_length)}")
        if self.declared_length <= len(self.body):
            raise ValueError(
                f"declared_length={self.declared_length} is not more than the "
                f"{len(self.body)} bytes of the body: nothing would be truncated"
            )

    async def response(self, request: web.Request) -> web.StreamResponse:
        """Send less than is declared and close."""
        headers = check_headers(self.headers)
        declared = len(self.body) + 1 if self.declared_length is None else self.declared_length
        headers["Content-Length"] = str(declared)
        headers.setdefault("Content-Type", "application/octet-stream")
        return WireAnswer(
            [Send(render_head(self.status, headers) + self.body), Fin()],
            fault=f"truncated after {len(self.body)} of {declared} bytes",
            status=check_status(self.status),
        )
