"""One client's WebSocket: what scripts and callbacks do with it, and what they learn of it."""

from __future__ import annotations

import asyncio
import json
import re
import struct
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, Self

from aiohttp import WSMsgType

from ..comparing import Mismatch, compare
from ..exceptions import StreamClosedError, WebSocketScriptError
from ..journal import WebSocketMessage
from ..matching import UNSET
from ..report import render_mismatches
from ..text import ABSENT, shorten
from .wire import Reset

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohttp import web

    from ..journal import Exchange

__all__ = ["WebSocketConnection", "check_close", "encode_message"]

_CLOSE_TIMEOUT = 10.0
"""Seconds that a client has to answer a close frame; aiohttp's own limit."""

_REASON_LIMIT = 123
"""Bytes of the reason of a close frame (RFC 6455 §5.5: 125 with the code)."""

_RESERVED = (1004, 1005, 1006, 1015)
"""Codes that never stand in a close frame (RFC 6455 §7.4.1)."""

_NO_CODE = 1005

_Kind = Literal["text", "binary", "ping", "pong", "close"]


class WebSocketConnection:
    """One client's WebSocket, in the hand of a script: an async function gets it.

    Whatever the client says is recorded when it arrives, whether the script asks for it or not.
    `async for data in connection` yields message by message until the client has gone.

    Example:
        >>> async def echo(connection):
        ...     async for data in connection:
        ...         await connection.send(data)
        >>> WebSocketResponse(echo)  # doctest: +ELLIPSIS
        WebSocketResponse(script=<function echo at ...>, ...)
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        request: web.Request,
        exchange: Exchange,
        *,
        answer_pings: bool = True,
    ) -> None:
        self._socket = socket
        self._request = request
        self._exchange = exchange
        self._log = exchange.log_messages()
        self._answer_pings = answer_pings
        self._inbox: deque[tuple[int, WebSocketMessage]] = deque()
        self._news = asyncio.Event()
        self._departure: WebSocketMessage | None = None
        self._closed = False
        self._left: str | None = None
        self.place = ""
        # It ends with the connection: the reader of a connection that is lost gives no more.
        self._listener = asyncio.create_task(self._listen())

    # --- what is known ------------------------------------------------------------------

    @property
    def request(self) -> web.Request:
        """The request that opened it."""
        return self._request

    @property
    def protocol(self) -> str | None:
        """The sub-protocol that was agreed on (RFC 6455 §1.9); None if none was."""
        return self._socket.ws_protocol

    @property
    def messages(self) -> tuple[WebSocketMessage, ...]:
        """What was said until now, by both sides, as in `exchange.messages`."""
        return tuple(self._log)

    @property
    def closed(self) -> bool:
        """Whether this side has closed or reset the connection."""
        return self._closed

    @property
    def departure(self) -> str | None:
        """How the client went, in words; None while it is there."""
        return self._left

    # --- to the client ------------------------------------------------------------------

    async def send(self, data: Any) -> None:
        """Send a message, and wait while the client does not read.

        Args:
            data: text, bytes, or a value that is sent as JSON, in a text message.

        Raises:
            StreamClosedError: the client has gone, or this side has closed.
            TypeError: JSON has no form for it.
        """
        kind, payload = encode_message(data)
        await self._say(kind, payload, data if isinstance(data, str) else None)

    async def ping(self, data: bytes = b"") -> None:
        """Send a ping (RFC 6455 §5.5.2); the client's pong will be in `messages`.

        Raises:
            StreamClosedError: the client has gone, or this side has closed.
        """
        await self._say("ping", data)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close in order (RFC 6455 §7.1.2): send a close frame and wait for the client's.

        Once either side has closed, or the client has left, nothing is done.

        Raises:
            ValueError: such a code or reason cannot be sent.
        """
        check_close(code, reason)
        if self._closed or (self._left is not None and self._departure is None):
            return
        await self._close(code, reason)

    async def reset(self) -> None:
        """Cut the connection at once (TCP RST): the client sees a 1006 or an error."""
        self._closed = True
        self._exchange.fault = "reset by the script"
        await Reset().run(self._request)

    # --- from the client ----------------------------------------------------------------

    async def receive(self, timeout: float | None = None) -> str | bytes:
        """Return the next message: text (str) or bytes.

        Args:
            timeout: seconds to wait; None waits for ever.

        Raises:
            StreamClosedError: the client has gone, and everything that it sent was received.
            TimeoutError: none came in time.
        """
        return (await self._next(timeout))[1].data

    async def receive_json(self, timeout: float | None = None) -> Any:
        """Return the next message, parsed as JSON.

        Args:
            timeout: seconds to wait; None waits for ever.

        Raises:
            StreamClosedError: as `receive`.
            TimeoutError: as `receive`.
            ValueError: it is no JSON.
        """
        return (await self._next(timeout))[1].json()

    async def expect(self, value: Any = UNSET, timeout: float | None = None) -> str | bytes:
        """Return the next message, which must be as described.

        Args:
            value: as in `ws.Expect`.
            timeout: seconds to wait; None waits for ever.

        Raises:
            WebSocketScriptError: another message came, or none in time.
            StreamClosedError: the client has gone, and everything that it sent was received.
        """
        try:
            index, message = await self._next(timeout)
        except TimeoutError:
            wish = "a message" if value is UNSET else shorten(value)
            raise self.failure(f"no message came in {timeout:g} s", f"expected {wish}") from None
        if value is not UNSET:
            where, got = f"message[{index}]", _as_meant(message, value)
            mismatches = _explain(where, value, message)
            if mismatches:
                raise self._mismatch("another message came", where, value, got, mismatches)
        return message.data

    async def expect_close(self, code: Any = None, timeout: float | None = None) -> None:
        """Wait until the client closes in order, without another message before.

        Args:
            code: the code of its close frame, or what it must fit as in `Match`; None is any.
            timeout: seconds to wait; None waits for ever.

        Raises:
            WebSocketScriptError: it sent a message instead, closed with another code, left
                without a close frame, or did not close in time.
        """
        wish = "a close frame" if code is None else f"a close frame with {shorten(code)}"
        if not await self._until(lambda: bool(self._inbox) or self._left is not None, timeout):
            raise self.failure(f"the client did not close in {timeout:g} s", f"expected {wish}")
        if self._inbox:
            index, message = self._inbox.popleft()
            where, got = f"message[{index}]", message.data
            found = [Mismatch(where, ABSENT, got, f"expected {wish}")]
            raise self._mismatch("a message came", where, ABSENT, got, found)
        if self._departure is None:
            raise self.failure(str(self._left), f"expected {wish}")
        if code is not None:
            found = []
            compare("close.code", code, self._departure.code, found)
            if found:
                came = self._departure.code
                raise self._mismatch(str(self._left), "close.code", code, came, found)

    async def pause(self, seconds: float) -> None:
        """Do nothing for some seconds, but see at once that the client has gone.

        Raises:
            StreamClosedError: it has.
        """
        if await self._until(lambda: self._left is not None, seconds):
            raise self._refusal()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str | bytes:
        try:
            return await self.receive()
        except StreamClosedError:
            raise StopAsyncIteration from None

    # --- how a script fails -------------------------------------------------------------

    def failure(self, what: str, wish: str = "") -> WebSocketScriptError:
        """Return the error of something that did not happen, with its place in the script."""
        short = " ".join(filter(None, (what, self.place)))
        short = f"{short}: {wish}" if wish else short
        return WebSocketScriptError(f"{self._subject}: {short}", short)

    def _mismatch(
        self,
        what: str,
        where: str,
        expected: object,
        got: object,
        mismatches: Sequence[Mismatch],
    ) -> WebSocketScriptError:
        lines = [f"{self._subject}: {what} {self.place}"]
        if mismatches[0].where != where:  # it differs inside: the whole is shown too
            lines += [f"  expected  {shorten(expected)}", f"  got       {shorten(got)}"]
        lines += render_mismatches(mismatches)
        reason = f"{self.place.removeprefix('at ')}: {mismatches[0]}"
        return WebSocketScriptError("\n".join(lines), reason, mismatches)

    @property
    def _subject(self) -> str:
        route = self._exchange.route
        request = self._exchange.request
        return f"{request.handler_name!r} ({route or request.target})"

    def _refusal(self) -> StreamClosedError:
        return StreamClosedError(self._left or "this side has closed the WebSocket")

    # --- inside -------------------------------------------------------------------------

    async def _say(self, kind: _Kind, payload: bytes, text: str | None = None) -> None:
        if self._closed or self._left is not None:
            raise self._refusal()
        self._note("server", kind, payload.decode() if kind == "text" else payload)
        await self._write(payload, WSMsgType[kind.upper()])

    async def _write(self, payload: bytes, opcode: WSMsgType) -> None:
        try:
            await self._socket.send_frame(payload, opcode)
            return
        except ConnectionError:
            await self.see_it_end()
        except asyncio.CancelledError:
            if not self.is_abandoned:
                raise
            await self.see_it_end()
        raise self._refusal()

    async def _close(self, code: int, reason: str) -> None:
        self._closed = True
        self._note("server", "close", reason, code)
        payload = b"" if code == _NO_CODE else struct.pack("!H", code) + reason.encode()
        try:
            await self._write(payload, WSMsgType.CLOSE)
        except StreamClosedError:
            return
        await self._until(lambda: self._left is not None, _CLOSE_TIMEOUT)

    async def finish(self) -> None:
        """Close as the end of a script does: answer the client's close frame, or send one."""
        if self._departure is not None and not self._closed:
            await self._close(self._departure.code or 1000, "")
        await self.close()

    async def break_off(self, error: BaseException) -> None:
        """Close because of an error, and say so: never a bare 1006."""
        if self._closed:
            return
        if isinstance(error, WebSocketScriptError):
            await self._close(1008, _clip_reason(error.reason))
        else:
            reason = f"the script raised {type(error).__name__}: {error}"
            await self._close(1011, _clip_reason(reason))

    @property
    def is_abandoned(self) -> bool:
        """Whether the connection is lost, and not because the service ends."""
        # aiohttp cancels the handler of a client that has left; so does the end of the service.
        return self._request.transport is None and not getattr(self._request, "stopping", False)

    async def _next(self, timeout: float | None) -> tuple[int, WebSocketMessage]:
        if not await self._until(lambda: bool(self._inbox) or self._is_silent, timeout):
            raise TimeoutError(f"no message came in {timeout:g} s")
        if not self._inbox:
            raise self._refusal()
        return self._inbox.popleft()

    @property
    def _is_silent(self) -> bool:
        return self._closed or self._left is not None

    async def _until(self, satisfied: Callable[[], bool], timeout: float | None) -> bool:
        """Wait for news until `satisfied()`; return whether it is, in time."""
        try:
            async with asyncio.timeout(timeout):
                while not satisfied():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return satisfied()
        except asyncio.CancelledError:
            if not self.is_abandoned:
                raise
            await self.see_it_end()
            return satisfied()
        return True

    async def see_it_end(self) -> None:
        """Take in what a client that has left had sent before; that waits for nothing."""
        if (task := asyncio.current_task()) is not None and task.cancelling():
            task.uncancel()
        await asyncio.wait([self._listener])

    async def _listen(self) -> None:
        while self._left is None:
            await self._hear(await self._socket.receive())
            self._news.set()

    async def _hear(self, message: Any) -> None:
        kind, data = message.type, message.data
        if kind is WSMsgType.TEXT:
            self._inbox.append((len(self._log), self._note("client", "text", data)))
        elif kind is WSMsgType.BINARY:
            self._inbox.append((len(self._log), self._note("client", "binary", bytes(data))))
        elif kind is WSMsgType.PING:
            self._note("client", "ping", bytes(data))
            if self._answer_pings and not self._is_silent:
                await self._pong(bytes(data))
        elif kind is WSMsgType.PONG:
            self._note("client", "pong", bytes(data))
        elif kind is WSMsgType.CLOSE:
            self._departure = self._note("client", "close", message.extra or "", data or _NO_CODE)
            said = f"{self._departure.code}" + (f" {message.extra!r}" if message.extra else "")
            self._left = f"the client closed ({said})"
        elif kind is WSMsgType.ERROR:
            # aiohttp has closed with the code that the error stands for.
            self._closed = True
            self._note("server", "close", "", getattr(data, "code", 1000))
            self._left = f"the client broke the protocol ({data})"
        else:
            self._left = "the client left without a close frame (1006)"

    async def _pong(self, data: bytes) -> None:
        self._note("server", "pong", data)
        with suppress(ConnectionError):  # it left: that is heard next
            await self._socket.pong(data)

    def _note(
        self,
        sender: Literal["client", "server"],
        kind: _Kind,
        data: str | bytes,
        code: int | None = None,
    ) -> WebSocketMessage:
        message = WebSocketMessage(sender, kind, data, monotonic(), code)
        self._log.append(message)
        return message

    def __repr__(self) -> str:
        state = self._left or ("closed" if self._closed else "open")
        return f"<WebSocketConnection of {self._subject}: {state}, {len(self._log)} messages>"


def encode_message(data: object) -> tuple[Literal["text", "binary"], bytes]:
    """Return the kind and the payload of what a script sends.

    Raises:
        TypeError: JSON has no form for it.
        ValueError: it is no Unicode text.
    """
    if isinstance(data, bytes | bytearray | memoryview):
        return "binary", bytes(data)
    if isinstance(data, str):
        return "text", data.encode()
    try:
        return "text", json.dumps(data).encode()
    except TypeError as error:
        raise TypeError(
            "a WebSocket sends text, bytes, or what JSON has a form for: "
            f"{error}; it is {shorten(data)}"
        ) from error


def check_close(code: object, reason: object) -> None:
    """Refuse what a close frame cannot hold.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: the code never stands in a frame, or the reason is too long.
    """
    if isinstance(code, bool) or not isinstance(code, int):
        raise TypeError(f"a close code is a number such as 1000, got {shorten(code)}")
    if not 1000 <= code <= 4999 or code in _RESERVED:
        raise ValueError(
            f"the close code {code} cannot be sent (RFC 6455 §7.4): take one from 1000 to 4999, "
            f"but for {', '.join(map(str, _RESERVED))}"
        )
    if not isinstance(reason, str):
        raise TypeError(f"the reason of a close is text, got {shorten(reason)}")
    if (size := len(reason.encode())) > _REASON_LIMIT:
        raise ValueError(
            f"the reason of a close frame takes {_REASON_LIMIT} bytes (RFC 6455 §5.5), "
            f"this has {size}: {shorten(reason)}"
        )


def _clip_reason(reason: str) -> str:
    """Return the first line of a reason, of as many bytes as a close frame takes."""
    line = reason.partition("\n")[0]
    data = line.encode("utf-8", "replace")
    if len(data) <= _REASON_LIMIT:
        return data.decode()
    return data[: _REASON_LIMIT - len("…".encode())].decode("utf-8", "ignore") + "…"


_JSON = (dict, list, tuple, int, float, bool, type(None))


def _as_meant(message: WebSocketMessage, expected: object) -> object:
    """Return a message in the form that it is compared in, to be shown."""
    if isinstance(expected, dict | list | tuple):
        with suppress(ValueError):
            return message.json()
    return message.data


def _explain(where: str, expected: Any, message: WebSocketMessage) -> list[Mismatch]:
    """Return what differs between a message and what was expected.

    Text, bytes and patterns speak of what was sent, JSON values of what it says. Any other
    matcher may mean either: what was sent is tried first, then the JSON.
    """
    found: list[Mismatch] = []
    if isinstance(expected, str | bytes | re.Pattern):
        compare(where, expected, message.data, found)
        return found
    try:
        parsed = message.json()
    except ValueError as error:
        if isinstance(expected, _JSON):
            return [Mismatch(where, expected, message.data, f"it is no JSON: {error}")]
        compare(where, expected, message.data, found)
        return found
    if not isinstance(expected, _JSON):
        compare(where, expected, message.data, found)
        if not found:
            return found
    in_json: list[Mismatch] = []
    compare(where, expected, parsed, in_json)
    return in_json
