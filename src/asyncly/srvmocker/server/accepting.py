"""Accepting: from a listening socket to connections that begin in the running loop.

asyncio's own server is not used. It forgets the connections that it has accepted and not begun,
and the handshakes under way, so it cannot be left without leaks; it takes the socket away when
it is closed, and two turns of the loop to start; and a lone client pays for a second accept that
finds nobody.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from ..responses.steps import NO_LINGER

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

__all__ = ["Acceptor", "Begin"]

Begin: TypeAlias = "Callable[[socket.socket], Coroutine[None, None, None]]"
"""Begins a connection: it takes over the accepted socket."""

_RETRY_DELAY = 0.5
"""Seconds until a system that could not accept, mostly for want of descriptors, is asked again."""

_log = logging.getLogger("asyncly.srvmocker")


class Acceptor:
    """Accepts the connections of a listening socket in the running loop, until it is stopped.

    The port stays bound when the accepting ends: it works on a duplicate of the socket.

    Args:
        bound: the listening socket.
        begin: begins a connection; cancelled, it ends it at once.
        beginning: holds the sockets whose beginning is not cancelled any more: a turn or two
            later it is over, and the connection can be closed as any other.
    """

    def __init__(
        self, bound: socket.socket, begin: Begin, beginning: Collection[socket.socket]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._begin = begin
        self._beginning = beginning
        # -1: the system tells what it is, which costs less than what `bound` says of itself.
        self._served = socket.fromfd(bound.fileno(), -1, -1, -1)
        self._served.setblocking(False)
        self._descriptor = self._served.fileno()  # asyncio formats a text of anything else
        self._tasks: dict[socket.socket, asyncio.Task[None]] = {}
        self._waiting: asyncio.Task[None] | None = None
        # What nothing else closes yet: a task that is cancelled before its first step does not.
        self._unclaimed: set[socket.socket] = set()
        self._retry: asyncio.TimerHandle | None = None
        self._listen()

    def _listen(self) -> None:
        try:
            self._loop.add_reader(self._descriptor, self._accept)
        except NotImplementedError:  # Windows' proactor loop has no readers
            self._waiting = self._loop.create_task(self._accept_by_waiting())

    def _accept(self) -> None:
        """Take the clients that wait.

        A lone one is not followed by a second question, whose answer is an exception. Where
        more come than have begun yet, all that wait are taken at once: a full queue costs a
        client a second.
        """
        while self._accept_one() and len(self._tasks) > 1:
            pass

    def _accept_one(self) -> bool:
        """Take a client; tell whether another one may wait."""
        try:
            connection, _ = self._served.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except ConnectionAbortedError:  # it has gone already
            return True
        except OSError as error:
            _warn(error)
            self._loop.remove_reader(self._descriptor)
            self._retry = self._loop.call_later(_RETRY_DELAY, self._listen)
            return False
        self._begin_soon(connection)
        return True

    async def _accept_by_waiting(self) -> None:
        while True:
            try:
                connection, _ = await self._loop.sock_accept(self._served)
            except ConnectionAbortedError:
                continue
            except OSError as error:
                _warn(error)
                await asyncio.sleep(_RETRY_DELAY)
            else:
                self._begin_soon(connection)

    def _begin_soon(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._unclaimed.add(connection)
        task = self._loop.create_task(self._run(connection))
        if not task.done():  # an eager one may be
            self._tasks[connection] = task

    async def _run(self, connection: socket.socket) -> None:
        self._unclaimed.discard(connection)
        try:
            await self._begin(connection)
        finally:
            self._tasks.pop(connection, None)

    def stop(self) -> list[asyncio.Task[None]]:
        """Accept no more, and reset what has not begun. Return the tasks that still end.

        In a loop that stands still they end when it runs again; in a closed one, never.
        """
        if self._retry is not None:
            self._retry.cancel()
        if self._served.fileno() >= 0:
            with suppress(NotImplementedError, RuntimeError):  # it has none, or is closed
                self._loop.remove_reader(self._descriptor)
            self._served.close()
        ending = [task for raw, task in self._tasks.items() if raw not in self._beginning]
        tasks = list(self._tasks.values())
        if self._waiting is not None:
            ending.append(self._waiting)
            tasks.append(self._waiting)
        for task in ending:
            with suppress(RuntimeError):  # the loop is closed
                task.cancel()
        while self._unclaimed:
            with self._unclaimed.pop() as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        return tasks


def _warn(error: OSError) -> None:
    _log.warning(
        "the mock server cannot accept a connection, and tries again in %g s: %s",
        _RETRY_DELAY,
        error,
    )
