"""What the proxy answers itself, in place of a target."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp

from ..responses.canned import Canned
from ..server.answers import send, text_answer
from ..text import clip, describe_error
from .sending import UnaskedUpgrade

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import HttpVersion, web

    from ..journal import Exchange
    from ..server.incoming import MockRequest

__all__ = ["Refusal", "explain_connect", "explain_failure", "phrase", "refuse"]

_PHRASE_LIMIT = 300


@dataclass(frozen=True)
class Refusal:
    """A no of the proxy.

    Attributes:
        status: its status.
        text: the reason, one line.
        headers: what is sent besides.
    """

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


async def refuse(refusal: Refusal, request: MockRequest, exchange: Exchange) -> web.StreamResponse:
    """Answer a request by a refusal.

    What came right behind a request for a tunnel was meant for that: it is no request.
    """
    canned = text_answer(refusal.status, f"{refusal.status}: {refusal.text}\n", refusal.headers)
    if request.method != "CONNECT":
        return await send(canned, request, exchange)
    is_clean = request.connection.request_data.endswith(b"\r\n\r\n")
    spoken = _Spoken(canned, phrase(refusal.text))
    return await send(spoken, request, exchange, keep_alive=is_clean)


def phrase(text: str) -> str:
    """Return a text as the reason phrase of a status line (RFC 9112 §4)."""
    plain = "".join(mark if mark.isprintable() else " " for mark in text)
    return clip(plain, _PHRASE_LIMIT).encode("ascii", "replace").decode()


def explain_connect(reason: ValueError) -> str:
    """Return what is told to a client whose CONNECT cannot be understood."""
    return f"CONNECT takes a host and a port, such as api.example.com:443; {reason}"


def explain_failure(error: Exception) -> str:
    """Return what is told of a target that did not give an answer, behind its name."""
    if isinstance(error, UnaskedUpgrade):
        return "answered 101, and nobody has asked it to change the protocol"
    if isinstance(error, aiohttp.ClientResponseError):  # the place in its bytes is in later lines
        what = " ".join(error.message.partition("\n\n")[0].split()).rstrip(":")
        return f"answered what is no HTTP: {what}"
    if isinstance(error, aiohttp.ServerDisconnectedError):  # its text may be half an answer
        return f"broke off before it answered: {type(error).__name__}"
    unreached = isinstance(error, aiohttp.ClientConnectorError) or not isinstance(
        error, aiohttp.ClientOSError
    )
    what = "could not be reached" if unreached else "broke off before it answered"
    return f"{what}: {describe_error(error)}"


class _Spoken(Canned):
    """An answer whose status line says why: of an answer to CONNECT most clients show no more."""

    __slots__ = ("_canned", "_reason")

    def __init__(self, canned: Canned, reason: str) -> None:
        super().__init__(canned.status, (), b"")
        self.closes = canned.closes
        self._canned = canned
        self._reason = reason.encode()

    def wire(self, method: str, version: HttpVersion, now: float, keep_alive: bool) -> bytes:
        """Return the bytes that answer a request."""
        line, _, rest = self._canned.wire(method, version, now, keep_alive).partition(b"\r\n")
        return b"%b %b\r\n%b" % (b" ".join(line.split(b" ")[:2]), self._reason, rest)
