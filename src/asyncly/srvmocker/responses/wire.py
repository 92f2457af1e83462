"""The wire: steps written straight to the connection. Every fault is a script of them."""

from __future__ import annotations

import socket
import struct
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp.abc import AbstractStreamWriter

__all__ = ["Fin", "Reset", "Send", "Step", "WireAnswer"]


# struct linger: on, zero seconds. Windows has shorts in it.
_NO_LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


class Step(ABC):
    """One thing that happens on the wire."""

    @abstractmethod
    async def run(self, request: web.BaseRequest) -> None:
        """Make it happen on the connection of `request`."""


@dataclass(frozen=True)
class Send(Step):
    """Write bytes as they are."""

    data: bytes

    async def run(self, request: web.BaseRequest) -> None:
        """Write, and wait while the client does not read."""
        await request.writer.write(self.data)


@dataclass(frozen=True)
class Fin(Step):
    """Send what is written and close the connection in order (TCP FIN, RFC 9293 §3.6)."""

    async def run(self, request: web.BaseRequest) -> None:
        """Close."""
        if request.transport is not None:
            request.transport.close()


@dataclass(frozen=True)
class Reset(Step):
    """Cut the connection at once (TCP RST, RFC 9293 §3.10.5); what is not sent yet is dropped."""

    async def run(self, request: web.BaseRequest) -> None:
        """Cut."""
        if request.transport is None:
            return
        connection = request.transport.get_extra_info("socket")
        if connection is not None:  # closing with nothing to linger for is a reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        request.transport.abort()


class WireAnswer(web.StreamResponse):
    """Runs a script in place of an answer; the connection ends with it.

    Args:
        steps: run in order.
        fault: what this is, in words, for the exchange.
        status: the status that the script sends; 0 if it sends none.
    """

    def __init__(self, steps: Sequence[Step], *, fault: str, status: int = 0) -> None:
        super().__init__(status=status)
        self.fault = fault
        self._steps = steps
        self._done = False

    @property
    def keep_alive(self) -> bool:
        """Always False."""
        return False

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Run the script, once."""
        if not self._done:
            self._done = True
            for step in self._steps:
                await step.run(request)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: the script has said all."""
