"""One client's WebSocket below the scripts: it listens, records, says, and ends in order."""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from aiohttp import WSMsgType

from ..exceptions import StreamClosedError, WebSocketScriptError
from ..journal import WebSocketMessage
from ..waiting import Bell
from .websocket_messages import clip_reason, encode_message
from .writing import write_unbroken

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from ..journal import Exchange

__all__ = ["WebSocketLink"]

_CLOSE_TIMEOUT = 10.0
"""Seconds that a client has to answer a close frame; aiohttp's own limit."""

_NO_CODE = 1005

_Sender = Literal["client", "server"]
_Kind = Literal["text", "binary", "ping", "pong", "close"]


class WebSocketLink:
    """Both directions of one WebSocket, in the server's loop.

    Whatever the client says is taken in and recorded when it arrives, by a task that ends with
    the connection: the reader of a lost connection gives no more.

    Args:
        socket: aiohttp's side of it, prepared.
        request: the request that opened it.
        exchange: where everything that is said is written down.
        answer_pings: whether the client's pings get a pong.
        bell: rung for everything that the client does, and when this side closes.

    Attributes:
        departure: how the client went, in words; None while it is there.
        farewell: its close frame, if it sent one.
        closed: whether this side has closed or reset the connection.
        sent: bytes of the messages that this side has sent.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        request: web.Request,
        exchange: Exchange,
        *,
        answer_pings: bool = True,
        bell: Bell | None = None,
    ) -> None:
        self.socket = socket
        self.request = request
        self.exchange = exchange
        self.log = exchange.log_messages()
        self.bell = bell or Bell()
        self.departure: str | None = None
        self.farewell: WebSocketMessage | None = None
        self.closed = False
        self.sent = 0
        self._answer_pings = answer_pings
        self._inbox: deque[tuple[int, WebSocketMessage]] = deque()
        self.listener = asyncio.create_task(self._listen())

    # --- what the client says -----------------------------------------------------------

    def take(self) -> tuple[int, WebSocketMessage] | None:
        """Return the next message with its index in the log; None if there is none yet."""
        with suppress(IndexError):
            return self._inbox.popleft()
        return None

    @property
    def has_message(self) -> bool:
        """Whether a message waits to be taken."""
        return bool(self._inbox)

    @property
    def is_silent(self) -> bool:
        """Whether nothing more is to be expected from the client."""
        return self.closed or self.departure is not None

    @property
    def is_abandoned(self) -> bool:
        """Whether the connection is lost, and not because the service ends."""
        # aiohttp cancels the handler of a client that has left; so does the end of the service.
        return self.request.transport is None and not getattr(self.request, "stopping", False)

    async def until(self, satisfied: Callable[[], bool], timeout: float | None) -> bool:
        """Wait for news until `satisfied()`; return whether it is, in time.

        The cancellation of a handler whose client has left is swallowed here: it is news.
        """
        try:
            return await self.bell.wait(satisfied, timeout=timeout)
        except asyncio.CancelledError:
            if not self.is_abandoned:
                raise
            await self.see_it_end()
            return satisfied()

    async def see_it_end(self) -> None:
        """Take in what a client that has left had sent before; that waits for nothing."""
        if (task := asyncio.current_task()) is not None and task.cancelling():
            task.uncancel()
        await asyncio.wait([self.listener])

    async def _listen(self) -> None:
        while self.departure is None:
            await self._hear(await self.socket.receive())
            self.bell.ring()

    async def _hear(self, message: Any) -> None:
        kind, data = message.type, message.data
        if kind is WSMsgType.TEXT:
            self._inbox.append((len(self.log), self._note("client", "text", data)))
        elif kind is WSMsgType.BINARY:
            self._inbox.append((len(self.log), self._note("client", "binary", bytes(data))))
        elif kind is WSMsgType.PING:
            self._note("client", "ping", bytes(data))
            if self._answer_pings and not self.is_silent:
                self._note("server", "pong", bytes(data))
                with suppress(ConnectionError):  # it left: that is heard next
                    await self.socket.pong(data)
        elif kind is WSMsgType.PONG:
            self._note("client", "pong", bytes(data))
        elif kind is WSMsgType.CLOSE:
            self.farewell = self._note("client", "close", message.extra or "", data or _NO_CODE)
            said = f"{self.farewell.code}" + (f" {message.extra!r}" if message.extra else "")
            self.departure = f"the client closed ({said})"
        elif kind is WSMsgType.ERROR:
            # aiohttp has closed with the code that the error stands for.
            self.closed = True
            self._note("server", "close", "", getattr(data, "code", 1000))
            self.departure = f"the client broke the protocol ({data})"
        else:
            self.departure = "the client left without a close frame (1006)"

    def _note(
        self, sender: _Sender, kind: _Kind, data: str | bytes, code: int | None = None
    ) -> WebSocketMessage:
        message = WebSocketMessage(sender, kind, data, monotonic(), code)
        self.log.append(message)
        return message

    # --- what is said to it -------------------------------------------------------------

    async def send(self, data: object) -> None:
        """Send a message, and wait while the client does not read.

        Raises:
            StreamClosedError: the client has gone, or this side has closed.
            TypeError: it cannot be sent.
        """
        kind, payload = encode_message(data)
        self._check_open()
        self._note("server", kind, payload.decode() if kind == "text" else payload)
        self.sent += len(payload)
        await self._write(payload, WSMsgType[kind.upper()])

    async def ping(self, data: bytes) -> None:
        """Send a ping.

        Raises:
            StreamClosedError: the client has gone, or this side has closed.
        """
        self._check_open()
        self._note("server", "ping", data)
        await self._write(data, WSMsgType.PING)

    async def close(self, code: int, reason: str = "") -> None:
        """Send a close frame and wait for the client's, once; a client that left gets none."""
        if self.closed or (self.departure is not None and self.farewell is None):
            return
        self.closed = True
        self._note("server", "close", reason, code)
        payload = b"" if code == _NO_CODE else struct.pack("!H", code) + reason.encode()
        with suppress(StreamClosedError):
            await self._write(payload, WSMsgType.CLOSE)
            self.bell.ring()
            await self.until(lambda: self.departure is not None, _CLOSE_TIMEOUT)

    async def finish(self) -> None:
        """Close as the end of a script does: echo the client's code, or begin with 1000."""
        code = self.farewell.code if self.farewell is not None else None
        await self.close(code or 1000)

    async def break_off(self, error: BaseException) -> None:
        """Close because of an error, and say so: never a bare 1006."""
        if isinstance(error, WebSocketScriptError):
            await self.close(1008, clip_reason(error.reason))
        else:
            reason = f"the script raised {type(error).__name__}: {error}"
            await self.close(1011, clip_reason(reason))

    def refusal(self) -> StreamClosedError:
        """Return the error of something that reaches nobody any more."""
        return StreamClosedError(self.departure or "this side has closed the WebSocket")

    def _check_open(self) -> None:
        if self.is_silent:
            raise self.refusal()

    async def _write(self, payload: bytes, opcode: WSMsgType) -> None:
        try:
            frame = self.socket.send_frame(payload, opcode)
            await write_unbroken(self.request, len(payload), frame)
            return
        except ConnectionError:
            await self.see_it_end()
        except asyncio.CancelledError:
            if not self.is_abandoned:
                raise
            await self.see_it_end()
        raise self.refusal()
