"""What can be done for clients from outside of a loop that stands still.

It is done in another thread, while the loop may wake up at any moment. Whatever both could take,
a connection in the queue or the bytes of a request, the kernel gives to one of them only.
"""

from __future__ import annotations

import selectors
import socket
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from aiohttp import HttpVersion11
from multidict import CIMultiDict, CIMultiDictProxy

from ..journal import Exchange
from ..request import RecordedRequest
from ..responses.steps import NO_LINGER
from .answers import text_answer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from .connection import Connection
    from .evidence import ConnectionRecord
    from .host import Host
    from .listener import Listener

__all__ = ["is_waited_for", "rescue"]

_CLIENTS = 100
"""Clients of one listener that are helped at once; the others at the next look."""
_STEP_TIMEOUT = 0.2
"""Seconds that one client has for each step: to send its request, to take its answer."""
_TIMEOUT = 1.0
"""Seconds that all of them have together; then each gets its answer, but no time for more."""
_HEAD_LIMIT = 64 * 1024
_HANDSHAKE = b"\x16"
"""The first byte of a TLS connection (RFC 8446 §5.1)."""


def is_waited_for(host: Host, loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether a client waits for this loop: to be accepted, or to be read from."""
    for _, queue in _queues(host):
        if _is_readable(queue):
            return True
    return any(True for _ in _unread(host, loop))


def rescue(host: Host, loop: asyncio.AbstractEventLoop, error: BaseException) -> None:
    """Answer the clients that wait for this loop by a 503 that says why, or end their wait.

    A connection in the midst of an answer, or of TLS, is cut.

    Args:
        host: whose clients they are; what they ask is recorded there.
        loop: what stands still.
        error: what they are told.
    """
    helper = _Helper(host, error)
    for listener, queue in _queues(host):
        helper.empty(queue, listener)
    for connection, twin in _unread(host, loop):
        helper.end(connection, twin)


class _Helper:
    """Answers clients, all of them within a bounded time."""

    def __init__(self, host: Host, error: BaseException) -> None:
        self._host = host
        self._error = error
        self._end = monotonic() + _TIMEOUT

    def empty(self, queue: socket.socket, listener: Listener) -> None:
        """Help those who are not accepted yet."""
        for _ in range(_CLIENTS):
            try:
                raw, _ = queue.accept()
            except OSError:  # there is none any more: the loop was quicker, or it is closed
                return
            record = self._host._connections.open(raw)
            with raw:
                with suppress(OSError):
                    if listener.tls or not self._answer(raw, record, listener):
                        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
                record.close(None, None)

    def end(self, connection: Connection, twin: socket.socket) -> None:
        """Help one who is connected, and whose bytes nobody has read."""
        record = connection.record
        with suppress(OSError):
            if not _speaks_tls(connection) and self._is_idle(record):
                self._answer(twin, record, connection.listener)
            record.note_end("server", was_reset=False)
            twin.shutdown(socket.SHUT_RDWR)

    def _is_idle(self, record: ConnectionRecord) -> bool:
        """Tell whether the client expects an answer from its first byte on."""
        number = record.number
        known = [item for item in self._host._journal if item.request.connection == number]
        return len(known) == record.requests and all(item.finished_at for item in known)

    def _answer(self, raw: socket.socket, record: ConnectionRecord, listener: Listener) -> bool:
        """Read a request and answer it. Return whether that was possible."""
        data = self._read_head(raw)
        if not data or data.startswith(_HANDSHAKE):
            return False
        request = _as_request(data, record, listener)
        exchange = Exchange(request.arrival, None)
        exchange.error = self._error
        exchange.finish(503, "503, the loop was blocked")
        record.requests += 1
        self._host._journal.append(exchange)
        answer = text_answer(503, f"503: {self._error}\n")
        self._allow_time(raw)
        record.note_end("server", was_reset=False)  # before a client can answer by its own
        raw.sendall(answer.wire(request.method, HttpVersion11, monotonic(), keep_alive=False))
        raw.shutdown(socket.SHUT_WR)
        # A socket that is closed while more comes sends a reset, which may overtake the answer.
        while raw.recv(_HEAD_LIMIT):
            self._allow_time(raw)
        return True

    def _read_head(self, raw: socket.socket) -> bytes:
        data = b""
        with suppress(TimeoutError):
            while b"\r\n\r\n" not in data and len(data) < _HEAD_LIMIT:
                self._allow_time(raw)
                more = raw.recv(_HEAD_LIMIT)
                if not more:
                    break
                data += more
        return data

    def _allow_time(self, raw: socket.socket) -> None:
        raw.settimeout(min(_STEP_TIMEOUT, max(self._end - monotonic(), 0.01)))


# --- sockets that another thread may close at any moment ----------------------------------


def _queues(host: Host) -> Iterator[tuple[Listener, socket.socket]]:
    """Yield a duplicate of each listening socket of which clients expect an answer."""
    for listener in tuple(host._listeners):
        twin = _duplicate(listener.queue)
        if twin is not None:
            with twin:
                yield listener, twin


def _unread(
    host: Host, loop: asyncio.AbstractEventLoop
) -> Iterator[tuple[Connection, socket.socket]]:
    """Yield the connections whose client has sent something that is not read yet."""
    for connection in host._connections_in(loop):
        transport = connection.transport
        twin = None if transport is None else _duplicate(transport.get_extra_info("socket"))
        if twin is not None:
            with twin:
                if _holds_bytes(twin):
                    yield connection, twin


def _duplicate(owner: Any) -> socket.socket | None:
    """Return a duplicate of a socket; None if it is closed.

    A number of a file that was closed meanwhile may be somebody else's already: what is closed
    tells it, so asking again after the duplication is enough.
    """
    if owner is None or (number := owner.fileno()) < 0:
        return None
    try:
        twin = socket.fromfd(number, owner.family, owner.type, owner.proto)
    except OSError:
        return None
    if owner.fileno() != number:
        twin.close()
        return None
    twin.setblocking(False)
    return twin


def _is_readable(one: socket.socket) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ)
        return bool(selector.select(0))


def _holds_bytes(one: socket.socket) -> bool:
    try:
        return one.recv(1, socket.MSG_PEEK) != b""
    except OSError:  # there are none, or the connection is gone
        return False


def _speaks_tls(connection: Connection) -> bool:
    transport = connection.transport
    return transport is None or transport.get_extra_info("sslcontext") is not None


def _as_request(data: bytes, record: ConnectionRecord, listener: Listener) -> RecordedRequest:
    """Return the record of what came; what cannot be read is its body."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3:
        words, lines, body = ["UNKNOWN", "/"], [], data
    headers: CIMultiDict[str] = CIMultiDict()
    for line in lines:
        name, _, value = line.partition(":")
        headers.add(name.strip(), value.strip())
    return RecordedRequest(
        words[0],
        words[1],
        CIMultiDictProxy(headers),
        body,
        received_at=monotonic(),
        connection=record.number,
        origin=listener.locate,
    )
