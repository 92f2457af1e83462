"""The stream to one client, in the test's hand."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from ..exceptions import StreamClosedError
from ..journal import CLIENT_LEFT, STOPPED, WENT_DOWN
from ..text import clip, shorten
from ..waiting import Wait, cross, runs_here
from .kinds import EndedBy, Ending
from .steps import Reset
from .websocket_messages import check_close
from .wire import WireAnswer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    from ..journal import Exchange
    from ..request import RecordedRequest
    from .kinds import Channel

__all__ = ["LiveConnection", "StreamEnd"]

_T = TypeVar("_T")

_BY: dict[str, EndedBy] = {CLIENT_LEFT: "client", STOPPED: "service", WENT_DOWN: "service"}


@dataclass(frozen=True)
class StreamEnd:
    """How the stream to one client ended.

    Attributes:
        by: `"client"`: it went away; `"test"`: `close()` or `reset()`; `"service"`: it stopped.
        after: seconds from the arrival of the request to the end.
        sent: bytes of the stream that were handed to the socket, without head and framing.
        at: `time.monotonic()` in seconds, as in `RecordedRequest.received_at`.
        code: of a WebSocket, the code of the client's close frame (int); 1005 if that had none,
            1006 if there was no frame. None for other kinds.
    """

    by: EndedBy
    after: float
    sent: int
    at: float
    code: int | None = None

    def __str__(self) -> str:
        code = "" if self.code is None else f" ({self.code})"
        who = {"client": f"the client left{code}", "test": "the test ended it"}
        return (
            f"{who.get(self.by, STOPPED)} {self.after:.3g} s after its request, "
            f"when {self.sent} bytes were sent"
        )


class LiveConnection:
    """The stream to one client, in the test's hand. `LiveStream.accept()` gives it.

    All its methods may be called from any loop or thread; what they return is awaited in
    asyncio or trio, or `.block()`ed on in a thread.
    """

    def __init__(self, exchange: Exchange, channel: Channel) -> None:
        self._exchange = exchange
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[Ending] = self._loop.create_future()
        self._by: EndedBy = "test"
        self._bell = channel.bell
        self._end: StreamEnd | None = None

    @property
    def request(self) -> RecordedRequest:
        """The request that opened the stream."""
        return self._exchange.request

    @property
    def sent(self) -> int:
        """Bytes of the stream that were handed to the socket, without head and framing."""
        return self._channel.sent

    @property
    def is_open(self) -> bool:
        """Whether something can still be sent, as far as the socket knows."""
        return not self._over.done()

    def send(self, data: Any) -> Wait[None]:
        """Send one piece, in a write of its own, and wait while the client does not read.

        That the client has left is known only when its end of the connection has arrived: wait
        for `closed()` to be sure.

        Args:
            data: bytes for `"chunked"`; what JSON has a form for for `"ndjson"`; that, text or a
                `ServerSentEvent` for `"sse"`; that, text or bytes for `"websocket"`.

        Raises:
            StreamClosedError: the stream has ended; it is a `ConnectionError` too.
            TypeError: such a stream cannot send this.
        """
        if self._end is not None:  # its loop may be gone
            return self._refusal("conn.send(...)")
        return cross(self._loop, lambda: self._send(data), "conn.send(...)")

    async def _send(self, data: Any) -> None:
        if not self._over.done():
            try:
                await self._channel.send(data)
            except ConnectionError:  # in the moment of its end
                pass
            else:
                if not self._over.cancelled():  # else it was cut while this waited
                    return
        await self._refusal("conn.send(...)")

    def receive(self, timeout: float | None = 5.0) -> Wait[str | bytes]:
        """Wait for the next message of a WebSocket's client, and return it.

        What came before is given first, also when the client has gone since.

        Args:
            timeout: seconds to wait; None waits for ever.

        Raises:
            AssertionError: no message came in time.
            StreamClosedError: the stream has ended, and every message of it was received.
            TypeError: this is no WebSocket: its client has nothing to say.
        """
        return self._receive(timeout, lambda message: message, "receive()")

    def receive_json(self, timeout: float | None = 5.0) -> Wait[Any]:
        """Wait for the next message of a WebSocket's client, and return it parsed as JSON.

        Args:
            timeout: seconds to wait; None waits for ever.

        Raises:
            AssertionError: as `receive`.
            StreamClosedError: as `receive`.
            TypeError: as `receive`.
            ValueError: it is no JSON; it counts as received.
        """

        def parse(message: str | bytes) -> Any:
            try:
                return json.loads(message)
            except ValueError as error:
                raise ValueError(
                    f"{self._client} sent no JSON ({error}), but {shorten(message)}"
                ) from None

        return self._receive(timeout, parse, "receive_json()")

    def _receive(
        self, timeout: float | None, read: Callable[[str | bytes], _T], call: str
    ) -> Wait[_T]:
        self._check_speaks(call)
        taken: list[str | bytes] = []
        ended = False

        def take() -> bool:
            nonlocal ended
            ended = self._end is not None or self._channel.is_silent  # before it is emptied
            if not taken and (message := self._channel.take()) is not None:
                taken.append(message)
            return bool(taken) or ended

        def give() -> _T:
            __tracebackhide__ = True
            if taken:
                return read(taken[0])
            if ended:
                raise StreamClosedError(self._describe_end(f"conn.{call} waits for nothing"))
            raise AssertionError(f"{self._client} sent no message in {timeout:g} s")

        return self._bell.until(take, timeout=timeout, then=give, call=f"conn.{call}")

    def ping(self, data: bytes = b"") -> Wait[None]:
        """Send a WebSocket's ping; the client's pong will be in `exchange.messages`.

        Raises:
            StreamClosedError: the stream has ended.
            TypeError: this is no WebSocket.
        """
        self._check_speaks("ping()")
        if self._end is not None:
            return self._refusal("conn.ping()")
        return cross(self._loop, lambda: self._ping(data), "conn.ping()")

    async def _ping(self, data: bytes) -> None:
        try:
            await self._channel.ping(data)
        except ConnectionError:
            await self._refusal("conn.ping()")

    def _check_speaks(self, call: str) -> None:
        if not self._channel.speaks:
            raise TypeError(
                f'conn.{call} is for LiveStream("websocket"): the client of any other kind has '
                "nothing more to say"
            )

    def close(self, code: int = 1000, reason: str = "") -> Wait[None]:
        """End the stream in order: the client sees that it is complete.

        Waits until the end is written; for the close frame with which a WebSocket's client
        answers, wait with `closed()`. A stream that has ended stays as it is.

        Args:
            code: of a WebSocket's close frame.
            reason: of a WebSocket's close frame; at most 123 bytes.

        Raises:
            TypeError: this is no WebSocket, and a code was given.
            ValueError: no close frame can hold that (RFC 6455 §7.4).
        """
        check_close(code, reason)
        if (code, reason) != (1000, ""):
            self._check_speaks("close(code, reason)")
        if self._end is not None:
            return self._ended(None, lambda: None, "conn.close()")
        return cross(self._loop, lambda: self._close(code, reason), "conn.close()")

    async def _close(self, code: int, reason: str) -> None:
        self._finish_with(lambda: self._channel.close(code, reason))
        await self._bell.wait(
            lambda: self._end is not None or self._channel.is_silent, timeout=None
        )

    def reset(self) -> None:
        """Cut the connection (TCP RST): the client sees an error in mid stream."""
        if runs_here(self._loop):
            self._finish_with(self._cut)
            return
        with suppress(RuntimeError):  # the loop is closed, and so the stream has ended
            self._loop.call_soon_threadsafe(self._finish_with, self._cut)

    async def _cut(self) -> web.StreamResponse:
        return WireAnswer([Reset()], fault="reset by the test", status=self._exchange.status or 0)

    def closed(self, timeout: float | None = 5.0) -> Wait[StreamEnd]:
        """Wait until the stream has ended: the client went away, for example.

        Args:
            timeout: seconds to wait; None waits for ever.

        Raises:
            AssertionError: it is still open then.
        """

        def end() -> StreamEnd:
            __tracebackhide__ = True
            if self._end is None:
                raise AssertionError(
                    f"{self._client} is still there after {timeout:g} s: it neither left, nor "
                    f"did the test end its stream; {self.sent} bytes were sent to it"
                )
            return self._end

        return self._ended(timeout, end, "conn.closed()")

    def _ended(self, timeout: float | None, then: Callable[[], _T], call: str) -> Wait[_T]:
        return self._bell.until(
            lambda: self._end is not None, timeout=timeout, then=then, call=call
        )

    def _refusal(self, call: str) -> Wait[None]:
        """Return what waits for the end of a stream that is ending, and says why it ended."""

        def refuse() -> None:
            __tracebackhide__ = True
            raise StreamClosedError(self._describe_end(f"{call} reaches nobody"))

        return self._ended(None, refuse, call)

    def _describe_end(self, what: str) -> str:
        is_stopping = getattr(self._channel.request, "stopping", False)  # a thread may be early
        how = self._end or (STOPPED if is_stopping else "one side has closed")
        return f"{what}, for the stream to {self._client} has ended: {how}"

    @property
    def _client(self) -> str:
        return f"the client of {self.request.method} {clip(self.request.target)}"

    # --- in the server's loop -----------------------------------------------------------

    async def serve(self, on_end: Callable[[LiveConnection], None]) -> web.StreamResponse:
        """Hold the connection until the stream ends, and return the answer."""
        try:
            ending = await self._channel.hold(self._over)
            self._by = ending.by
            return await ending.end()
        finally:
            self._over.cancel()
            # A turn later the exchange says how it ended: who waits may look at both.
            self._loop.call_soon(self._finish, on_end)

    def _finish_with(self, end: Callable[[], Awaitable[web.StreamResponse]]) -> None:
        if not self._over.done():
            self._over.set_result(Ending("test", end))

    def _finish(self, on_end: Callable[[LiveConnection], None]) -> None:
        by = _BY.get(self._exchange.fault or "", self._by)
        at = monotonic()
        code = self._channel.client_code
        self._end = StreamEnd(by, at - self.request.received_at, self.sent, at, code)
        on_end(self)
        self._bell.ring()

    def __repr__(self) -> str:
        state = self._end or ("open" if self.is_open else "ending")
        return f"<LiveConnection to {self._client}: {state}, {self.sent} bytes sent>"
