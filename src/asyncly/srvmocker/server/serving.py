"""What serves the listeners of a host in one loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from ..waiting import cross
from .outage import ServiceStopped

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .accepting import Acceptor
    from .connection import Connection, HttpServer
    from .listener import Listener

__all__ = ["Serving"]


class Serving:
    """What serves the listeners of a host in one loop.

    Args:
        listeners: what is served; the list is the host's, and may grow.
        server: the connections.
        close: closes what else was opened for it.
    """

    def __init__(
        self,
        listeners: list[Listener],
        server: HttpServer,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.is_over = False
        self._listeners = listeners
        self._server = server
        self._close = close
        self._acceptors: dict[Listener, Acceptor] = {}

    @property
    def connections(self) -> list[Connection]:
        """The connections that are open; another thread may ask."""
        return self._server.open_connections

    async def start(self) -> Serving:
        """Accept connections from now on; stopped again if that fails. Return itself."""
        try:
            self._accept()
        except BaseException:
            await self.stop()
            raise
        return self

    async def resume(self) -> None:
        """Accept connections at every listener that is up."""
        self._accept()

    def _accept(self) -> None:
        for listener in tuple(self._listeners):
            if listener.state == "up" and listener not in self._acceptors and not self.is_over:
                self._acceptors[listener] = listener.accept(self._server)

    def resume_later(self) -> None:
        """Accept connections as soon as the loop runs, which stands still now."""

        def resume() -> None:
            with suppress(ServiceStopped):  # by now
                self._accept()

        self.loop.call_soon_threadsafe(resume)

    def suspend_now(self) -> None:
        """Accept no more, in a loop that stands still; its connections end when it runs again."""
        self._halt(*self._acceptors)
        self._server.cut_now()

    async def suspend(self) -> None:
        """Accept no more and reset every connection."""
        await self._stop_accepting(*self._acceptors)
        await self._server.cut()

    async def leave(self, listener: Listener) -> None:
        """Accept no more at one listener and close its connections."""
        await self._stop_accepting(listener)
        await self._server.close_those_of(listener)

    def leave_now(self, listener: Listener) -> None:
        """Accept no more at one listener, at once; its connections end when the loop turns."""
        self._halt(listener)
        self._server.close_now(listener)

    async def stop(self) -> None:
        """Accept no more, cut every connection, and wait for a bounded time for their tasks.

        From another loop it is done in its own one, if that runs; else nothing is waited for.
        """
        if asyncio.get_running_loop() is not self.loop:
            await self._stop_from_outside()
            return
        self.is_over = True
        try:
            try:
                await self._stop_accepting(*self._acceptors)
            finally:
                self._server.abort()
            await self._server.wait_for_end()
        finally:  # cancelled or not
            if self._close is not None:
                await self._close()

    async def _stop_from_outside(self) -> None:
        if self.loop.is_running():
            await cross(self.loop, self.stop, "service.stop()")
            return
        self.stop_now()
        if self._close is not None:
            await self._close()

    def stop_now(self) -> None:
        """Accept no more and cut every connection, in a loop that stands still or is closed.

        Connections end when it runs again; in a closed one only their clients learn it.
        """
        self.is_over = True
        self._halt(*self._acceptors)
        self._server.stopping = True
        for connection in self.connections:
            try:
                connection.abort()
            except RuntimeError:  # the loop is closed, and leaves its sockets open
                connection.shut()

    async def _stop_accepting(self, *listeners: Listener) -> None:
        """Accept no more, and wait for the end of what had not begun yet."""
        tasks = self._halt(*listeners)
        if tasks:
            await asyncio.wait(tasks)

    def _halt(self, *listeners: Listener) -> list[asyncio.Task[None]]:
        """Accept no more, at once. Return the tasks of what had not begun yet."""
        acceptors = [self._acceptors.pop(listener, None) for listener in listeners]
        return [task for acceptor in acceptors if acceptor for task in acceptor.stop()]
