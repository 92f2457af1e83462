"""What the script of a WebSocket holds in its hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from ..comparing import Mismatch, compare
from ..exceptions import StreamClosedError, WebSocketScriptError
from ..matching import UNSET
from ..report import render_mismatches
from ..text import ABSENT, redact, shorten
from ..waiting import check_timeout
from .steps import Reset
from .websocket_messages import as_meant, check_close, explain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from ..journal import WebSocketMessage
    from .websocket_link import WebSocketLink

__all__ = ["WebSocketConnection"]


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

    def __init__(self, link: WebSocketLink) -> None:
        self._link = link
        self.place = ""

    @property
    def request(self) -> web.Request:
        """The request that opened it."""
        return self._link.request

    @property
    def protocol(self) -> str | None:
        """The sub-protocol that was agreed on (RFC 6455 §1.9); None if none was."""
        return self._link.socket.ws_protocol

    @property
    def messages(self) -> tuple[WebSocketMessage, ...]:
        """What was said until now, by both sides, as in `exchange.messages`."""
        return tuple(self._link.log)

    # --- to the client ------------------------------------------------------------------

    async def send(self, data: Any) -> None:
        """Send a message, and wait while the client does not read.

        Args:
            data: text, bytes, or a value that is sent as JSON, in a text message.

        Raises:
            StreamClosedError: the client has gone, or this side has closed.
            TypeError: JSON has no form for it.
        """
        await self._link.send(data)

    async def ping(self, data: bytes = b"") -> None:
        """Send a ping (RFC 6455 §5.5.2); the client's pong will be in `messages`.

        Raises:
            StreamClosedError: the client has gone, or this side has closed.
        """
        await self._link.ping(data)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close in order (RFC 6455 §7.1.2): send a close frame and wait for the client's.

        Once either side has closed, or the client has left, nothing is done.

        Raises:
            ValueError: such a code or reason cannot be sent.
        """
        check_close(code, reason)
        await self._link.close(code, reason)

    async def reset(self) -> None:
        """Cut the connection at once (TCP RST): the client sees a 1006 or an error."""
        self._link.closed = True
        self._link.exchange.fault = "reset by the script"
        await Reset().run(self._link.request)

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
            what, expected = (
                f"no message came in {timeout:g} s",
                ABSENT if value is UNSET else value,
            )
            raise self.failure(what, f"expected {wish}", expected=expected) from None
        if value is not UNSET:
            where, got = f"message[{index}]", as_meant(message, value)
            mismatches = explain(where, value, message)
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
        check_timeout(timeout)
        link = self._link
        wish = "a close frame" if code is None else f"a close frame with {shorten(code)}"
        if not await link.until(lambda: link.has_message or link.is_silent, timeout):
            what = f"the client did not close in {timeout:g} s"
            raise self.failure(what, f"expected {wish}", "close")
        if (item := link.take()) is not None:
            index, message = item
            where, got = f"message[{index}]", message.data
            found = [Mismatch(where, ABSENT, got, f"expected {wish}")]
            raise self._mismatch("a message came", where, ABSENT, got, found)
        if link.farewell is None:
            raise self.failure(str(link.refusal()), f"expected {wish}", "close")
        if code is not None:
            found = []
            came = link.farewell.code
            compare("close.code", code, came, found)
            if found:
                raise self._mismatch(str(link.departure), "close.code", code, came, found)

    async def pause(self, seconds: float) -> None:
        """Do nothing for some seconds, but see at once that the client has gone.

        Raises:
            StreamClosedError: it has.
        """
        link = self._link
        if await link.until(lambda: link.departure is not None, seconds):
            raise link.refusal()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str | bytes:
        try:
            return await self.receive()
        except StreamClosedError:
            raise StopAsyncIteration from None

    # --- how a script fails -------------------------------------------------------------

    def failure(
        self, what: str, wish: str = "", where: str = "message", expected: object = ABSENT
    ) -> WebSocketScriptError:
        """Return the error of something that did not happen, with its place in the script."""
        short = " ".join(filter(None, (what, self.place)))
        short = self._redact(f"{short}: {wish}" if wish else short)
        _, is_expected, thing = wish.partition("expected ")
        expected = thing if expected is ABSENT else expected
        missing = [Mismatch(where, expected, ABSENT, what)] if is_expected else []
        return WebSocketScriptError(f"{self._subject}: {short}", short, missing)

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
        text = self._redact("\n".join(lines))
        return WebSocketScriptError(text, self._redact(reason), mismatches)

    def _redact(self, text: str) -> str:
        """Return it without the secrets of the opening handshake, which a message may repeat."""
        return redact(text, self._link.exchange.request.headers)

    @property
    def _subject(self) -> str:
        route, request = self._link.exchange.route, self._link.exchange.request
        return f"{request.handler_name!r} ({route or request.target})"

    async def _next(self, timeout: float | None) -> tuple[int, WebSocketMessage]:
        check_timeout(timeout)
        link = self._link
        if not await link.until(lambda: link.has_message or link.is_silent, timeout):
            raise TimeoutError(f"no message came in {timeout:g} s")
        item = link.take()
        if item is None:
            raise link.refusal()
        return item

    def __repr__(self) -> str:
        state = self._link.departure or ("closed" if self._link.closed else "open")
        return f"<WebSocketConnection of {self._subject}: {state}, {len(self.messages)} messages>"
