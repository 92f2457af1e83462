"""Answers whose bytes are known beforehand, and how their head is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import time
from typing import TYPE_CHECKING, TypeAlias

from aiohttp import HttpVersion10, HttpVersion11
from aiohttp.http import SERVER_SOFTWARE
from multidict import CIMultiDict

from ..text import shorten

if TYPE_CHECKING:
    from aiohttp import HttpVersion

__all__ = ["Canned", "Headers", "check_headers", "check_status", "has_no_body", "render_head"]

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
"""Headers of a response: a mapping, or pairs where a name comes more than once."""

_PHRASES = {item.value: item.phrase for item in HTTPStatus}
_TOKEN = re.compile(r"[0-9A-Za-z!#$%&'*+\-.^_`|~]+")


class Canned:
    """An answer that is the same for every request: its bytes, rendered once.

    Only its Date changes, once a second (RFC 9110 §6.6.1).

    Args:
        status: the status code.
        headers: pairs that the caller wants sent; Content-Length, Date and Server are added
            where they are missing, as aiohttp would.
        body: the bytes of the body.

    Attributes:
        status: the status code.
        closes: the caller's headers announce the end of the connection, so it must come.
    """

    __slots__ = ("_body", "_headers", "_stale_at", "_wire", "closes", "status")

    def __init__(self, status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
        self.status = status
        self.closes = any(n.lower() == "connection" and "close" in v.lower() for n, v in headers)
        self._headers = headers
        self._body = b"" if has_no_body(status) else body
        self._wire = b""
        self._stale_at = 0.0

    def wire(self, method: str, version: HttpVersion, now: float, keep_alive: bool) -> bytes:
        """Return the bytes that answer a request.

        Args:
            method: the method of the request.
            version: the version of HTTP that it speaks.
            now: `time.monotonic()` in seconds.
            keep_alive: whether the client takes another answer on this connection.
        """
        if keep_alive and version == HttpVersion11 and method != "HEAD":
            if now >= self._stale_at:
                date = time()
                self._stale_at = now + 1 - date % 1
                self._wire = self._render(int(date), version, True, False)
            return self._wire
        # HEAD, HTTP/1.0 and the last request of a connection (RFC 9112 §9.3).
        return self._render(int(time()), version, keep_alive, method == "HEAD")

    def _render(self, now: int, version: HttpVersion, keep_alive: bool, head_only: bool) -> bytes:
        head, dated, sized, chunked = _render_fixed(self.status, self._headers, version, keep_alive)
        body = self._body
        size = b"" if sized else b"Content-Length: %d\r\n" % len(body)
        date = b"" if dated else _date_line(now)
        if chunked and not has_no_body(self.status):  # the caller's wish: one chunk and the last
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        return b"%b%b%b\r\n%b" % (head, size, date, b"" if head_only else body)


@lru_cache(maxsize=256)
def _render_fixed(
    status: int, pairs: tuple[tuple[str, str], ...], version: HttpVersion, keep_alive: bool
) -> tuple[bytes, bool, bool, bool]:
    """Return the head but for what varies, and whether it has a Date, a size and chunks."""
    headers = CIMultiDict(pairs)
    if "Connection" not in headers:
        if not keep_alive and version != HttpVersion10:
            headers["Connection"] = "close"
        elif keep_alive and version == HttpVersion10:
            headers["Connection"] = "keep-alive"
    headers.setdefault("Server", SERVER_SOFTWARE)
    chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
    sized = "Content-Length" in headers or chunked or has_no_body(status)
    return render_head(status, headers, version)[:-2], "Date" in headers, sized, chunked


@lru_cache(maxsize=1)
def _date_line(now: int) -> bytes:
    return f"Date: {formatdate(now, usegmt=True)}\r\n".encode()


def has_no_body(status: int) -> bool:
    """Tell whether an answer of this status never has a body (RFC 9110 §6.4.1)."""
    return status in (204, 304) or 100 <= status < 200


def render_head(
    status: int,
    headers: CIMultiDict[str],
    version: HttpVersion = HttpVersion11,
    reason: str | None = None,
) -> bytes:
    """Return the status line and the headers, with the empty line that ends them."""
    if reason is None:
        reason = _PHRASES.get(status, "")
    lines = [f"HTTP/{version.major}.{version.minor} {status} {reason}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    # What the proxy passes on may be no UTF-8: such bytes came as surrogates, and go as bytes.
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def _check_encodable(name: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:  # a half of a surrogate pair
        raise ValueError(f"the header {name!r} is no text in UTF-8: {shorten(value)}") from None


def check_status(status: object) -> int:
    """Return a status code as a plain int.

    Raises:
        TypeError: it is no int.
        ValueError: it is not between 100 and 999 (RFC 9110 §15).
    """
    if isinstance(status, bool) or not isinstance(status, int):
        raise TypeError(f"status takes an int such as 200, got {shorten(status)}")
    if not 100 <= status <= 999:
        raise ValueError(f"status takes three digits, 100 to 999, got {int(status)}")
    return int(status)


def check_headers(headers: Headers | None) -> CIMultiDict[str]:
    """Return a copy of the headers of a response.

    Raises:
        TypeError: they are no mapping or pairs of texts.
        ValueError: a name or a value would break the head (RFC 9110 §5.1, §5.5).
    """
    if headers is not None and not hasattr(headers, "__len__"):  # it could be read only once
        raise TypeError(f"headers takes a dict or a list of pairs, got {shorten(headers)}")
    try:
        checked: CIMultiDict[str] = CIMultiDict(headers or ())
    except (TypeError, ValueError):
        raise TypeError(f"headers takes a dict or pairs of texts, got {shorten(headers)}") from None
    for name, value in checked.items():
        if not isinstance(value, str):
            way_out = "leave out a header that is not to be sent"
            way_out = way_out if value is None else f"write {str(value)!r}"
            raise TypeError(f"the header {name!r} takes a text, got {shorten(value)}; {way_out}")
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header (RFC 9110 §5.1)")
        if not value.isascii():
            _check_encodable(name, value)
        if any(character in value for character in "\r\n\0"):
            raise ValueError(
                f"the header {name!r} holds a line break or a NUL: {shorten(value)} (RFC 9110 §5.5)"
            )
    return checked
