"""A connection and its requests: the one place where aiohttp's server meets ours.

aiohttp parses HTTP/1.1 and drives the connection; three of its classes are extended here, by
public names only. Of a request, the whole body is received before anybody looks at it, so that
matching and recording are plain functions of a finished snapshot.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

from aiohttp import StreamReader, web

from ..request import NO_PARAMS, Origin
from ..responses.steps import reset
from ..tls.subject import subject_of
from .incoming import MockRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.typedefs import RawHeaders
    from multidict import CIMultiDictProxy

    from .evidence import ConnectionLog, ConnectionRecord
    from .listener import Listener

__all__ = ["SENT", "SENT_LAST", "Connection", "HttpServer"]

_LINE_LIMIT = 256 * 1024
"""Bytes of a request line or a header: what a client may send is for the test to judge."""
_READ_SIZE = 64 * 1024
"""Bytes that are read at once."""
_HOUR = 3600.0
_STOP_TURNS = 4
_STOP_TIMEOUT = 0.05


class Sent(web.StreamResponse):
    """Tells aiohttp that the answer is on the wire already, and whether the connection stays."""

    def __init__(self, *, keep_alive: bool) -> None:
        super().__init__()
        self._stays = keep_alive

    @property
    def keep_alive(self) -> bool:
        """Whether the connection takes another request."""
        return self._stays

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Do nothing: it is sent."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: it is sent."""


SENT = Sent(keep_alive=True)
SENT_LAST = Sent(keep_alive=False)


class Connection(web.RequestHandler, asyncio.BufferedProtocol):
    """One client's connection: aiohttp's protocol with a record of our own.

    Attributes:
        listener: where it came in.
        record: what is known of it, once it has begun.
        origin: what all its requests share.
        is_cut: whether we have cut it.
        request_data: the bytes that the latest request was made of, the first of them; what
            could not be parsed is found here.
        raw_headers: the headers of the latest request, as aiohttp gives them; None before it.
        headers: the same, as they are recorded.
        onward: the other side of a tunnel, which is cut with this one; None if there is none.
    """

    __slots__ = (
        "_data",
        "_era",
        "_is_new",
        "_known",
        "_task",
        "headers",
        "is_cut",
        "listener",
        "onward",
        "origin",
        "raw_headers",
        "record",
        "request_data",
        "server",
    )

    headers: CIMultiDictProxy[str]
    record: ConnectionRecord
    origin: Origin

    def __init__(
        self,
        server: HttpServer,
        listener: Listener,
        known: ConnectionRecord | None = None,
        **options: Any,
    ) -> None:
        super().__init__(server, **options)
        self.server = server
        self.listener = listener
        self._known = known
        self._era = server.era
        self.is_cut = False
        self.request_data = self._data = b""
        self.raw_headers: RawHeaders | None = None
        self.onward: asyncio.Transport | None = None
        self._is_new = True
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless the connections were cut since this one was accepted."""
        connected = transport.get_extra_info("socket")
        subject = None
        if self._known is None:
            self.record = self.server.log.open(connected)
        else:  # it has a record since before its handshake
            self.record = self._known
            self.record.hand_over(connected)
            subject = subject_of(transport.get_extra_info("peercert"))
        locate = self.listener.locate
        if self.listener.also_plain:
            plain = self._known is None
            locate = self.listener.locate_plain if plain else self.listener.locate_secure
        self.origin = Origin(self.record.number, locate, subject)
        super().connection_made(transport)
        if self.server.stopping:
            self.server.abort()
        elif self._era != self.server.era:
            self.cut()

    def eof_received(self) -> None:
        """Note who has closed it: over TLS a client answers our end by its own (RFC 8446 §6.1)."""
        begun_here = self.transport is None or self.transport.is_closing()
        self.record.note_end("server" if begun_here else "client", was_reset=False)
        super().eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note the end."""
        super().connection_lost(exc)  # it cancels the task
        task, self._task = self._task, None
        self.record.close(exc, task)

    def note_loss(self) -> None:
        """Note the end if the loop has closed it: asyncio tells it later, uvloop tells nobody."""
        if self.transport is None:
            return
        connected = self.transport.get_extra_info("socket")
        if connected is not None and connected.fileno() < 0:
            self.connection_lost(None)

    def cut(self) -> None:
        """Reset the connection (TCP RST), as a server that crashes does."""
        for side in (self.transport, self.onward):
            if side is not None:
                self.is_cut = True
                self.record.note_end("server", was_reset=True)
                reset(side)

    def abort(self) -> None:
        """Close the connection at once, whether all is sent or not."""
        for side in (self.transport, self.onward):
            if side is not None:
                side.abort()

    @property
    def number(self) -> int:
        """The connection's number on its service, from 1."""
        return self.record.number

    @property
    def requests(self) -> int:
        """How many requests were made of what came, those that are none included."""
        return self.record.requests

    def get_buffer(self, sizehint: int) -> memoryview:
        """Give the memory for what comes next.

        All connections of a thread share it, since it is emptied before another one reads.
        Without it asyncio allocates 256 KiB for each read: slow when the bytes are kept.
        """
        return self.server.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what came into the memory."""
        self.data_received(bytes(self.server.buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Remember the bytes and parse them; some loops hand them over just here."""
        if self._is_new:
            self._data = data
            self._is_new = False
        elif len(self._data) < _LINE_LIMIT:
            self._data += data
        super().data_received(data)

    def begin_request(self, task: asyncio.Task[None]) -> None:
        """Note that what came so far has become a request, which `task` answers."""
        self._task = task
        self.request_data = self._data
        self.record.requests += 1
        self._is_new = True

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what aiohttp could not parse: it never reached the handler."""
        if isinstance(request, MockRequest) and not request.recorded:
            reason = message or str(exc)
            return self.server.on_malformed(request, self.request_data, exc or ValueError(reason))
        return super().handle_error(request, status, exc, message)


_memory = threading.local()


def _memory_of_this_thread() -> memoryview:
    """Return where the loop of this thread reads into: made once, since it costs as a server."""
    if not hasattr(_memory, "buffer"):
        _memory.buffer = memoryview(bytearray(_READ_SIZE))
    buffer: memoryview = _memory.buffer
    return buffer


class _Never:
    """A timer that never goes off."""

    def cancel(self) -> None:
        """Do nothing."""


_NEVER = _Never()


class _OneTask:
    """The running loop as one connection knows it, below Python 3.12: one task, and no timer.

    aiohttp has a task for each connection, which makes one for each request and awaits it. That
    one is handed back as the coroutine that it is: awaited, it runs at once, as aiohttp lets it
    from Python 3.12 on. A tenth of the time of a request.

    aiohttp also sets a timer for each connection that ends it when it has idled for an hour. No
    test takes so long, and a timer costs as much as the record of a connection.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._has_task = False
        self.create_future = loop.create_future
        self.time = loop.time

    def create_task(self, coroutine: Coroutine[Any, Any, Any]) -> Awaitable[Any]:
        """Return what is to be awaited."""
        if self._has_task:
            return coroutine
        self._has_task = True
        return self._loop.create_task(coroutine)

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Any:
        """Return a timer, which never goes off if it is set to an hour from now."""
        if when - self.time() >= _HOUR:
            return _NEVER
        return self._loop.call_at(when, callback, *args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


def _make_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> MockRequest:
    """Make a request; no method, or a server would hold itself and all its journal for a while."""
    assert isinstance(protocol, Connection)  # noqa: S101 - the server makes no other
    parts = payload, protocol, writer, task, protocol.server.running_loop
    try:
        # Bodies of any size: our own limit is in receive().
        request = MockRequest(message, *parts, client_max_size=0)
    except ValueError:  # aiohttp asks for the host at once, and "xn--a" can be decoded by nobody
        message_without = message._replace(url=message.url.relative())
        request = MockRequest(message_without, *parts, client_max_size=0)
    protocol.begin_request(task)
    # Every name that most requests get later is set now, in this order: Python keeps them in
    # one layout, where a name that some have and some have not costs each of them a dict.
    request.connection = protocol
    request.head = message
    request.stream = payload
    request.received_at = monotonic()
    request.body_bytes = b""
    request.recorded = False
    request.registration = None
    request.exchange = None
    request.path_params = NO_PARAMS
    return request


class HttpServer(web.Server):
    """aiohttp's low-level server, with numbered connections and an end that cannot hang.

    Args:
        handler: answers a request.
        on_malformed: answers bytes that are no request; gets the request, the bytes and
            the parser's error.
        log: gets every connection.
        loop: the loop to serve in.

    Attributes:
        running_loop: the loop that it serves in.
        buffer: where the connections read into.
        stopping: whether the connections are cut by us, for good.
        era: how often they were cut before.
    """

    def __init__(
        self,
        handler: Callable[[Any], Awaitable[web.StreamResponse]],
        on_malformed: Callable[[MockRequest, bytes, BaseException], web.StreamResponse],
        log: ConnectionLog,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(
            handler, request_factory=_make_request, handler_cancellation=True, loop=loop
        )
        self.on_malformed = on_malformed
        self.running_loop = loop
        self.log = log
        self.era = 0
        self.buffer = _memory_of_this_thread()
        self.stopping = False

    def connect(self, listener: Listener, known: ConnectionRecord | None = None) -> Connection:
        """Return the protocol of a new connection.

        Args:
            listener: where it came in.
            known: its record, if it has one already.
        """
        return Connection(
            self,
            listener,
            known,
            loop=_OneTask(self.running_loop) if sys.version_info < (3, 12) else self.running_loop,
            access_log=None,
            auto_decompress=False,
            tcp_keepalive=False,
            max_line_size=_LINE_LIMIT,
            max_field_size=_LINE_LIMIT,
            max_headers=_LINE_LIMIT,
        )

    @property
    def open_connections(self) -> list[Connection]:
        """The connections that are open."""
        return [item for item in self.connections if isinstance(item, Connection)]

    def abort(self) -> None:
        """Close every connection now, sent or not; their tasks end in the next turns."""
        self.stopping = True
        for connection in self.connections:
            if isinstance(connection, Connection):
                connection.abort()

    async def cut(self) -> None:
        """Reset every connection, and wait for a few turns until their tasks have ended."""
        self.cut_now()
        await self._take_turns()

    def cut_now(self) -> None:
        """Reset every connection; their tasks end in the next turns of the loop."""
        self.era += 1
        for connection in self.open_connections:
            connection.cut()

    async def close_those_of(self, listener: Listener) -> None:
        """Close the connections of one listener, and wait a few turns until their tasks ended."""
        self.close_now(listener)
        await self._take_turns()

    def close_now(self, listener: Listener) -> None:
        """Close the connections of one listener; their tasks end in the next turns of the loop."""
        for connection in self.open_connections:
            if connection.listener is listener:
                connection.abort()

    async def wait_for_end(self) -> None:
        """Wait, for a bounded time, until what was aborted has ended."""
        await self._take_turns()
        if self.connections:
            await self.shutdown(_STOP_TIMEOUT)

    async def _take_turns(self) -> None:
        for _ in range(_STOP_TURNS):
            if not self.connections:
                return
            await asyncio.sleep(0)
