"""A listener with something behind it: the life of every server here, and its journal."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NoReturn, Self

from ..journal import STOPPED
from .evidence import ConnectionLog
from .outage import Outage, check_kind
from .ports import Ports
from .watchdog import WATCHDOG

if TYPE_CHECKING:
    from types import TracebackType

    from yarl import URL

    from ..journal import Exchange, Journal
    from ..request import RecordedRequest
    from ..waiting import Wait
    from .evidence import ConnectionRecord
    from .listener import Listener
    from .outage import OutageKind
    from .serving import Serving
    from .standstill import Ward

__all__ = ["Host"]


class Host(ABC):
    """The base of the mock service and the proxy: bound, started, stopped, and what came.

    Attributes:
        ports: where it listens, for what leads clients here.
    """

    _entered_by = ("run_service", "start_service")

    def __init__(self, listener: Listener, journal: Journal) -> None:
        self.ports = Ports(listener)
        self._listener = listener
        self._journal = journal
        self._connections = ConnectionLog(journal.limit)
        self._errors: list[BaseException] = []
        self._serving: Serving | None = None
        self._ward: Ward | None = None
        self._is_started = False

    @abstractmethod
    def _make_serving(self) -> Serving:
        """Return what serves the ports in the running loop, not started yet."""

    async def serve(self) -> Serving:
        """Begin to serve the bound port in the running loop."""
        self._journal.life.begin()
        self._listener.bind()
        return await self._make_serving().start()

    def bind(self) -> None:
        """Bind the port, so that there is a `url`; clients wait until the service is started.

        Raises:
            OSError: the address cannot be bound.
        """
        self._listener.bind()

    def close(self) -> None:
        """Give the ports back; what serves them is stopped by `stop()`."""
        self.ports.close()

    def conclude(self, why: str = STOPPED) -> None:
        """Tell those who wait for something that happens here that nothing does any more.

        Args:
            why: what has ended it, in words.
        """
        self._journal.life.finish(why)
        self._journal.bell.ring()

    def lose_connections(self, why: str) -> None:
        """Tell those who wait for the end of a connection that its loop is closed.

        Args:
            why: what has ended it, in words.
        """
        self._connections.lose(why)

    async def start(self) -> None:
        """Serve in the running loop; `async with` does this for you.

        Raises:
            OSError: the address cannot be bound.
            RuntimeError: it is already started.
        """
        if self._is_started:
            raise RuntimeError(f"{self!r} is already started")
        self._is_started = True
        self._ward = WATCHDOG.watch(self, asyncio.get_running_loop())
        try:
            self._serving = await self.serve()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Cut every connection and give the port back; `async with` does this for you."""
        self.close()
        serving, self._serving = self._serving, None
        self._is_started = False
        if self._ward is not None:
            WATCHDOG.leave(self._ward)
            self._ward = None
        try:
            if serving is not None:
                await serving.stop()
        finally:
            self.conclude()

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

    def __enter__(self) -> NoReturn:
        """Refuse `with`: a host serves in a loop."""
        run, start = self._entered_by
        raise TypeError(
            f"`with {start}(...)` serves nothing: it is `async with {start}(...)` where a loop "
            f"runs, and `with {run}(...)` where none does"
        )

    def __exit__(self, *error: object) -> None:  # noqa: B027 - nothing is to be done
        """Do nothing: it is never entered so."""

    # --- port states --------------------------------------------------------------------

    def down(self) -> Wait[None]:
        """Refuse connections from now on, and reset those that are open, as a crash does.

        The port stays this service's; `up()` serves it again. What was recorded stays.
        `await` it in asyncio or trio; in a test without a loop write `service.down().block()`.

        Raises:
            RuntimeError: the service does not run, or its port is changing already.
        """
        return self.ports.enter("refused", "service.down()")

    def up(self) -> Wait[None]:
        """Serve again, on the same port.

        Raises:
            RuntimeError: the service does not run, or its port is changing already.
        """
        return self.ports.enter("up", "service.up()")

    def outage(self, kind: OutageKind = "refused") -> Outage:
        """Take the service away while a block runs; connections that are open are reset.

        Use it as `async with service.outage():`, or without a loop as `with`.

        Args:
            kind: what a client that connects meets. `"refused"`: nobody listens. `"silent"`: the
                connection is accepted, and nobody ever answers; what waits when the outage ends
                is reset. `"blackhole"`: the connection is never established (Linux only).

        Raises:
            ValueError: another kind.
            NotImplementedError: this system has no black hole.
            RuntimeError: when the block is entered: the service does not run, or is away already.
        """
        check_kind(kind)
        return Outage(self.ports, kind)

    # --- what came ----------------------------------------------------------------------

    @property
    def runs(self) -> bool:
        """Whether the port is this host's now."""
        return self._listener.is_bound

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
    def connections(self) -> tuple[ConnectionRecord, ...]:
        """The connections, in the order in which they were opened: what passed, who closed."""
        return self._connections.all()

    @property
    def history(self) -> tuple[RecordedRequest, ...]:
        """Every request, in order of arrival, also those that nothing took."""
        return tuple(exchange.request for exchange in self._journal)

    @property
    def errors(self) -> tuple[BaseException, ...]:
        """The exceptions raised while answering, in order; `exchange.error` holds each too."""
        return tuple(self._errors)

    def note_error(self, error: BaseException) -> None:
        """Add an error that belongs to no request to `errors`."""
        self._errors.append(error)

    def _forget(self) -> None:
        """Forget what came."""
        self._journal.clear()
        self._connections.forget_closed()
        self._errors.clear()
