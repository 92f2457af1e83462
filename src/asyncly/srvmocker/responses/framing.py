"""Answers whose body is not framed or coded as their head says.

Each is sent whole, and the connection is closed in order behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..text import shorten
from .heads import BODY, build_answer, build_head, check_count, encode_line
from .numbers import check_amount
from .steps import Fin, Pause, Send
from .wire import ScriptedResponse, WireResponse

__all__ = [
    "BadEncoding",
    "ConflictingLength",
    "ExtraBytes",
    "MalformedChunkResponse",
    "MissingFinalChunk",
]


@dataclass(frozen=True, repr=False)
class MalformedChunkResponse(ScriptedResponse):
    """A chunked answer whose second chunk has no size (RFC 9112 §7.1).

    When it comes matters. Together with the head, aiohttp raises `ClientResponseError`. Later,
    aiohttp 3.14 with its C parser waits until its total timeout, 300 s by default: give such a
    client a timeout. httpx raises `RemoteProtocolError`, requests `ChunkedEncodingError`,
    urllib3 `ProtocolError`, and curl exits with 56, whenever it comes.

    Args:
        delay: seconds between the good chunk and the bad one; with 0 all is one segment.

    Raises:
        TypeError: `delay` is no number.
        ValueError: it is negative or not finite.

    Example:
        >>> MalformedChunkResponse(delay=0.05).script.steps[1]
        Pause(0.05)
    """

    delay: float = 0

    def __post_init__(self) -> None:
        check_amount(self.delay, "delay takes seconds")

    @property
    def script(self) -> WireResponse:
        """The head with a good chunk, the delay, the bad chunk, and a FIN."""
        good = build_head(b"Transfer-Encoding: chunked") + b"5\r\n01234\r\n"
        bad = b"size\r\n56789\r\n0\r\n\r\n"
        if self.delay:
            return WireResponse(Send(good), Pause(self.delay), Send(bad), Fin())
        return WireResponse(Send(good + bad), Fin())

    @property
    def fault(self) -> str:
        """What is sent."""
        return "a malformed chunk"


@dataclass(frozen=True, repr=False)
class MissingFinalChunk(ScriptedResponse):
    """A chunked answer that is closed without its last chunk (RFC 9112 §8).

    aiohttp raises `ClientPayloadError`, httpx `RemoteProtocolError`, requests
    `ChunkedEncodingError`, urllib3 `ProtocolError`, and curl exits with 18.

    Example:
        >>> MissingFinalChunk().script.steps[-1]
        Fin()
    """

    @property
    def script(self) -> WireResponse:
        """The head, one chunk, and a FIN."""
        chunk = b"%x\r\n%b\r\n" % (len(BODY), BODY)
        return WireResponse(Send(build_head(b"Transfer-Encoding: chunked") + chunk), Fin())

    @property
    def fault(self) -> str:
        """What is missing."""
        return "closed without the final chunk"


@dataclass(frozen=True, repr=False)
class ConflictingLength(ScriptedResponse):
    """An answer with two Content-Lengths that differ (RFC 9112 §6.3); the smaller one is true.

    aiohttp raises `ClientResponseError`, httpx `RemoteProtocolError`, requests and urllib3
    `InvalidHeader`, and curl, which believes the last one, exits with 18.

    Args:
        first: the first Content-Length, in bytes.
        second: the other.

    Raises:
        TypeError: one is no int.
        ValueError: one is less than 1, or they are equal.

    Example:
        >>> ConflictingLength(10, 5).fault
        'two Content-Lengths: 10 and 5'
    """

    first: int = 5
    second: int = 10

    def __post_init__(self) -> None:
        check_count(self.first, "first")
        check_count(self.second, "second")
        if self.first == self.second:
            raise ValueError(f"two Content-Lengths of {self.first} do not conflict")

    @property
    def script(self) -> WireResponse:
        """The head, as many bytes as the smaller length says, and a FIN."""
        head = build_head(b"Content-Length: %d" % self.first, b"Content-Length: %d" % self.second)
        return WireResponse(Send(head + b"x" * min(self.first, self.second)), Fin())

    @property
    def fault(self) -> str:
        """Both lengths."""
        return f"two Content-Lengths: {self.first} and {self.second}"


@dataclass(frozen=True, repr=False)
class ExtraBytes(ScriptedResponse):
    r"""A right answer with bytes behind its end (RFC 9112 §6.3).

    aiohttp raises `ClientResponseError`; httpx, requests, urllib3 and curl see the answer alone.

    Args:
        extra: the bytes behind the body.

    Raises:
        TypeError: they are no bytes.
        ValueError: there are none.

    Example:
        >>> ExtraBytes(b"HTTP/1.1 500 Oops\r\n\r\n").fault
        '21 bytes behind the body'
    """

    extra: bytes = b"and more"

    def __post_init__(self) -> None:
        if not isinstance(self.extra, bytes):
            raise TypeError(f"ExtraBytes takes bytes, got {shorten(self.extra)}")
        if not self.extra:
            raise ValueError("ExtraBytes takes at least one byte, got none")

    @property
    def script(self) -> WireResponse:
        """The answer with the bytes behind it, and a FIN."""
        return WireResponse(Send(build_answer() + self.extra), Fin())

    @property
    def fault(self) -> str:
        """How many bytes."""
        return f"{len(self.extra)} bytes behind the body"


@dataclass(frozen=True, repr=False)
class BadEncoding(ScriptedResponse):
    """A body that is not in the content coding that it claims (RFC 9110 §8.4).

    aiohttp raises `ClientPayloadError`, httpx `DecodingError`, requests `ContentDecodingError`
    and urllib3 `DecodeError`; curl, which decodes only when told to, then exits with 61.

    Args:
        encoding: the Content-Encoding.
        body: the bytes.

    Raises:
        TypeError: `encoding` is no text, or `body` no bytes.
        ValueError: `encoding` holds a line break.

    Example:
        >>> BadEncoding("deflate").fault
        "a body that is no 'deflate'"
    """

    encoding: str = "gzip"
    body: bytes = b"this is not compressed"

    def __post_init__(self) -> None:
        if not isinstance(self.encoding, str):
            raise TypeError(f"encoding takes a text, such as 'gzip', got {shorten(self.encoding)}")
        encode_line(self.encoding)
        if not isinstance(self.body, bytes):
            raise TypeError(f"BadEncoding takes bytes as body, got {shorten(self.body)}")

    @property
    def script(self) -> WireResponse:
        """The answer and a FIN."""
        encoding = b"Content-Encoding: " + encode_line(self.encoding)
        head = build_head(encoding, b"Content-Length: %d" % len(self.body))
        return WireResponse(Send(head + self.body), Fin())

    @property
    def fault(self) -> str:
        """What the body is not."""
        return f"a body that is no {self.encoding!r}"
