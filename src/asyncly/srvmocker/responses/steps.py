"""The steps of a wire script: what a server can do to a connection, one thing each."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..text import shorten
from .numbers import check_amount

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["NO_LINGER", "Fin", "HalfClose", "Pause", "Reset", "Send", "Stall", "Step", "reset"]

NO_LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""On, for no seconds: closing the socket sends a RST in place of a FIN (POSIX, SO_LINGER)."""

_NO_HALF_CLOSE = (
    "HalfClose() cannot be sent over TLS: there a direction cannot be ended by itself. "
    "Use Fin(), or serve plain HTTP"
)


class Step(ABC):
    """One thing that happens on the wire.

    Attributes:
        ends: whether nothing can happen on the connection after it.
        words: what it does, in a word or two, for `exchange.fault`.
    """

    ends = False

    @property
    @abstractmethod
    def words(self) -> str:
        """What the step does, in a word or two."""

    @abstractmethod
    async def run(self, request: web.BaseRequest) -> None:
        """Make it happen on the connection of `request`."""

    def check_transport(self, *, tls: bool) -> None:  # noqa: B027 - most happen anywhere
        """Refuse a connection on which it cannot happen.

        Raises:
            ValueError: it cannot; the text says why.
        """

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


@dataclass(frozen=True, repr=False)
class Send(Step):
    """Write bytes as they are, and wait until the socket has taken all of them.

    Over TLS the last 64 KiB may still wait in the loop for a client that does not read.

    Args:
        data: the bytes, of the head or the body of an answer or of neither.

    Raises:
        TypeError: `data` is no bytes.

    Example:
        >>> Send(b"HTTP/1.1 200 OK")
        Send(b'HTTP/1.1 200 OK')
    """

    data: bytes

    def __post_init__(self) -> None:
        if not isinstance(self.data, bytes):
            hint = f"; write b{self.data!r}" if isinstance(self.data, str) else ""
            raise TypeError(f"Send takes bytes, got {shorten(self.data)}{hint}")

    @property
    def words(self) -> str:
        """How many bytes."""
        return f"{len(self.data)} bytes"

    async def run(self, request: web.BaseRequest) -> None:
        """Write, and wait while the client does not read."""
        transport = request.transport
        if transport is not None and not transport.is_closing():
            # A drain is over when all is sent. asyncio's TLS pauses at the limit, not above it.
            tls = transport.get_extra_info("ssl_object") is not None
            transport.set_write_buffer_limits(high=1 if tls else 0, low=0)
        await request.writer.write(self.data)
        await request.writer.drain()

    def __repr__(self) -> str:
        return f"Send({shorten(self.data)})"


@dataclass(frozen=True, repr=False)
class Pause(Step):
    """Do nothing for a while.

    Args:
        seconds: how long.

    Raises:
        TypeError: that is no number.
        ValueError: it is negative or not finite.

    Example:
        >>> Pause(0.5)
        Pause(0.5)
    """

    seconds: float

    def __post_init__(self) -> None:
        check_amount(self.seconds, "Pause takes seconds")

    @property
    def words(self) -> str:
        """How long."""
        return f"a pause of {self.seconds} s"

    async def run(self, request: web.BaseRequest) -> None:
        """Sleep; the end of the connection or of the service ends it."""
        await asyncio.sleep(self.seconds)

    def __repr__(self) -> str:
        return f"Pause({self.seconds!r})"


@dataclass(frozen=True, repr=False)
class Fin(Step):
    """Send what is written and close the connection in order (TCP FIN, RFC 9293 §3.6)."""

    ends = True

    @property
    def words(self) -> str:
        """The segment's name."""
        return "FIN"

    async def run(self, request: web.BaseRequest) -> None:
        """Close."""
        if request.transport is not None:
            request.transport.close()


@dataclass(frozen=True, repr=False)
class HalfClose(Step):
    """End the direction to the client with a FIN, and go on reading (RFC 9293 §3.6).

    After it nothing can be sent: only `Pause`, `Stall`, `Fin` or `Reset` may follow. A service
    that speaks TLS refuses it at registration.
    """

    @property
    def words(self) -> str:
        """What it is called."""
        return "half-close"

    def check_transport(self, *, tls: bool) -> None:
        """Refuse TLS.

        Raises:
            ValueError: it is TLS.
        """
        if tls:
            raise ValueError(_NO_HALF_CLOSE)

    async def run(self, request: web.BaseRequest) -> None:
        """Shut down writing."""
        if request.transport is not None:
            self.check_transport(tls=not request.transport.can_write_eof())
            request.transport.write_eof()


@dataclass(frozen=True, repr=False)
class Reset(Step):
    """Cut the connection at once (TCP RST, RFC 9293 §3.5.2), under TLS too.

    What a `Send` before it wrote has left for the client, but a system may drop what was not
    read when the RST arrives (Linux keeps it). Put a `Pause` between them where that matters.
    """

    ends = True

    @property
    def words(self) -> str:
        """The segment's name."""
        return "RST"

    async def run(self, request: web.BaseRequest) -> None:
        """Close the socket without a FIN."""
        if request.transport is not None:
            record = getattr(getattr(request, "connection", None), "record", None)
            if record is not None:  # over TLS nothing tells it later
                record.note_end("server", was_reset=True)
            reset(request.transport)


def reset(transport: asyncio.Transport) -> None:
    """Close the socket of a transport without a FIN."""
    # One that is closed already has told nobody yet: of TLS it has lost its socket (in asyncio
    # even what knew of it), of uvloop its socket is closed.
    with suppress(AttributeError, OSError, ValueError):
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER
        )
    transport.abort()


@dataclass(frozen=True, repr=False)
class Stall(Step):
    """Do nothing more: the connection stays open until the client or the service leaves."""

    ends = True

    @property
    def words(self) -> str:
        """What it is called."""
        return "stall"

    async def run(self, request: web.BaseRequest) -> None:
        """Wait; the end of the connection or of the service cancels it."""
        await asyncio.get_running_loop().create_future()
