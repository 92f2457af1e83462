"""One proxied request: recorded, sent on as it is, its answer sent back as it comes."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from ..journal import Exchange
from ..responses.canned import render_head
from ..server.answers import CLIENT_LEFT, ended_by, is_connected, malformed
from ..server.connection import SENT, SENT_LAST
from ..text import show_target
from ..tls import authority
from .passing import Body, end_to_end, relay, upgrade_of
from .refusals import Refusal, explain_connect, explain_failure, phrase, refuse
from .sending import BrokeOff, UnaskedUpgrade, wire_url
from .targets import parse_authority
from .tunnel import Tunnel

if TYPE_CHECKING:
    from ..journal import Journal
    from ..request import Arrival
    from ..server.incoming import MockRequest
    from .admission import Admission, Errand

__all__ = ["Forwarder"]

_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Forwarder:
    """Answers the requests of a forward proxy.

    Args:
        journal: gets every exchange.
        errors: gets every exception of a request that could not be forwarded.
        admission: decides which ones are.
        timeout: seconds that the target may take to accept, and then between two pieces.
    """

    def __init__(
        self,
        journal: Journal,
        errors: list[BaseException],
        admission: Admission,
        timeout: float,
    ) -> None:
        self.session: aiohttp.ClientSession | None = None
        self._journal = journal
        self._errors = errors
        self._admission = admission
        self._timeout = timeout

    async def handle(self, request: MockRequest) -> web.StreamResponse:
        """Answer one request. It is in the journal as soon as its body has come."""
        exchange = Exchange(self._arrival(request), None)
        exchange.refused = False

        def complete(content: bytes) -> None:
            exchange.add_body(content)
            self._journal.append(exchange)

        request.recorded = True
        body = Body(request, complete)
        errand = self._admission.admit(request)
        try:
            if isinstance(errand, Refusal):
                exchange.refused = True
                await body.drain()
                return await refuse(errand, request, exchange)
            if errand.url is None:
                return await self._connect(request, exchange, errand)
            return await self._forward(request, exchange, body, errand)
        except asyncio.CancelledError:
            if exchange.finished_at is None:
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

    # --- tunnels --------------------------------------------------------------------------

    async def _connect(
        self, request: MockRequest, exchange: Exchange, errand: Errand
    ) -> web.StreamResponse:
        """Let the client speak with its target, whatever they say (RFC 9110 §9.3.6)."""
        tunnel = Tunnel(request, exchange)
        await request.writer.drain()  # from here on the tunnel counts what is not sent
        begin = partial(tunnel.await_target, 200, _ESTABLISHED)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout) as limit:
                tunnel.is_in_time = partial(_end_limit, limit)
                await loop.create_connection(begin, errand.host, errand.port)
        except (OSError, UnicodeError) as error:  # no name may have a part above 63 characters
            if exchange.status is None:
                return await self._answer_failure(request, exchange, error)
        await tunnel.carry()
        return SENT_LAST

    async def _upgrade(
        self, request: MockRequest, exchange: Exchange, upstream: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        """Let both sides speak another protocol: the target has agreed to it (RFC 9110 §7.8)."""
        tunnel = Tunnel(request, exchange)
        headers = end_to_end(upstream.raw_headers, upgrade_of(upstream.headers))
        head = render_head(upstream.status, headers, reason=upstream.reason or "")
        await request.writer.drain()
        assert upstream.connection is not None  # noqa: S101 - aiohttp keeps it for whoever upgrades
        assert upstream.connection.protocol is not None  # noqa: S101 - for the type checker
        tunnel.take_over(upstream.status, head, upstream.connection.protocol)
        await tunnel.carry()
        return SENT_LAST

    # --- forwarding -----------------------------------------------------------------------

    async def _forward(
        self, request: MockRequest, exchange: Exchange, body: Body, errand: Errand
    ) -> web.StreamResponse:
        assert self.session is not None  # noqa: S101 - for the type checker
        assert errand.url is not None  # noqa: S101 - it is no tunnel
        assert errand.asked is not None  # noqa: S101
        upgrade = upgrade_of(request.headers)
        headers = end_to_end(request.raw_headers, upgrade)
        headers.setdefault("Host", errand.asked.host_port_subcomponent or "")
        secure = errand.url.scheme == "https"  # its own clients trust the mock, so does the proxy
        patience = self._timeout if "Expect" in headers else None
        try:
            async with asyncio.timeout(patience) as limit:  # aiohttp waits for a 100 for ever
                body.begin = partial(limit.reschedule, None)
                upstream = await self.session.request(
                    request.method,
                    wire_url(errand.url, request.raw_path),
                    headers=headers,
                    data=body if request.body_exists else None,
                    allow_redirects=False,
                    ssl=authority().client_context() if secure else True,
                    server_hostname=errand.asked.raw_host if secure else None,
                )
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            body.begin = None
            await body.drain()
            return await self._answer_failure(request, exchange, error)
        async with upstream:
            if upstream.status == 101 and upgrade is None:
                await body.drain()
                return await self._answer_failure(request, exchange, UnaskedUpgrade())
            if upstream.status == 101:
                return await self._upgrade(request, exchange, upstream)
            return await self._answer(request, exchange, upstream)

    async def _answer_failure(
        self, request: MockRequest, exchange: Exchange, error: Exception
    ) -> web.StreamResponse:
        """Answer 504 if the target took too long, else 502."""
        target = exchange.request.target
        target = show_target(str(exchange.request.url) if target.startswith("/") else target)
        if isinstance(error, BrokeOff) and isinstance(error.__cause__, Exception):
            error = error.__cause__
        exchange.error = error
        self._errors.append(error)
        refusal = Refusal(502, f"{target} {explain_failure(error)}")
        if isinstance(error, TimeoutError):
            refusal = Refusal(504, f"{target} did not answer within {self._timeout:g} s")
        return await refuse(refusal, request, exchange)

    async def _answer(
        self, request: MockRequest, exchange: Exchange, upstream: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        """Send the target's answer on, piece by piece as it comes."""
        exchange.status = upstream.status
        try:
            stays = await relay(request, upstream)
        except (aiohttp.ClientError, OSError) as error:
            if not is_connected(request):
                exchange.finish(upstream.status, ended_by(request))
                return SENT_LAST
            exchange.error = error
            self._errors.append(error)
            exchange.finish(upstream.status, f"the target broke off: {type(error).__name__}")
            if request.transport is not None and not request.stream.is_eof():
                request.transport.close()  # aiohttp does, but would wait for the rest of the body
            return SENT_LAST
        exchange.finish(upstream.status)
        return SENT if stays else SENT_LAST

    def answer_malformed(
        self, request: MockRequest, data: bytes, error: BaseException
    ) -> web.StreamResponse:
        """Record bytes that are no HTTP request, and answer 400."""
        exchange, answer = malformed(request, data, error)
        self._journal.append(exchange)
        if exchange.request.method == "CONNECT":
            try:
                parse_authority(exchange.request.target)
            except ValueError as reason:
                text = explain_connect(reason)
                answer = web.Response(status=400, reason=phrase(text), text=f"400: {text}\n")
                answer.force_close()
        return answer


def _end_limit(limit: asyncio.Timeout) -> bool:
    """Wait without an end from now on, unless it is too late.

    What is open must not be given up: uvloop would close it and tell nobody.
    """
    try:
        limit.reschedule(None)
    except RuntimeError:
        return False
    return True
