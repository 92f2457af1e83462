"""What passes through the proxy: the headers that are sent on, bodies piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import HttpVersion10, HttpVersion11
from multidict import CIMultiDict

from ..responses.canned import has_no_body, render_head

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import aiohttp
    from aiohttp.typedefs import RawHeaders
    from multidict import MultiMapping

    from ..server.incoming import MockRequest

__all__ = ["Body", "end_to_end", "relay", "upgrade_of"]

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""What concerns one connection only and is not sent on (RFC 9110 §7.6.1)."""


def end_to_end(headers: RawHeaders, upgrade: str | None = None) -> CIMultiDict[str]:
    """Return the headers that are sent on: all but those of this connection.

    Args:
        headers: as they came; aiohttp has written many names in its own way else.
        upgrade: the protocol that the connection is to change to, which is sent on, too.
    """
    names: dict[bytes, str] = {}  # spelled as at first: of a second spelling aiohttp keeps no value
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in headers:
        spelled = names.setdefault(name.lower(), name.decode("latin-1"))
        kept.add(spelled, value.decode("utf-8", "surrogateescape"))
    for dropped in (_HOP_BY_HOP | _options(kept)) & {name.lower() for name in kept}:
        kept.popall(dropped)
    if upgrade is not None:
        kept.extend({"Connection": "Upgrade", "Upgrade": upgrade})
    return kept


def upgrade_of(headers: MultiMapping[str]) -> str | None:
    """Return the protocol that the connection is to change to (RFC 9110 §7.8), or None."""
    named = ", ".join(headers.getall("Upgrade", ()))
    return named if named and "upgrade" in _options(headers) else None


def _options(headers: MultiMapping[str]) -> set[str]:
    """Return the options of the connection: headers that concern it alone, and others."""
    lines = headers.getall("Connection", ())
    return {name.strip().lower() for line in lines for name in line.split(",")}


async def relay(request: MockRequest, upstream: aiohttp.ClientResponse) -> bool:
    """Write an answer as it comes, in the framing that the client takes (RFC 9112 §6).

    Returns:
        Whether the connection to the client takes another request.
    """
    headers = end_to_end(upstream.raw_headers)
    empty = request.method == "HEAD" or has_no_body(upstream.status)
    is_new = request.version >= HttpVersion11
    chunked = not empty and is_new and "Content-Length" not in headers
    stays = request.keep_alive and is_new and (empty or chunked or "Content-Length" in headers)
    stays = stays and request.stream.is_eof()  # else the next request would be the rest of a body
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
    if not stays:
        headers["Connection"] = "close"
    version = HttpVersion11 if is_new else HttpVersion10
    write = request.writer.write  # it waits while the client does not read
    await write(render_head(upstream.status, headers, version, upstream.reason or ""))
    async for piece in upstream.content.iter_any():
        if not empty:
            await write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
    if chunked:
        await write(b"0\r\n\r\n")
    return stays


class Body:
    """The body of a request on its way through: each piece is kept and passed on.

    Args:
        request: whose body it is.
        complete: called once, with the body, when it has come whole.

    Attributes:
        begin: called once, when somebody begins to take it.
    """

    def __init__(self, request: MockRequest, complete: Callable[[bytes], None]) -> None:
        self.begin: Callable[[], None] | None = None
        self._has_begun = False
        self._parts: list[bytes] = []
        self._request = request
        self._stream = request.stream
        self._complete: Callable[[bytes], None] | None = complete
        if self._stream.at_eof() or request.method == "CONNECT":  # it has none: RFC 9110 §9.3.6
            self.end()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if not self._has_begun:
            self._has_begun = True
            if self.begin is not None:
                self.begin()
            await self._request.expect_continue()
            if not self._stream.is_eof():
                yield b""  # aiohttp sends no head before it has a piece
        while not self._stream.at_eof():
            part = await self._stream.readany()
            if part:
                self._parts.append(part)
                yield part
        self.end()

    async def drain(self) -> None:
        """Receive what nobody took: it is recorded all the same."""
        try:
            if self._complete is not None:
                async for _ in self:
                    pass
        finally:
            self.end()

    def end(self) -> None:
        """Hand over what has come, if that is not done yet."""
        complete, self._complete = self._complete, None
        if complete is not None:
            complete(b"".join(self._parts))
