"""One side of a tunnel: a protocol that passes on whatever happens to its connection."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, cast

from ..responses.steps import NO_LINGER, reset

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TunnelEnd"]


class TunnelEnd(asyncio.BufferedProtocol):
    """One side of a tunnel.

    Args:
        buffer: what is read into; it is emptied before anybody else reads.
        end_direction: called when the peer ends its direction; returns whether ours stays.
        lose: called when the connection is no more.

    Attributes:
        other: the other side.
        transport: the connection, once the tunnel is open.
        begin: called with a new connection when it is made.
        lost: called when it is no more, by whoever made it.
        at_eof: whether the peer has ended its direction.
        is_lost: whether the connection is no more.
    """

    other: TunnelEnd
    transport: asyncio.Transport

    def __init__(
        self,
        buffer: memoryview,
        end_direction: Callable[[TunnelEnd], bool],
        lose: Callable[[TunnelEnd, Exception | None], None],
    ) -> None:
        self._buffer = buffer
        self._end_direction = end_direction
        self._lose = lose
        self.begin: Callable[[asyncio.Transport], None] | None = None
        self.lost: Callable[[Exception | None], None] | None = None
        self.at_eof = False
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the tunnel."""
        if self.begin is not None:
            self.begin(cast("asyncio.Transport", transport))

    # --- bytes ----------------------------------------------------------------------------

    def get_buffer(self, sizehint: int) -> memoryview:
        """Give the memory for what comes next."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Pass on what came into the memory."""
        self.pass_on(bytes(self._buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Pass on what came; some loops hand it over just here."""
        self.pass_on(data)

    def pass_on(self, data: bytes) -> None:
        """Write to the other side."""
        if data and not self.other.is_lost and not self.other.transport.is_closing():
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        """Read no more at the other side while this one does not take it."""
        if not self.other.is_lost:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on at the other side."""
        if not self.other.is_lost:
            self.other.transport.resume_reading()

    # --- ends -----------------------------------------------------------------------------

    def eof_received(self) -> bool:
        """Pass on that nothing more comes."""
        return self._end_direction(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on that it is no more."""
        self.is_lost = True
        if self.lost is not None:
            self.lost(exc)
        self._lose(self, exc)

    def end_writing(self) -> None:
        """Send a FIN behind what is written."""
        if not self.is_lost and not self.transport.is_closing():
            try:
                self.transport.write_eof()
            except OSError:  # the peer has reset it, and the loop does not know yet
                self.transport.abort()

    def close(self) -> None:
        """Close in order, behind what is written."""
        if not self.is_lost and not self.transport.is_closing():  # twice, asyncio's TLS is broken
            self.transport.close()

    def abort(self) -> None:
        """Close at once."""
        if not self.is_lost:
            self.transport.abort()

    def reset(self) -> None:
        """Close at once with a RST."""
        if not self.is_lost:
            reset(self.transport)

    def reset_in_turn(self) -> None:
        """Hand the socket what is written, then close with a RST."""
        if self.is_lost:
            return
        if not self.transport.can_write_eof():  # TLS would take its leave in order
            reset(self.transport)
            return
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.transport.close()
