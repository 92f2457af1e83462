"""A port that is ours while nobody serves it: refused, silent, or a black hole."""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, Protocol, Self, TypeAlias, get_args

from ..responses.steps import NO_LINGER
from ..waiting import refuse_in_loop
from .local import reached_at

if TYPE_CHECKING:
    from types import TracebackType

    from ..waiting import Wait

__all__ = [
    "Outage",
    "OutageKind",
    "ServiceStopped",
    "State",
    "check_kind",
    "dig_hole",
    "empty_queue",
    "hold",
    "listen_again",
]

OutageKind: TypeAlias = Literal["refused", "silent", "blackhole"]
State: TypeAlias = Literal["up", "refused", "silent", "blackhole"]

_FILLERS = 3
"""Connections that fill the queue of a socket that listens with a backlog of 0."""


class _Ports(Protocol):
    @property
    def state(self) -> State: ...
    def enter(self, state: State, call: str) -> Wait[None]: ...


class Outage:
    """A block during which a service is away; made by `service.outage()`."""

    def __init__(self, ports: _Ports, kind: OutageKind) -> None:
        self._ports = ports
        self._kind: OutageKind = kind

    def _begin(self) -> Wait[None]:
        if (state := self._ports.state) != "up":
            raise RuntimeError(
                f"{self!r}: the service is away already ({state}); end that first, "
                "by leaving its block or by service.up()"
            )
        return self._ports.enter(self._kind, repr(self))

    def _finish(self) -> Wait[None]:
        return self._ports.enter("up", repr(self))

    async def __aenter__(self) -> Self:
        await self._begin()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(ServiceStopped):
            await self._finish()

    def __enter__(self) -> Self:
        refuse_in_loop(repr(self))
        self._begin().block()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(ServiceStopped):
            self._finish().block()

    def __repr__(self) -> str:
        return f"service.outage({self._kind!r})"


class ServiceStopped(RuntimeError):  # noqa: N818 - a state
    """The service does not run: not yet, or no more."""


def check_kind(kind: object) -> None:
    """Refuse an outage that there is not.

    Raises:
        ValueError: another word.
        NotImplementedError: this system cannot do it.
    """
    if kind not in get_args(OutageKind):
        words = ", ".join(map(repr, get_args(OutageKind)))
        raise ValueError(f"outage takes one of {words}, got {kind!r}")
    if kind == "blackhole" and sys.platform != "linux":
        raise NotImplementedError(
            "outage('blackhole') needs Linux, whose full queues drop a SYN; "
            "use outage('silent'): it accepts and never answers"
        )


def hold(listening: socket.socket) -> socket.socket:
    """Return a socket that keeps the port of a listening one without listening; close that one.

    Both share the port for a moment, so nobody can take it in between; and only for a moment:
    what a socket that does not listen is ready to share, any other service gets that asks for it.
    """
    holder = socket.socket(listening.family, socket.SOCK_STREAM)
    try:
        if hasattr(socket, "SO_REUSEPORT"):
            for one in (listening, holder):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if sys.platform != "win32":
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        address = listening.getsockname()
        if not hasattr(socket, "SO_REUSEPORT"):
            listening.close()
        holder.bind(address)
        for option in ("SO_REUSEADDR", "SO_REUSEPORT"):
            if hasattr(socket, option):
                holder.setsockopt(socket.SOL_SOCKET, getattr(socket, option), 0)
    except BaseException:
        holder.close()
        raise
    listening.close()
    return holder


def listen_again(holder: socket.socket, backlog: int) -> None:
    """Let the socket listen that has kept the port."""
    if sys.platform != "win32":  # the remains of old connections must not keep it from that
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.listen(backlog)


def dig_hole(listening: socket.socket) -> list[socket.socket]:
    """Let Linux drop every SYN that comes: the queue is made short, and filled.

    Returns:
        What fills the queue.
    """
    listening.listen(0)
    host, port, *rest = listening.getsockname()
    fillers = []
    for _ in range(_FILLERS):
        filler = socket.socket(listening.family, socket.SOCK_STREAM)
        filler.setblocking(False)
        with suppress(BlockingIOError):
            filler.connect((reached_at(host), port, *rest))
        fillers.append(filler)
    return fillers


def empty_queue(listening: socket.socket, fillers: list[socket.socket], backlog: int) -> None:
    """Take connections again; those that were let in while nobody served are reset.

    The requests of clients that have given up long ago would else be answered, and counted.
    """
    for filler in fillers:
        filler.close()
    listening.listen(backlog)
    listening.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            queued, _ = listening.accept()
            queued.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            queued.close()
