"""A listener with something behind it: the life of every server here, and its journal."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from functools import partial
from operator import methodcaller
from typing import TYPE_CHECKING, Any, NoReturn, Self

from ..tls import Tls
from ..waiting import Bell, cross, in_turn, runs_here
from .evidence import ConnectionLog
from .handshake import Handshake
from .listener import Listener
from .outage import Outage, ServiceStopped, check_kind
from .watchdog import WATCHDOG

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator
    from types import TracebackType

    from yarl import URL

    from ..journal import Exchange, Journal
    from ..request import RecordedRequest
    from ..waiting import Wait
    from .accepting import Acceptor
    from .connection import Connection, HttpServer
    from .evidence import ConnectionRecord
    from .outage import OutageKind, State
    from .standstill import Ward

__all__ = ["Host", "Serving"]

_PATIENCE = 5.0
"""Seconds that who opens a door waits for those who change the ports at the same time."""


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
        while self._acceptors:
            self._acceptors.popitem()[1].stop()
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
        acceptor = self._acceptors.pop(listener, None)
        if acceptor is not None:
            acceptor.stop()
        self._server.close_now(listener)

    async def stop(self) -> None:
        """Accept no more, cut every connection, and wait for a bounded time for their tasks."""
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

    async def _stop_accepting(self, *listeners: Listener) -> None:
        """Accept no more, and wait for the end of what had not begun yet."""
        tasks: list[asyncio.Task[None]] = []
        for listener in listeners:
            acceptor = self._acceptors.pop(listener, None)
            if acceptor is not None:
                tasks += acceptor.stop()
        if tasks:
            await asyncio.wait(tasks)


class Host(ABC):
    """The base of the mock service and the proxy: bound, started, stopped, and what came."""

    _entered_by = ("run_service", "start_service")

    def __init__(self, listener: Listener, journal: Journal) -> None:
        self._listener = listener
        self._listeners = [listener]
        self._journal = journal
        self._connections = ConnectionLog(journal.limit)
        self._errors: list[BaseException] = []
        self._serving: Serving | None = None
        self._ward: Ward | None = None
        self._servings: tuple[Serving, ...] = ()
        self._is_started = False
        self._changing = threading.Lock()  # it is never blocked on
        self._changed = Bell()

    @abstractmethod
    def _make_serving(self) -> Serving:
        """Return what serves the port in the running loop, not started yet."""

    async def serve(self) -> Serving:
        """Begin to serve the bound port in the running loop."""
        self._listener.bind()
        serving = self._make_serving()
        running = (item for item in self._servings if not item.is_over)
        self._servings = (*running, serving)
        return await serving.start()

    def bind(self) -> None:
        """Bind the port, so that there is a `url`; clients wait until the service is started.

        Raises:
            OSError: the address cannot be bound.
        """
        self._listener.bind()

    def close(self) -> None:
        """Give the ports back; what serves them is stopped by `stop()`."""
        for listener in self._listeners:
            listener.close()
        del self._listeners[1:]

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
        return self._enter("refused", "service.down()")

    def up(self) -> Wait[None]:
        """Serve again, on the same port.

        Raises:
            RuntimeError: the service does not run, or its port is changing already.
        """
        return self._enter("up", "service.up()")

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
        return Outage(self, kind)

    # --- doors --------------------------------------------------------------------------

    def make_door(self, known_as: URL, *, tls: bool, plain: bool) -> Listener:
        """Return a listener on this machine, for `open_door`.

        Over TLS it shows certificates of our authority, and does what `tls=` says of the host.

        Args:
            known_as: the URL that clients ask for.
            tls: whether it speaks TLS.
            plain: whether it speaks plain HTTP; with both it does what a client does.

        Raises:
            ImportError: TLS needs the extra `tls`.
        """
        if not tls:
            return Listener("127.0.0.1", 0, known_as=known_as)
        own = self._listener.handshake
        security = Handshake(Tls()) if own is None or own.kit is None else own
        return Listener("127.0.0.1", 0, security, known_as, also_plain=plain)

    def open_door(self, door: Listener) -> Wait[None]:
        """Serve one more listener wherever this host is served, in the state of its own port.

        A door is what clients reach that ask for another URL than the host's. Doors that are
        opened at once, in other tasks or threads, are opened one after the other.

        Raises:
            RuntimeError: the host does not run, or its port is changing all the time.
            OSError: the address cannot be bound.
        """

        def steps() -> Generator[Wait[None], None, None]:
            door.bind()
            door.enter(self._listener.state)
            self._listeners.append(door)
            yield from self._in_every_loop(Serving.resume, Serving.resume_later, "open_door")

        return self._change(steps, f"the door at {door.locate()}", _PATIENCE)

    def close_door(self, door: Listener) -> Wait[None]:
        """Serve a listener no more: its connections are closed and its port is given back."""

        def steps() -> Generator[Wait[None], None, None]:
            if door in self._listeners:
                self._listeners.remove(door)
            leave, leave_now = methodcaller("leave", door), methodcaller("leave_now", door)
            yield from self._in_every_loop(leave, leave_now, "close_door")
            door.close()

        return in_turn(steps, "close_door")

    def halt_door(self, door: Listener) -> None:
        """Do what `close_door` does, for those who cannot wait: what it leaves ends by itself."""
        if door in self._listeners:
            self._listeners.remove(door)
        for serving in self._servings:
            if serving.is_over or serving.loop.is_closed():
                continue
            if runs_here(serving.loop) or not serving.loop.is_running():
                serving.leave_now(door)
            else:
                with suppress(RuntimeError):  # it is closed by now
                    serving.loop.call_soon_threadsafe(serving.leave_now, door)
        door.close()

    @property
    def _port_state(self) -> State:
        return self._listener.state

    def _enter(self, state: State, call: str) -> Wait[None]:
        """Return what brings the ports into a state, in every loop that serves them."""

        def steps() -> Generator[Wait[None], None, None]:
            if state != "up":
                yield from self._in_every_loop(Serving.suspend, Serving.suspend_now, call)
            for listener in self._listeners:
                listener.enter(state)
            yield from self._in_every_loop(Serving.resume, Serving.resume_later, call)

        return self._change(steps, call)

    def _change(
        self,
        steps: Callable[[], Generator[Wait[None], None, None]],
        call: str,
        patience: float = 0,
    ) -> Wait[None]:
        """Return what takes the steps, one change at a time.

        Args:
            steps: a generator function.
            call: how the user called it, for messages.
            patience: seconds that it waits for another change to end; 0 refuses it.
        """
        has_turn = False

        def take_turn() -> bool:
            nonlocal has_turn
            has_turn = has_turn or self._changing.acquire(blocking=False)
            return has_turn

        def guarded() -> Generator[Wait[None], None, None]:
            nonlocal has_turn
            if not take_turn() and patience:
                yield self._changed.until(take_turn, timeout=patience, then=lambda: None, call=call)
            if not has_turn:
                raise RuntimeError(
                    f"{call}: the port is changing already; await the other call first"
                )
            try:
                if not self._listener.is_bound:
                    raise ServiceStopped(f"{call}: {self!r} does not run")
                yield from steps()
            finally:
                has_turn = False
                self._changing.release()
                self._changed.ring()

        return in_turn(guarded, call)

    def _in_every_loop(
        self,
        work: Callable[[Serving], Coroutine[Any, Any, None]],
        stand_in: Callable[[Serving], None],
        call: str,
    ) -> Generator[Wait[None], None, None]:
        """Yield what is to be waited for: `work` in each loop.

        A loop that stands still, that of a session while a test runs in another one, could be
        waited for without end: there `stand_in` does what can be done from here.
        """
        for serving in self._servings:
            if serving.is_over or serving.loop.is_closed():
                continue
            if serving.loop.is_running():
                yield cross(serving.loop, partial(work, serving), call)
            else:
                stand_in(serving)

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

    def _connections_in(self, loop: asyncio.AbstractEventLoop) -> list[Connection]:
        """Return the connections that a loop serves, at the moment."""
        servings = [item for item in self._servings if item.loop is loop and not item.is_over]
        return [connection for serving in servings for connection in serving.connections]

    def _forget(self) -> None:
        """Forget what came."""
        self._journal.clear()
        self._connections.forget_closed()
        self._errors.clear()
