"""A listener with something behind it: the life of every server here, and its journal."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from yarl import URL

    from ..journal import Exchange, Journal
    from ..request import RecordedRequest
    from .connection import HttpServer
    from .listener import Acceptor, Listener

__all__ = ["Host", "Serving"]


class Serving:
    """What serves a listener in one loop.

    Args:
        server: the connections.
        acceptor: accepts new ones.
        close: closes what else was opened for it.
    """

    def __init__(
        self,
        server: HttpServer,
        acceptor: Acceptor,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._server = server
        self._acceptor = acceptor
        self._close = close

    async def start(self) -> Serving:
        """Accept connections from now on; stopped again if that is cancelled. Return itself."""
        try:
            await self._acceptor.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def stop(self) -> None:
        """Accept no more, cut every connection, and wait for a bounded time for their tasks."""
        self._acceptor.pause()
        try:
            await self._cut()
        finally:  # cancelled or not
            if self._close is not None:
                await self._close()

    async def _cut(self) -> None:
        try:
            # asyncio loses a socket that it has accepted, but not begun, when its server is closed.
            await asyncio.sleep(0)
        finally:
            tasks = self._acceptor.stop()
            self._server.abort()
        await self._server.stop()
        if tasks:
            await asyncio.wait(tasks)


class Host(ABC):
    """The base of the mock service and the proxy: bound, started, stopped, and what came."""

    def __init__(self, listener: Listener, journal: Journal) -> None:
        self._listener = listener
        self._journal = journal
        self._errors: list[BaseException] = []
        self._serving: Serving | None = None
        self._is_started = False

    @abstractmethod
    async def serve(self) -> Serving:
        """Begin to serve the bound port in the running loop."""

    def bind(self) -> None:
        """Bind the port, so that there is a `url`; clients wait until the service is started.

        Raises:
            OSError: the address cannot be bound.
        """
        self._listener.bind()

    def close(self) -> None:
        """Give the port back; what serves it is stopped by `stop()`."""
        self._listener.close()

    async def start(self) -> None:
        """Serve in the running loop; `async with` does this for you.

        Raises:
            OSError: the address cannot be bound.
            RuntimeError: it is already started.
        """
        if self._is_started:
            raise RuntimeError(f"{self!r} is already started")
        self._is_started = True
        try:
            self._serving = await self.serve()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Cut every connection and give the port back; `async with` does this for you."""
        self._listener.close()
        serving, self._serving = self._serving, None
        self._is_started = False
        if serving is not None:
            await serving.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def url(self) -> URL:
        """Where the server listens: point the client here. It has no path: `url / "fact"`."""
        return self._listener.url

    def _origin(self) -> URL:
        return self._listener.url

    @property
    def _place(self) -> str:
        """Where it listens, or that it does not, for reprs."""
        return str(self._listener.url) if self._listener.has_url else "not started"

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Everything that arrived and what became of it, in order of arrival."""
        return tuple(self._journal)

    @property
    def history(self) -> tuple[RecordedRequest, ...]:
        """Every request, in order of arrival, also those that nothing took."""
        return tuple(exchange.request for exchange in self._journal)

    @property
    def errors(self) -> tuple[BaseException, ...]:
        """The exceptions raised while answering, in order; `exchange.error` holds each too."""
        return tuple(self._errors)
