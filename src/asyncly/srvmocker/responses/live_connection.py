"""The stream to one client, in the test's hand."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from ..exceptions import StreamClosedError
from ..journal import CLIENT_LEFT, STOPPED
from ..text import clip
from ..waiting import Bell, Wait, cross, runs_here
from .kinds import EndedBy, Ending
from .wire import Reset, WireAnswer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    from ..journal import Exchange
    from ..request import RecordedRequest
    from .kinds import Channel

__all__ = ["LiveConnection", "StreamEnd"]

_T = TypeVar("_T")

_BY: dict[str, EndedBy] = {CLIENT_LEFT: "client", STOPPED: "service"}


@dataclass(frozen=True)
class StreamEnd:
    """How the stream to one client ended.

    Attributes:
        by: `"client"`: it went away; `"test"`: `close()` or `reset()`; `"service"`: it stopped.
        after: seconds from the arrival of the request to the end.
        sent: bytes of the stream that were handed to the socket, without head and framing.
        at: `time.monotonic()` in seconds, as in `RecordedRequest.received_at`.
    """

    by: EndedBy
    after: float
    sent: int
    at: float

    def __str__(self) -> str:
        who = {"client": "the client left", "test": "the test ended it"}
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
        self._bell = Bell()
        self._end: StreamEnd | None = None
        self._sent = 0

    @property
    def request(self) -> RecordedRequest:
        """The request that opened the stream."""
        return self._exchange.request

    @property
    def sent(self) -> int:
        """Bytes of the stream that were handed to the socket, without head and framing."""
        return self._sent

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
                `ServerSentEvent` for `"sse"`.

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
                self._sent += await self._channel.send(data)
            except ConnectionError:  # in the moment of its end
                pass
            else:
                return
        await self._refusal("conn.send(...)")

    def close(self) -> Wait[None]:
        """End the stream in order: the client sees that it is complete.

        Waits until the end is written. A stream that has ended stays as it is.
        """
        if self._end is not None:
            return self._ended(None, lambda: None, "conn.close()")
        return cross(self._loop, self._close, "conn.close()")

    async def _close(self) -> None:
        self._finish_with(self._channel.close)
        await self._ended(None, lambda: None, "conn.close()")

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
            if self._end is None:
                raise AssertionError(
                    f"{self._client} is still there after {timeout:g} s: it neither left, nor "
                    f"did the test end its stream; {self._sent} bytes were sent to it"
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
            raise StreamClosedError(
                f"{call} reaches nobody, for the stream to {self._client} has ended: {self._end}"
            )

        return self._ended(None, refuse, call)

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
        self._end = StreamEnd(by, at - self.request.received_at, self._sent, at)
        on_end(self)
        self._bell.ring()

    def __repr__(self) -> str:
        state = self._end or ("open" if self.is_open else "ending")
        return f"<LiveConnection to {self._client}: {state}, {self._sent} bytes sent>"
