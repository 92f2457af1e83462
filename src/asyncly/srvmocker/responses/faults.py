"""Answers that break off: closed, reset or truncated before their end."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal, get_args

from ..text import shorten
from .canned import Headers, check_headers, check_status, render_head
from .steps import Fin, Reset, Send, Step
from .wire import ScriptedResponse, WireResponse

__all__ = [
    "BrokenOff",
    "DisconnectResponse",
    "EmptyResponse",
    "Moment",
    "ResetResponse",
    "TruncatedResponse",
]

Moment = Literal["request", "status", "headers", "body"]
"""How far an answer comes: nothing of it, its status line, its whole head, half of its body."""


@dataclass(frozen=True, repr=False)
class DisconnectResponse(ScriptedResponse):
    """Closes the connection in order once the request has arrived, without a byte of answer.

    aiohttp raises `ServerDisconnectedError`, httpx `RemoteProtocolError`, requests
    `ConnectionError`, urllib3 `ProtocolError`, and curl exits with 52.

    Example:
        >>> DisconnectResponse()
        DisconnectResponse(script=[Fin()])
    """

    @property
    def script(self) -> WireResponse:
        """A FIN."""
        return WireResponse(Fin())

    @property
    def fault(self) -> str:
        """What it does."""
        return "disconnected without an answer"


@dataclass(frozen=True, repr=False)
class EmptyResponse(DisconnectResponse):
    """An empty reply: `DisconnectResponse`, by the name that curl has for it.

    Example:
        >>> EmptyResponse()
        EmptyResponse(script=[Fin()])
    """


@dataclass(frozen=True, repr=False)
class TruncatedResponse(ScriptedResponse):
    """Declares more bytes than it sends, then closes the connection in order.

    aiohttp raises `ClientPayloadError`, httpx `RemoteProtocolError`, requests
    `ChunkedEncodingError`, urllib3 `ProtocolError`, and curl exits with 18.

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
            raise TypeError(
                f"declared_length takes a number of bytes, got {shorten(self.declared_length)}"
            )
        if self.declared_length <= len(self.body):
            raise ValueError(
                f"declared_length={self.declared_length} is not more than the "
                f"{len(self.body)} bytes of the body: nothing would be truncated"
            )

    @property
    def _declared(self) -> int:
        return len(self.body) + 1 if self.declared_length is None else self.declared_length

    @property
    def script(self) -> WireResponse:
        """The head, what there is of the body, and a FIN."""
        head = _sized_head(self.status, self.headers, self._declared)
        return WireResponse(Send(head + self.body), Fin())

    @property
    def fault(self) -> str:
        """How much is missing."""
        return f"truncated after {len(self.body)} of {self._declared} bytes"


@dataclass(frozen=True, repr=False)
class BrokenOff(ScriptedResponse):
    """The base of answers that come to a moment and no further: a subclass says what then.

    Args:
        after: `"request"`: before a byte of answer; `"status"`: the status line is sent;
            `"headers"`: the whole head; `"body"`: the head and half of the body.
        body: the body that is announced, in bytes.
        status: the status code.
        headers: a mapping or pairs; `application/octet-stream` unless they say otherwise.

    Raises:
        TypeError: the body is no bytes.
        ValueError: `after` is another word, or the body is too short to be halved.
    """

    after: Moment = "request"
    _: KW_ONLY
    body: bytes = b"0123456789"
    status: int = 200
    headers: Headers | None = None

    end: ClassVar[Step]
    verb: ClassVar[str]

    def __post_init__(self) -> None:
        check_status(self.status)
        check_headers(self.headers)
        if self.after not in get_args(Moment):
            words = ", ".join(map(repr, get_args(Moment)))
            raise ValueError(f"after takes one of {words}, got {self.after!r}")
        if not isinstance(self.body, bytes):
            raise TypeError(f"{type(self).__name__} takes bytes as body, got {shorten(self.body)}")
        if self.after == "body" and len(self.body) < 2:
            raise ValueError(f"a body of {len(self.body)} bytes has no half to be sent")

    @property
    def script(self) -> WireResponse:
        """The answer up to the moment, and what ends it."""
        sent = self._sent()
        return WireResponse(*([Send(sent)] if sent else []), self.end)

    def _sent(self) -> bytes:
        if self.after == "request":
            return b""
        head = _sized_head(self.status, self.headers, len(self.body))
        if self.after == "status":
            return head.partition(b"\n")[0] + b"\n"
        return head + (self.body[: len(self.body) // 2] if self.after == "body" else b"")

    @property
    def fault(self) -> str:
        """What it does, and when."""
        if self.after == "body":
            size = len(self.body)
            return f"{self.verb} after {size // 2} of {size} bytes of the body"
        return f"{self.verb} after the {'status line' if self.after == 'status' else self.after}"


@dataclass(frozen=True, repr=False)
class ResetResponse(BrokenOff):
    r"""Cuts the connection (TCP RST) before or within the answer.

    httpx raises `ReadError`, urllib3 `ProtocolError`, and curl exits with 56. Before the end of
    the head aiohttp raises `ClientOSError` and requests `ConnectionError`; after it aiohttp raises
    `ClientPayloadError` and requests `ChunkedEncodingError`.

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
        >>> ResetResponse(after="status").script
        WireResponse(Send(b'HTTP/1.1 200 OK\r\n'), Reset())
    """

    end = Reset()
    verb = "reset"


def _sized_head(status: int, headers: Headers | None, length: int) -> bytes:
    """Return the head of an answer whose body is declared to have `length` bytes."""
    checked = check_headers(headers)
    checked["Content-Length"] = str(length)
    checked.setdefault("Content-Type", "application/octet-stream")
    return render_head(check_status(status), checked)
