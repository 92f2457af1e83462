"""What can be done for clients from outside of a loop that stands still.

It is done in another thread, while the loop may wake up at any moment. Whatever both could take,
a connection in the queue or the bytes of a request, the kernel gives to one of them only.
"""

from __future__ import annotations

import selectors
import socket
from contextlib import ExitStack, suppress
from dataclasses import dataclass
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
    from collections.abc import Callable, Iterator

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
    for _, twin in _unread(host, loop):
        twin.close()
        return True
    return False


def rescue(
    host: Host,
    loop: asyncio.AbstractEventLoop,
    is_blocked: Callable[[], bool],
    error: BaseException,
) -> None:
    """Answer the clients that wait for this loop by a 503 that says why, or end their wait.

    A connection in the midst of an answer, or of TLS, is cut.

    Args:
        host: whose clients they are; what they ask is recorded there.
        loop: what stands still.
        is_blocked: tells whether it does so still.
        error: what they are told.
    """
    # All of them are taken before the first one is helped: that may be the one that blocks.
    with ExitStack() as stack:
        clients = [
            *_take_from_queues(host, is_blocked, stack),
            *_take_from_connections(host, loop, is_blocked, stack),
        ]
        helper = _Helper(host, error)
        for client in clients:
            helper.help(client)


@dataclass
class _Client:
    """One who waited for the loop, and is ours now.

    Attributes:
        raw: its connection.
        record: the record of that.
        listener: where it came in.
        was_accepted: whether the loop has accepted it.
        expects_answer: whether it can read one, as the first thing that it gets next.
        data: what it has sent, as far as it was read.
    """

    raw: socket.socket
    record: ConnectionRecord
    listener: Listener
    was_accepted: bool
    expects_answer: bool
    data: bytes = b""


def _take_from_queues(
    host: Host, is_blocked: Callable[[], bool], stack: ExitStack
) -> Iterator[_Client]:
    """Accept those who are not accepted yet."""
    for listener, queue in _queues(host):
        for _ in range(_CLIENTS):
            if not is_blocked():
                return
            try:
                raw, _ = queue.accept()
            except OSError:  # there is none any more, or the loop was quicker
                break
            stack.enter_context(raw)
            record = host._connections.open(raw)
            yield _Client(raw, record, listener, False, not listener.tls)


def _take_from_connections(
    host: Host, loop: asyncio.AbstractEventLoop, is_blocked: Callable[[], bool], stack: ExitStack
) -> Iterator[_Client]:
    """Read what those have sent who are connected, so that the loop does not."""
    for connection, twin in _unread(host, loop):
        stack.enter_context(twin)
        transport, record = connection.transport, connection.record
        is_plain = transport is not None and transport.get_extra_info("sslcontext") is None
        expects_answer = is_plain and _is_idle(host, record)
        with suppress(OSError):  # the loop was quicker
            if is_blocked() and (data := twin.recv(_HEAD_LIMIT)):
                yield _Client(twin, record, connection.listener, True, expects_answer, data)


def _is_idle(host: Host, record: ConnectionRecord) -> bool:
    """Tell whether every request of a connection is answered."""
    known = [item for item in host._journal if item.request.connection == record.number]
    return len(known) == record.requests and all(item.finished_at for item in known)


class _Helper:
    """Answers clients, all of them within a bounded time."""

    def __init__(self, host: Host, error: BaseException) -> None:
        self._host = host
        self._error = error
        self._end = monotonic() + _TIMEOUT

    def help(self, client: _Client) -> None:
        """Answer a client, or end its connection."""
        raw, record = client.raw, client.record
        with suppress(OSError):
            is_answered = client.expects_answer and self._answer(client)
            if client.was_accepted:
                record.note_end("server", was_reset=False)
                raw.shutdown(socket.SHUT_RDWR)
            elif not is_answered:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        if not client.was_accepted:
            record.close(None, None)

    def _answer(self, client: _Client) -> bool:
        """Read a request to its end and answer it. Return whether there was one."""
        raw, record = client.raw, client.record
        self._read_head(client)
        if not client.data or client.data.startswith(_HANDSHAKE):
            return False
        request = _as_request(client)
        exchange = Exchange(request.arrival, None)
        exchange.error = self._error
        exchange.finish(503, "503, the loop was blocked")
        record.requests += 1
        self._host._journal.append(exchange)
        answer = text_answer(503, f"503: {self._error}\n")
        self._allow_time(raw)
        record.note_end("server", was_reset=False)  # before the client can answer by its own
        raw.sendall(answer.wire(request.method, HttpVersion11, monotonic(), keep_alive=False))
        raw.shutdown(socket.SHUT_WR)
        # A socket that is closed while more comes sends a reset, which may overtake the answer.
        with suppress(OSError):
            while raw.recv(_HEAD_LIMIT):
                self._allow_time(raw)
        return True

    def _read_head(self, client: _Client) -> None:
        with suppress(TimeoutError):
            while b"\r\n\r\n" not in client.data and len(client.data) < _HEAD_LIMIT:
                self._allow_time(client.raw)
                more = client.raw.recv(_HEAD_LIMIT)
                if not more:
                    break
                client.data += more

    def _allow_time(self, raw: socket.socket) -> None:
        raw.settimeout(min(_STEP_TIMEOUT, max(self._end - monotonic(), 0.01)))


# --- sockets that another thread may close at any moment ----------------------------------


def _queues(host: Host) -> Iterator[tuple[Listener, socket.socket]]:
    """Yield a duplicate of each listening socket of which clients expect an answer."""
    for listener in host.ports.listeners:
        twin = _duplicate(listener.queue)
        if twin is not None:
            with twin:
                yield listener, twin


def _unread(
    host: Host, loop: asyncio.AbstractEventLoop
) -> Iterator[tuple[Connection, socket.socket]]:
    """Yield the connections whose client has sent something that is not read yet.

    With each comes a duplicate of its socket, for the caller to close.
    """
    for connection in host.ports.connections_in(loop):
        transport = connection.transport
        twin = None if transport is None else _duplicate(transport.get_extra_info("socket"))
        if twin is not None:
            if _holds_bytes(twin):
                yield connection, twin
            else:
                twin.close()


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


def _as_request(client: _Client) -> RecordedRequest:
    """Return the record of what came; what cannot be read is its body."""
    head, _, body = client.data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3:
        words, lines, body = ["UNKNOWN", "/"], [], client.data
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
        connection=client.record.number,
        origin=client.listener.locate,
    )
