"""What is known of the connections: who opened, what passed, who closed."""

from __future__ import annotations

import socket
import struct
import sys
from collections import deque
from contextlib import suppress
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Literal

from ..journal import snapshot
from ..report import count as numbered
from ..responses.steps import NO_LINGER
from ..waiting import Bell

if TYPE_CHECKING:
    import asyncio

    from ..tls import TlsFault
    from ..waiting import Wait

__all__ = ["ConnectionLog", "ConnectionRecord"]

_TCP_INFO = struct.Struct("=B127xQ64xQ")
"""Linux's struct tcp_info: the state, and how many bytes were received and sent (linux/tcp.h)."""
_FIN_CAME = frozenset({6, 8, 9, 11})
"""TIME_WAIT, CLOSE_WAIT, LAST_ACK, CLOSING: there Linux counts the FIN as a byte received."""


class ConnectionRecord:
    """What one connection was. Read it; the server alone writes it.

    Attributes:
        number: its number on this service, from 1; `RecordedRequest.connection` is the same.
        opened_at: `time.monotonic()` in seconds when it began; under TLS, before the handshake.
        closed_at: the same for its end; None while it is open.
        closed_by: `"client"` or `"server"`; None while it is open.
        was_reset: whether it ended by a reset (TCP RST) in place of an orderly close (FIN).
        requests: how many requests came over it, those that were no HTTP included.
        handshake_error: why the TLS handshake failed, in words; None if it did not.
        handshake_hint: what can be done about that; empty where nobody knows.
        tls_fault: what was made to go wrong in the handshake; None for nothing.
        refusal: why the client was turned away at once, in words; None if it was not.
    """

    __slots__ = (
        "_bell",
        "_bytes",
        "_end",
        "_is_settled",
        "_lost",
        "_socket",
        "closed_at",
        "closed_by",
        "handshake_error",
        "handshake_hint",
        "has_begun",
        "number",
        "opened_at",
        "refusal",
        "requests",
        "tls_fault",
        "was_reset",
    )

    def __init__(self, number: int, connected: socket.socket | None, bell: Bell) -> None:
        self.number = number
        self.opened_at = monotonic()
        self.closed_at: float | None = None
        self.closed_by: Literal["client", "server"] | None = None
        self.was_reset = False
        self.requests = 0
        self.handshake_error: str | None = None
        self.handshake_hint = ""
        self.tls_fault: TlsFault | None = None
        self.refusal: str | None = None
        self.has_begun = False
        self._socket = connected
        self._bell = bell
        self._bytes: tuple[int, int] | None = None
        self._is_settled = False
        self._lost: str | None = None
        self._end: tuple[Literal["client", "server"], bool] | None = None

    @property
    def bytes_in(self) -> int | None:
        """Bytes that came over the wire, those of TLS included; None if the system cannot tell.

        Only Linux can (`TCP_INFO`), and over TLS not if the client has reset the connection
        before anybody asked.
        """
        passed = self._count()
        return None if passed is None else passed[0]

    @property
    def bytes_out(self) -> int | None:
        """Bytes that left over the wire, those of TLS included; None if the system cannot tell."""
        passed = self._count()
        return None if passed is None else passed[1]

    @property
    def is_open(self) -> bool:
        """Whether it is not closed yet."""
        return self.closed_at is None

    def closed(self, *, timeout: float | None = 5.0) -> Wait[ConnectionRecord]:
        """Wait until the connection is closed, by whomever, and return this record.

        The exchange that was under way has ended by then, and its `fault` says how.

        `await` it in asyncio or trio; in a test without a loop write `.closed().block()`.

        Args:
            timeout: seconds to wait; None waits for ever.

        Raises:
            AssertionError: it was not closed in time, or its loop was closed before its response
                had ended; the text says what passed so far.
        """

        def close() -> ConnectionRecord:
            __tracebackhide__ = True
            if not self._is_settled:
                wish = f"waited {timeout:g} s for" if self._lost is None else "waited for"
                until = f" until {self._lost}" if self._lost else ""
                late = "" if self.is_open else "; its response has not ended yet"
                raise AssertionError(f"{wish} the end of {self}{until}{late}")
            return self

        return self._bell.until(
            lambda: self._is_settled or self._lost is not None,
            timeout=timeout,
            then=close,
            call="connection.closed()",
        )

    def note_end(self, by: Literal["client", "server"], *, was_reset: bool) -> None:
        """Note who ends it, and how, as soon as that is known; the first one counts.

        Over TLS the socket is closed when the end itself is told: what it knows is asked now.
        """
        if self._end is None:
            self._end = (by, was_reset)
            self._count()

    def close(self, error: BaseException | None, task: asyncio.Task[None] | None) -> None:
        """Note the end.

        Args:
            error: what the transport gives as the reason.
            task: answers the requests; who waits for the end waits for that of the task too.
        """
        if self._end is not None:
            self._count()  # some may have passed since
        elif isinstance(error, ConnectionError):
            self.note_end("client", was_reset=True)
        elif self._end is None:
            self.note_end("server", was_reset=self._is_to_be_reset())
        self._note_closed()
        if task is None or task.done():
            self._settle()
        else:
            task.add_done_callback(self._settle)

    def hand_over(self, connected: socket.socket) -> None:
        """Go on with the socket of the transport: the handshake is over, and was good."""
        self._socket = connected
        self.has_begun = True

    def fail(self, by: Literal["client", "server"], *, was_reset: bool = False) -> None:
        """Note the end of what never began; `handshake_error` or `refusal` says why."""
        self.note_end(by, was_reset=was_reset)
        self._note_closed()
        self._settle()

    def lose(self, why: str) -> None:
        """Note that nothing more is learned of it, if its end is not known yet."""
        if not self._is_settled:
            self._lost = why
            self._bell.ring()

    def _note_closed(self) -> None:
        assert self._end is not None  # noqa: S101 - for the type checker
        self._socket = None
        self.closed_by, self.was_reset = self._end
        self.closed_at = monotonic()

    def _settle(self, _: object = None) -> None:
        self._is_settled = True
        self._bell.ring()

    def _count(self) -> tuple[int, int] | None:
        raw = self._socket
        if raw is None or sys.platform != "linux":
            return self._bytes
        try:
            info = raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
            state, received, sent = _TCP_INFO.unpack(info)
        # It is closed, which uvloop says by a ValueError; the kernel is too old.
        except (OSError, ValueError, AttributeError, struct.error):
            return self._bytes
        self._bytes = received - (state in _FIN_CAME), sent
        return self._bytes

    def _is_to_be_reset(self) -> bool:
        """Tell whether the server's side closes without a FIN, as a fault wishes it."""
        try:
            assert self._socket is not None  # noqa: S101 - for the type checker
            linger = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(NO_LINGER))
        except (OSError, ValueError):  # over TLS it is closed already; uvloop: a ValueError
            return False
        return bool(linger == NO_LINGER)

    def __str__(self) -> str:
        """Tell in a few words what it was, for messages."""
        passed = self._count()
        traffic = "" if passed is None else f", {passed[0]} bytes in, {passed[1]} out"
        how = " by a reset" if self.was_reset else ""
        end = "open" if self.is_open else f"closed by the {self.closed_by}{how}"
        why = self.refusal or self.handshake_error
        failed = f"; {why}" if why else ""
        requests = numbered(self.requests, "request")
        return f"connection {self.number}: {end}, {requests}{traffic}{failed}"

    def __repr__(self) -> str:
        return f"<ConnectionRecord {self}>"


class ConnectionLog:
    """The connections of one service, the newest ones, however many loops serve it.

    Args:
        limit: how many are remembered.
    """

    def __init__(self, limit: int) -> None:
        self._records: deque[ConnectionRecord] = deque(maxlen=limit)
        self._numbers = count(1)
        self._bell = Bell()

    def open(self, connected: socket.socket | None) -> ConnectionRecord:
        """Record a new connection, under TLS before its handshake."""
        record = ConnectionRecord(next(self._numbers), connected, self._bell)
        self._records.append(record)
        self._bell.ring()
        return record

    def forget_closed(self) -> None:
        """Forget the connections that are no more."""
        for record in self.all():
            if not record.is_open:
                with suppress(ValueError, IndexError):  # another thread was quicker
                    self._records.remove(record)

    def all(self) -> tuple[ConnectionRecord, ...]:
        """Return the records, in the order in which they were opened."""
        return snapshot(self._records)

    def lose(self, why: str) -> None:
        """Note that nothing more is learned of the connections whose end is not known yet.

        Their loop is closed.
        """
        for record in self.all():
            record.lose(why)
