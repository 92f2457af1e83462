"""What every server here sends by itself, and how that is noted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiohttp import web

from ..journal import CLIENT_LEFT, STOPPED, Exchange
from ..request import RecordedRequest
from ..responses.canned import Canned
from ..text import shorten
from .connection import SENT, SENT_LAST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from yarl import URL

    from .connection import MockRequest

__all__ = ["CLIENT_LEFT", "STOPPED", "ended_by", "is_connected", "malformed", "send", "text_answer"]

_log = logging.getLogger("asyncly.srvmocker")

_AT_ONCE = 64 * 1024
"""Bytes that are handed to the socket without waiting for it; aiohttp's own limit."""


def is_connected(request: web.BaseRequest) -> bool:
    """Tell whether the client of this request is still there, as far as the socket knows."""
    return request.transport is not None and not request.transport.is_closing()


def ended_by(request: MockRequest) -> str:
    """Return, in words, which side ended the connection of a request under way."""
    ours = request.connection.server.stopping or is_connected(request)
    return STOPPED if ours else CLIENT_LEFT


async def send(
    canned: Canned, request: MockRequest, exchange: Exchange, *, keep_alive: bool = True
) -> web.StreamResponse:
    """Send a canned answer and note how that ended."""
    exchange.finish(canned.status)
    wire, transport = canned.wire(request), request.transport
    if transport is None or transport.is_closing():
        exchange.finish(fault=ended_by(request))
        return SENT_LAST
    if len(wire) <= _AT_ONCE:
        transport.write(wire)
    else:
        try:
            await request.writer.write(wire)  # waits while the client does not read
        except ConnectionError:
            exchange.finish(fault=ended_by(request))
            return SENT_LAST
    stays = keep_alive and request.keep_alive and not canned.closes
    return SENT if stays else SENT_LAST


def text_answer(status: int, text: str, headers: Mapping[str, str] | None = None) -> Canned:
    """Return an answer of plain text."""
    sent = (("Content-Type", "text/plain; charset=utf-8"), *(headers or {}).items())
    return Canned(status, sent, text.encode("utf-8", "replace"))


def malformed(
    request: MockRequest, data: bytes, error: BaseException, origin: Callable[[], URL]
) -> tuple[Exchange, web.StreamResponse]:
    """Return the exchange of bytes that are no HTTP request, and a 400.

    The bytes are the body of the record: nothing that arrived is lost.
    """
    line = data.partition(b"\n")[0].rstrip(b"\r")
    words = line.decode("latin-1").split()
    readable = len(words) == 3 and line.isascii() and words[0].isprintable()
    record = RecordedRequest(
        words[0] if readable else "UNKNOWN",
        words[1] if readable else "/",
        body=data,
        received_at=request.received_at,
        connection=request.connection.number,
        origin=origin,
    )
    exchange = Exchange(record, None)
    exchange.error = error
    exchange.refused = True
    reason = str(getattr(error, "message", "") or error)
    exchange.finish(400, f"400, malformed: {reason.splitlines()[0].rstrip(':')}")
    request.recorded = True
    # Only the first line is shown: what follows may hold secrets.
    _log.warning("no HTTP request: %s", shorten(line))
    text = f"400: this is no HTTP/1.1 request: {reason}\n\nit begins with: {shorten(line)}\n"
    answer = web.Response(status=400, text=text)
    answer.force_close()
    return exchange, answer
