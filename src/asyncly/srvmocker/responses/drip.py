"""A transport that hands bytes on at a rate."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.base_protocol import BaseProtocol

__all__ = ["DripTransport", "piece_size"]

_NO_LIMIT = 1 << 30
_LIMIT = 64 * 1024
_PIECES = 20
"""Pieces in a second, where the rate allows it."""


def piece_size(rate: float) -> int:
    """Return how many bytes leave at once, at so many bytes per second."""
    return math.ceil(rate / _PIECES)


class DripTransport(asyncio.Transport):
    """Stands before a connection's transport; what is written leaves piece by piece.

    Its buffer counts as full while anything is in it, so a drain is over when all has left.

    Args:
        transport: what is behind it.
        protocol: told when to pause its writing.
        rate: bytes per second.
    """

    def __init__(self, transport: asyncio.Transport, protocol: BaseProtocol, rate: float) -> None:
        super().__init__()
        self._transport = transport
        self._protocol = protocol
        self._piece = piece_size(rate)
        self._rate = rate
        self._loop = asyncio.get_running_loop()
        self._waiting = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Future[None] | None = None
        self._end: Callable[[], None] | None = None
        self._ending = False
        self._paused = False
        # Only one of the two may tell the protocol to pause, and this one is the slower.
        transport.set_write_buffer_limits(high=_NO_LIMIT)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Take bytes; the first piece leaves at once."""
        self._waiting += data
        if self._timer is None:
            self._send_piece()
        self._tell_protocol()

    def _send_piece(self) -> None:
        self._timer = None
        if self._transport.is_closing():
            self._waiting.clear()
        piece = 0
        if self._waiting and self._transport.get_write_buffer_size() < _LIMIT:
            piece = min(self._piece, len(self._waiting))
            self._transport.write(bytes(self._waiting[:piece]))
            del self._waiting[:piece]
        if self._waiting or piece:  # a write soon after this one has to wait for its turn
            self._timer = self._loop.call_later(
                (piece or self._piece) / self._rate, self._send_piece
            )
        if not self._waiting:
            self._finish()
        self._tell_protocol()

    def _finish(self) -> None:
        if self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)
        if self._end is not None:
            self._loop.call_soon(self._end)  # after whoever waits: the end would cancel it
            self._end = None

    def _tell_protocol(self) -> None:
        if self._protocol.transport is not self:  # the connection is lost, or this one is behind
            return
        if self._waiting and not self._paused:
            self._paused = True
            self._protocol.pause_writing()
        elif self._paused and not self._waiting:
            self._paused = False
            self._protocol.resume_writing()

    async def emptied(self) -> None:
        """Wait until all has left."""
        if self._waiting:
            self._emptied = self._loop.create_future()
            await self._emptied

    def release(self) -> None:
        """Hand on at once whatever is left, and get out of the way."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and not self._transport.is_closing():
            self._transport.write(bytes(self._waiting))
        self._waiting.clear()
        self._finish()
        self._tell_protocol()
        if not self._transport.is_closing():
            self._transport.set_write_buffer_limits()

    def _after_all(self, end: Callable[[], None]) -> None:
        self._end = end
        self._ending = True
        if not self._waiting:
            self._finish()

    def close(self) -> None:
        """Close when all has left."""
        self._after_all(self._transport.close)

    def write_eof(self) -> None:
        """End this direction when all has left."""
        self._after_all(self._transport.write_eof)

    def abort(self) -> None:
        """Cut the connection now."""
        self._waiting.clear()
        self._transport.abort()
        self._finish()

    def is_closing(self) -> bool:
        """Whether it is closed, or will be when all has left."""
        return self._ending or self._transport.is_closing()

    def can_write_eof(self) -> bool:
        """Whether the transport behind it can end one direction."""
        return self._transport.can_write_eof()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the transport behind it knows."""
        return self._transport.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        """Return the bytes that have not left."""
        return len(self._waiting) + self._transport.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing: its buffer is full while anything is in it."""

    def pause_reading(self) -> None:
        """Let the transport behind it read no more."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Let the transport behind it read again."""
        self._transport.resume_reading()
