"""One proxied request: recorded, sent on as it is, its answer sent back as it comes."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from hmac import compare_digest
from ipaddress import ip_address
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import HttpVersion10, HttpVersion11, web
from multidict import CIMultiDict
from yarl import URL

from ..journal import Exchange
from ..responses.canned import Canned, has_no_body, render_head
from ..server.answers import CLIENT_LEFT, ended_by, is_connected, malformed, send, text_answer
from ..server.connection import SENT, SENT_LAST
from ..text import clip, describe_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ..journal import Journal
    from ..request import Arrival
    from ..server.incoming import MockRequest

__all__ = ["Forwarder"]

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


class Forwarder:
    """Answers the requests of a forward proxy.

    Args:
        journal: gets every exchange.
        errors: gets every exception of a request that could not be forwarded.
        origin: returns the URL of the proxy.
        auth: login and password that a client must send; None asks for none.
        timeout: seconds that the target may take to accept, and then between two pieces.
    """

    def __init__(
        self,
        journal: Journal,
        errors: list[BaseException],
        origin: Callable[[], URL],
        auth: tuple[str, str] | None,
        timeout: float,
    ) -> None:
        self.session: aiohttp.ClientSession | None = None
        self._journal = journal
        self._errors = errors
        self._origin = origin
        self._credentials = None if auth is None else _basic(*auth)
        self._timeout = timeout

    def open_session(self) -> aiohttp.ClientSession:
        """Return a session that changes nothing of what passes."""
        return aiohttp.ClientSession(
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            # A fresh connection each: on a kept one aiohttp may send a request twice.
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=self._timeout, sock_read=self._timeout
            ),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            max_line_size=2**18,
            max_field_size=2**18,
        )

    async def handle(self, request: MockRequest) -> web.StreamResponse:
        """Answer one request. It is in the journal as soon as its body has come."""
        exchange = Exchange(self._arrival(request), None)
        exchange.refused = False

        def complete(content: bytes) -> None:
            exchange.add_body(content)
            self._journal.append(exchange)

        request.recorded = True
        body = _Body(request, complete)
        refusal = self._refusal(request)
        try:
            if refusal is not None:
                exchange.refused = True
                await body.drain()
                return await send(refusal, request, exchange)
            return await self._forward(request, exchange, body)
        except asyncio.CancelledError:
            exchange.finish(exchange.status, ended_by(request))
            raise
        except aiohttp.ClientPayloadError as error:  # the client's own body broke off
            exchange.error = error
            exchange.finish(exchange.status, f"{CLIENT_LEFT} within the body")
            return SENT_LAST
        finally:
            body.end()

    @staticmethod
    def _arrival(request: MockRequest) -> Arrival:
        connection = request.connection
        head = request.method, request.raw_path, request.headers
        return (*head, b"", request.received_at, connection.origin)

    # --- refusing -------------------------------------------------------------------------

    def _refusal(self, request: MockRequest) -> Canned | None:
        """Return the answer to a request that is not forwarded, or None."""
        if self._credentials is not None:
            given = request.headers.get("Proxy-Authorization", "")
            if not compare_digest(given.encode(), self._credentials.encode()):
                what = "wrong" if given else "no"
                text = f"407: {what} Proxy-Authorization; this proxy was started with auth=\n"
                return text_answer(407, text, {"Proxy-Authenticate": 'Basic realm="mock proxy"'})
        target, here = request.raw_path, self._origin()
        shown = clip(target)
        if request.method == "CONNECT":
            return text_answer(
                501, f"501: CONNECT {shown}: this proxy takes plain http:// URLs only\n"
            )
        if not target.lower().startswith("http://"):
            return text_answer(
                400,
                f"400: {request.method} {shown} does not name a host: this is a forward proxy. "
                f"Give {here} to your client as its proxy, not as its base URL\n",
            )
        if _is_same(URL(target, encoded=True), here):
            return text_answer(
                421, f"421: {shown} is the proxy itself; it forwards to other servers only\n"
            )
        return None

    # --- forwarding -----------------------------------------------------------------------

    async def _forward(
        self, request: MockRequest, exchange: Exchange, body: _Body
    ) -> web.StreamResponse:
        assert self.session is not None  # noqa: S101 - for the type checker
        try:
            upstream = await self.session.request(
                request.method,
                URL(request.raw_path, encoded=True),
                headers=_end_to_end(request.headers),
                data=body if request.body_exists else None,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return await self._answer_failure(request, exchange, body, error)
        async with upstream:
            return await self._answer(request, exchange, upstream)

    async def _answer_failure(
        self, request: MockRequest, exchange: Exchange, body: _Body, error: Exception
    ) -> web.StreamResponse:
        """Answer 504 if the target took too long, else 502."""
        target = clip(exchange.request.target)
        await body.drain()
        exchange.error = error
        self._errors.append(error)
        if isinstance(error, TimeoutError):
            text = f"504: {target} did not answer within {self._timeout:g} s\n"
            return await send(text_answer(504, text), request, exchange)
        text = f"502: {target} could not be reached: {describe_error(error)}\n"
        return await send(text_answer(502, text), request, exchange)

    async def _answer(
        self, request: MockRequest, exchange: Exchange, upstream: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        """Send the target's answer on, piece by piece as it comes."""
        exchange.status = upstream.status
        try:
            stays = await _relay(request, upstream)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if not is_connected(request):
                exchange.finish(upstream.status, ended_by(request))
                return SENT_LAST
            exchange.error = error
            self._errors.append(error)
            exchange.finish(upstream.status, f"the target broke off: {type(error).__name__}")
            if request.transport is not None:
                request.transport.close()
            return SENT_LAST
        exchange.finish(upstream.status)
        return SENT if stays else SENT_LAST

    def answer_malformed(
        self, request: MockRequest, data: bytes, error: BaseException
    ) -> web.StreamResponse:
        """Record bytes that are no HTTP request, and answer 400."""
        exchange, answer = malformed(request, data, error)
        self._journal.append(exchange)
        return answer


async def _relay(request: MockRequest, upstream: aiohttp.ClientResponse) -> bool:
    """Write an answer as it comes, in the framing that the client takes (RFC 9112 §6).

    Returns:
        Whether the connection to the client takes another request.
    """
    headers = _end_to_end(upstream.headers)
    empty = request.method == "HEAD" or has_no_body(upstream.status)
    is_new = request.version >= HttpVersion11
    chunked = not empty and is_new and "Content-Length" not in headers
    stays = request.keep_alive and is_new and (empty or chunked or "Content-Length" in headers)
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


class _Body:
    """The body of a request on its way through: each piece is kept and passed on.

    Args:
        request: whose body it is.
        complete: called once, with the body, when it has come whole.
    """

    def __init__(self, request: MockRequest, complete: Callable[[bytes], None]) -> None:
        self._parts: list[bytes] = []
        self._request = request
        self._stream = request.stream
        self._complete: Callable[[bytes], None] | None = complete
        if self._stream.at_eof():
            self.end()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if not self._stream.is_eof():
            await self._request.expect_continue()
        while not self._stream.at_eof():
            part = await self._stream.readany()
            if part:
                self._parts.append(part)
                yield part
        self.end()

    async def drain(self) -> None:
        """Receive what nobody took: it is recorded all the same."""
        try:
            async for _ in self:
                pass
        finally:
            self.end()

    def end(self) -> None:
        """Hand over what has come, if that is not done yet."""
        complete, self._complete = self._complete, None
        if complete is not None:
            complete(b"".join(self._parts))


def _basic(login: str, password: str) -> str:
    """Return the credentials as clients send them (RFC 7617 §2)."""
    return "Basic " + b64encode(f"{login}:{password}".encode()).decode()


def _end_to_end(headers: CIMultiDict[str] | object) -> CIMultiDict[str]:
    """Return the headers that are sent on: all but those of this connection."""
    kept: CIMultiDict[str] = CIMultiDict(headers)  # type: ignore[arg-type]
    named = {
        name.strip().lower() for line in kept.getall("Connection", ()) for name in line.split(",")
    }
    for name in [name for name in kept if name.lower() in _HOP_BY_HOP | named]:
        kept.popall(name, None)
    return kept


def _is_same(target: URL, here: URL) -> bool:
    """Tell whether a target is the proxy itself, by any name of this machine's loopback."""
    if target.port != here.port or target.host is None:
        return False
    if target.host in ("localhost", here.host):
        return True
    try:
        address = ip_address(target.host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
