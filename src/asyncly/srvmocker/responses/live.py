"""Streams that the test drives: it holds the connection and says what is sent, and when."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Literal
from weakref import WeakSet

from ..journal import snapshot
from ..life import Lives
from ..text import shorten
from ..waiting import Bell, Wait
from .base import BaseMockResponse, exchange_of
from .kinds import KINDS
from .live_connection import LiveConnection
from .websocket_upgrade import check_protocols

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import web

    from .base import Registration
    from .canned import Headers

__all__ = ["LiveStream"]

_SHOWN = 5
"""Requests that a message lists."""


class LiveStream(BaseMockResponse):
    r"""A stream that the test drives: register it, then `accept()` the connection of each client.

    It is a handle and no value: equal to nothing but itself. It may be registered under several
    names and with several services; the clients of all of them come to the same `accept()`.

    Args:
        kind: `"sse"` for server-sent events, `"ndjson"` for JSON lines, `"chunked"` for bytes,
            `"websocket"` for messages in both directions.
        status: the status code; a WebSocket is always answered 101.
        headers: a mapping or pairs; a Content-Type here wins.
        protocols: sub-protocols that a WebSocket speaks (RFC 6455 §1.9).

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: there is no such kind, or an answer of this status has no body.

    Example:
        >>> async def test_live():
        ...     live = LiveStream("sse")
        ...     async with start_service([MockRoute("GET", "/events", "events")]) as service:
        ...         service.register("events", live)
        ...         async with (
        ...             aiohttp.ClientSession() as session,
        ...             session.get(service.url / "events") as answer,
        ...         ):
        ...             conn = await live.accept()
        ...             await conn.send("one")
        ...             assert await answer.content.readline() == b"data: one\n"
        ...             await conn.close()
        >>> asyncio.run(test_live())
    """

    def __init__(
        self,
        kind: Literal["sse", "ndjson", "chunked", "websocket"],
        *,
        status: int = 200,
        headers: Headers | None = None,
        protocols: Iterable[str] = (),
    ) -> None:
        if kind not in KINDS:
            known = ", ".join(map(repr, KINDS))
            raise ValueError(f"LiveStream takes one of the kinds {known}, got {shorten(kind)}")
        self.protocols = check_protocols(protocols)
        KINDS[kind].check(status, headers, self.protocols)
        self.kind = kind
        self.status = status
        self.headers = headers
        self._bell = Bell()
        self._lives = Lives(self._bell)
        self._arrived: deque[tuple[web.Request, LiveConnection]] = deque()
        self._open: dict[LiveConnection, None] = {}
        self._accepted = 0
        self._registrations: WeakSet[Registration] = WeakSet()

    def accept(self, timeout: float | None = 5.0) -> Wait[LiveConnection]:
        """Wait for the next client and return its stream. The head of the answer is sent by then.

        Clients are given out in the order in which they came, each once, also those that came
        before and one that has left again: `closed()` tells. Those of a service that has stopped
        are forgotten.

        Args:
            timeout: seconds to wait; None waits for ever.

        Raises:
            AssertionError: no client came in time, or before every service with this stream was
                stopped; the text says what came instead.
        """
        taken: list[LiveConnection] = []
        ended: str | None = None

        def take() -> bool:
            nonlocal ended
            ended = self._lives.end  # before the question: nobody comes after that
            with suppress(IndexError):
                while not taken:
                    request, connection = self._arrived.popleft()
                    if not getattr(request, "stopping", False):  # else its service has ended
                        taken.append(connection)
                        self._accepted += 1
            return bool(taken) or ended is not None

        def give() -> LiveConnection:
            __tracebackhide__ = True
            if not taken:
                raise AssertionError(self._describe_absence(ended, timeout))
            return taken[0]

        return self._bell.until(take, timeout=timeout, then=give, call="live.accept()")

    @property
    def connections(self) -> tuple[LiveConnection, ...]:
        """The streams that are open now, accepted or not, in the order in which they came."""
        return snapshot(self._open)

    def registered(self, registration: Registration) -> None:
        """Learn where it is registered."""
        self._registrations.add(registration)
        self._lives.add(registration.journal.life)

    async def response(self, request: web.Request) -> web.StreamResponse:
        """Open the stream and hold it until it ends; a HEAD is answered with the head alone."""
        exchange = exchange_of(self, request)
        channel = KINDS[self.kind](request, self.status, self.headers, self.protocols)
        refusal = channel.refuse()
        if refusal is not None:
            return refusal
        exchange.status = channel.answer.status  # before the first byte: a test may look at it
        await channel.open(exchange)
        connection = LiveConnection(exchange, channel)
        self._open[connection] = None
        self._arrived.append((request, connection))
        self._bell.ring()
        return await connection.serve(self._forget)

    def _forget(self, connection: LiveConnection) -> None:
        self._open.pop(connection, None)

    def _describe_absence(self, ended: str | None, timeout: float | None) -> str:
        registrations = snapshot(self._registrations)
        names = sorted({item.handler_name for item in registrations})
        late = f"in {timeout:g} s" if ended is None else f"until {ended}"
        text = f"no client came to {self!r} {late}"
        if not names:
            return f"{text}: it is registered nowhere. service.register(name, live) comes first"
        text += f"\nregistered for {', '.join(map(repr, names))}"
        text += f"\n{self._accepted} accepted before, {len(self._open)} open now"
        came = [item for journal in {r.journal for r in registrations} for item in journal]
        if not came:
            return f"{text}\nno request came at all: does the client call service.url?"
        came.sort(key=lambda exchange: exchange.request.received_at)
        lines = [
            f"\n  {item.request.method} {item.request.target} → {item.outcome}" for item in came
        ]
        shown = "".join(lines[-_SHOWN:])
        return (
            f"{text}\nrequests that came, the last {min(len(came), _SHOWN)} of {len(came)}:{shown}"
        )

    def __repr__(self) -> str:
        protocols = f", protocols={self.protocols}" if self.protocols else ""
        return (
            f"LiveStream({self.kind!r}, status={self.status}, headers={self.headers!r}{protocols})"
        )
