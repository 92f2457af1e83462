"""What every server here sends by itself, and how that is noted."""

from __future__ import annotations

import logging
import re
from time import monotonic
from typing import TYPE_CHECKING

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from ..journal import CLIENT_LEFT, STOPPED, WENT_DOWN, Exchange
from ..responses.canned import Canned
from ..text import clip, hide_password, shorten
from .connection import SENT, SENT_LAST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .incoming import MockRequest

__all__ = [
    "CLIENT_LEFT",
    "ended_by",
    "is_connected",
    "malformed",
    "send",
    "send_at_once",
    "send_large",
    "text_answer",
]

_log = logging.getLogger("asyncly.srvmocker")

_SECRET_LINE = re.compile(rb"^\s*(proxy-)?(authorization|cookie)\b", re.IGNORECASE | re.MULTILINE)

_NO_HEADERS: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())

_AT_ONCE = 64 * 1024
"""Bytes that are handed to the socket without waiting for it; aiohttp's own limit."""


def is_connected(request: web.BaseRequest) -> bool:
    """Tell whether the client of this request is still there, as far as the socket knows."""
    return request.transport is not None and not request.transport.is_closing()


def ended_by(request: MockRequest) -> str:
    """Return, in words, which side ended the connection of a request under way."""
    connection = request.connection
    if connection.is_cut:
        return WENT_DOWN
    ours = connection.server.stopping or is_connected(request)
    return STOPPED if ours else CLIENT_LEFT


def send_at_once(
    canned: Canned, request: MockRequest, exchange: Exchange, *, keep_alive: bool = True
) -> web.StreamResponse | None:
    """Send a canned answer and note that; None if it is so large that it has to wait."""
    transport = request.connection.transport
    if transport is None or transport.is_closing():
        exchange.finish(fault=ended_by(request))
        return SENT_LAST
    message = request.head
    stays = not message.should_close
    now = monotonic()
    wire = canned.wire(message.method, message.version, now, stays)
    if len(wire) > _AT_ONCE:
        return None
    exchange.status, exchange.finished_at = canned.status, now
    transport.write(wire)
    return SENT if stays and keep_alive and not canned.closes else SENT_LAST


async def send(
    canned: Canned, request: MockRequest, exchange: Exchange, *, keep_alive: bool = True
) -> web.StreamResponse:
    """Send a canned answer of any size and note how that ended."""
    sent = send_at_once(canned, request, exchange, keep_alive=keep_alive)
    if sent is None:
        sent = await send_large(canned, request, exchange, keep_alive=keep_alive)
    return sent


async def send_large(
    canned: Canned, request: MockRequest, exchange: Exchange, *, keep_alive: bool = True
) -> web.StreamResponse:
    """Send a canned answer that `send_at_once` left, waiting while the client does not read."""
    exchange.finish(canned.status)
    wire = canned.wire(request.method, request.version, monotonic(), request.keep_alive)
    try:
        await request.writer.write(wire)
    except ConnectionError:
        exchange.finish(fault=ended_by(request))
        return SENT_LAST
    return SENT if keep_alive and request.keep_alive and not canned.closes else SENT_LAST


def text_answer(status: int, text: str, headers: Mapping[str, str] | None = None) -> Canned:
    """Return an answer of plain text."""
    sent = (("Content-Type", "text/plain; charset=utf-8"), *(headers or {}).items())
    return Canned(status, sent, text.encode("utf-8", "replace"))


def malformed(
    request: MockRequest, data: bytes, error: BaseException
) -> tuple[Exchange, web.StreamResponse]:
    """Return the exchange of bytes that are no HTTP request, and a 400.

    The bytes are the body of the record: nothing that arrived is lost.
    """
    line = data.partition(b"\n")[0].rstrip(b"\r")
    words = line.decode("latin-1").split()
    readable = len(words) == 3 and line.isascii() and words[2].startswith("HTTP/")
    method, target = (words[0], words[1]) if readable else ("UNKNOWN", "/")
    origin = request.connection.origin
    exchange = Exchange((method, target, _NO_HEADERS, data, request.received_at, origin), None)
    exchange.error = error
    reason = str(getattr(error, "message", "") or error)
    if reason == target:  # that is all that aiohttp says of it
        reason = f"{shorten(reason)} cannot be the target of this method"
    reason = hide_password(reason)
    summary = clip(reason.partition("\n")[0].rstrip(":"))
    exchange.finish(400, f"400, malformed: {summary}")
    request.recorded = True
    # What stands behind the first line of a head may hold secrets. After another request on
    # the connection, nobody can tell where the bytes of this one begin.
    is_first = request.connection.requests == 1
    start = (
        hide_password(shorten(line))
        if is_first or readable
        else f"{len(data)} bytes after a request"
    )
    _log.warning("no HTTP request: %s", start)
    if not is_first or _SECRET_LINE.search(data):
        reason = summary
    text = f"400: this is no HTTP/1.1 request: {reason}\n\nit begins with: {start}\n"
    answer = web.Response(status=400, text=text)
    answer.force_close()
    return exchange, answer
