"""Answers whose head is no HTTP. Each is sent whole, and the connection is closed behind it."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from random import Random

from ..text import shorten
from .steps import Fin, Send
from .wire import ScriptedResponse, WireResponse

__all__ = [
    "BODY",
    "BadStatusLine",
    "GarbageResponse",
    "InvalidHeader",
    "OversizedHeaders",
    "build_answer",
    "build_head",
    "check_count",
    "encode_line",
]

BODY = b"0123456789"
"""The body of the answers that go wrong elsewhere."""


@dataclass(frozen=True, repr=False)
class GarbageResponse(ScriptedResponse):
    r"""Sends random bytes in place of an answer: always the same ones for the same seed.

    aiohttp raises `ClientResponseError`, httpx `RemoteProtocolError`, requests
    `ConnectionError`, urllib3 `ProtocolError`, and curl exits with 1.

    Args:
        seed: decides the bytes.
        size: how many, at least 1.

    Raises:
        TypeError: an argument is no int.
        ValueError: `size` is less than 1.

    Example:
        >>> GarbageResponse(seed=7, size=4).script
        WireResponse(Send(b'\xb8\xb4\xe6R'), Fin())
    """

    seed: int = 0
    size: int = 64

    def __post_init__(self) -> None:
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise TypeError(f"seed takes an int, got {shorten(self.seed)}")
        check_count(self.size, "size")

    @property
    def script(self) -> WireResponse:
        """The bytes and a FIN."""
        noise = bytearray(Random(self.seed).randbytes(self.size))  # noqa: S311 - no secret
        noise[0] |= 0x80  # no letter: it cannot be taken for the beginning of an answer
        return WireResponse(Send(bytes(noise)), Fin())

    @property
    def fault(self) -> str:
        """What is sent."""
        return f"{self.size} bytes of garbage"


@dataclass(frozen=True, repr=False)
class BadStatusLine(ScriptedResponse):
    """An answer whose first line is no status line (RFC 9112 §4).

    aiohttp raises `ClientResponseError`, httpx `RemoteProtocolError`, requests
    `ConnectionError`, urllib3 `ProtocolError`, and curl exits with 1.

    Args:
        line: the first line, without its end.

    Raises:
        TypeError: it is neither text nor bytes.
        ValueError: it holds a line break.

    Example:
        >>> BadStatusLine("HTTP/1.1 2000 OK").line
        'HTTP/1.1 2000 OK'
    """

    line: str | bytes = "HTTP/1.1 OK"

    def __post_init__(self) -> None:
        encode_line(self.line)

    @property
    def script(self) -> WireResponse:
        """The line, the rest of an answer, and a FIN."""
        head = build_head(b"Content-Length: %d" % len(BODY), status_line=encode_line(self.line))
        return WireResponse(Send(head + BODY), Fin())

    @property
    def fault(self) -> str:
        """What is sent."""
        return f"a bad status line: {shorten(self.line)}"


@dataclass(frozen=True, repr=False)
class OversizedHeaders(ScriptedResponse):
    """A right answer with one very long header, or with very many.

    Of 100,000 bytes or 500 headers aiohttp raises `ClientResponseError`, requests
    `ConnectionError` and urllib3 `ProtocolError`; httpx and curl take them.

    Args:
        bytes: the length of the value of one header, `X-Large`; 100,000 unless `count` is given.
        count: the number of headers, `X-Many-1` and so on.

    Raises:
        TypeError: one is no int, or both are given.
        ValueError: one is less than 1.

    Example:
        >>> OversizedHeaders(count=500).fault
        '500 headers'
    """

    _: KW_ONLY
    bytes: int | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        if self.bytes is not None and self.count is not None:
            raise TypeError("OversizedHeaders takes bytes= or count=, not both")
        if self.count is not None:
            check_count(self.count, "count")
            return
        if self.bytes is None:
            vars(self).update(bytes=100_000)
        check_count(self.bytes, "bytes")

    @property
    def script(self) -> WireResponse:
        """The answer with these headers, and a FIN."""
        if self.count is not None:
            lines = [b"X-Many-%d: x" % number for number in range(1, self.count + 1)]
        else:
            lines = [b"X-Large: " + b"x" * (self.bytes or 0)]
        return WireResponse(Send(build_answer(*lines)), Fin())

    @property
    def fault(self) -> str:
        """How many or how long."""
        if self.count is not None:
            return f"{self.count} headers"
        return f"a header of {self.bytes} bytes"


@dataclass(frozen=True, repr=False)
class InvalidHeader(ScriptedResponse):
    r"""An answer with a line among its headers that is none (RFC 9110 §5.1, §5.5).

    Without a colon or with a NUL, aiohttp raises `ClientResponseError`, httpx
    `RemoteProtocolError`, and curl exits with 8. requests and urllib3 end the headers there and
    return a 200 without those that follow it.

    Args:
        line: the line, without its end.

    Raises:
        TypeError: it is neither text nor bytes.
        ValueError: it holds a line break.

    Example:
        >>> InvalidHeader(b"X-Name: a\0b").line
        b'X-Name: a\x00b'
    """

    line: str | bytes = "a line without a colon"

    def __post_init__(self) -> None:
        encode_line(self.line)

    @property
    def script(self) -> WireResponse:
        """The answer with this line, and a FIN."""
        head = build_head(encode_line(self.line), b"Content-Length: %d" % len(BODY))
        return WireResponse(Send(head + BODY), Fin())

    @property
    def fault(self) -> str:
        """What is sent."""
        return f"an invalid header: {shorten(self.line)}"


def build_head(*lines: bytes, status_line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """Return the head of an answer of text, with these lines in it."""
    return b"\r\n".join([status_line, b"Content-Type: text/plain", *lines, b"", b""])


def build_answer(*lines: bytes) -> bytes:
    """Return an answer that is right but for the header lines given."""
    return build_head(b"Content-Length: %d" % len(BODY), *lines) + BODY


def encode_line(line: object) -> bytes:
    """Return the bytes of one line of a head.

    Raises:
        TypeError: it is neither text nor bytes.
        ValueError: it holds a line break.
    """
    if not isinstance(line, str | bytes):
        raise TypeError(f"a line takes text or bytes, got {shorten(line)}")
    data = line.encode() if isinstance(line, str) else line
    if b"\r" in data or b"\n" in data:
        raise ValueError(
            f"the line holds a line break: {shorten(line)}; for more lines use WireResponse"
        )
    return data


def check_count(count: object, name: str) -> None:
    """Refuse what is no int from 1 up.

    Raises:
        TypeError: it is no int.
        ValueError: it is less than 1.
    """
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"{name} takes an int, got {shorten(count)}")
    if count < 1:
        raise ValueError(f"{name} takes an int from 1 up, got {count}")
