"""The ports of a host: its own listener and its doors, in every loop that serves them."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from operator import methodcaller
from typing import TYPE_CHECKING, Any

from ..tls import Tls
from ..waiting import Bell, cross, in_turn, runs_here
from .handshake import Handshake
from .listener import Listener
from .outage import ServiceStopped
from .serving import Serving

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Coroutine, Generator

    from yarl import URL

    from ..waiting import Wait
    from .connection import Connection, HttpServer
    from .outage import State

__all__ = ["Ports"]

_PATIENCE = 5.0
"""Seconds that who opens a door waits for those who change the ports at the same time."""


class Ports:
    """The listeners of a host, in every loop that serves them.

    A door is a further listener: what clients reach that ask for another URL than the host's.

    Args:
        own: the listener of the host itself.

    Attributes:
        own: the same.
    """

    def __init__(self, own: Listener) -> None:
        self.own = own
        self._listeners = [own]
        self._servings: tuple[Serving, ...] = ()
        self._changing = threading.Lock()  # it is never blocked on
        self._changed = Bell()

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """The host's own listener, and its doors that are open; another thread may ask."""
        return tuple(self._listeners)

    @property
    def state(self) -> State:
        """What clients meet that connect."""
        return self.own.state

    @property
    def are_served(self) -> bool:
        """Whether some loop serves them."""
        return not all(serving.is_over for serving in self._servings)

    def connections_in(self, loop: asyncio.AbstractEventLoop) -> list[Connection]:
        """Return the connections that a loop serves, at the moment."""
        servings = [item for item in self._servings if item.loop is loop and not item.is_over]
        return [connection for serving in servings for connection in serving.connections]

    def serve_by(
        self, server: HttpServer, close: Callable[[], Awaitable[None]] | None = None
    ) -> Serving:
        """Return what serves them in the running loop, not started yet."""
        running = (item for item in self._servings if not item.is_over)
        serving = Serving(self._listeners, server, close)
        self._servings = (*running, serving)
        return serving

    def close(self) -> None:
        """Give the ports back; what serves them is stopped by itself, but in a closed loop."""
        for listener in self._listeners:
            listener.close()
        del self._listeners[1:]
        for serving in self._servings:
            if serving.loop.is_closed():
                serving.stop_now()

    # --- states -------------------------------------------------------------------------

    def enter(self, state: State, call: str) -> Wait[None]:
        """Return what brings the ports into a state, in every loop that serves them.

        Args:
            state: the state.
            call: how the user called it, for messages.
        """

        def steps() -> Generator[Wait[None], None, None]:
            try:
                if state != "up":
                    yield from self._in_every_loop(Serving.suspend, Serving.suspend_now, call)
                for listener in self._listeners:
                    listener.enter(state)
            except BaseException:  # cancelled, or refused by the system: go on as before
                self._resume_later()
                raise
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
                if not self.own.is_bound:
                    raise ServiceStopped(f"{call}: {self.own.absence}")
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
            if serving.is_over:
                continue
            if serving.loop.is_closed():
                serving.stop_now()
            elif serving.loop.is_running():
                yield cross(serving.loop, partial(work, serving), call)
            else:
                stand_in(serving)

    def _resume_later(self) -> None:
        for serving in self._servings:
            if not serving.is_over:
                with suppress(RuntimeError):  # the loop is closed
                    serving.resume_later()

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
        own = self.own.handshake
        security = Handshake(Tls()) if own is None or own.kit is None else own
        return Listener("127.0.0.1", 0, security, known_as, also_plain=plain)

    def open_door(self, door: Listener) -> Wait[None]:
        """Serve one more listener wherever the host is served, in the state of its own port.

        Doors that are opened at once, in other tasks or threads, are opened one after the other.

        Raises:
            RuntimeError: the host does not run, or its port is changing all the time.
            OSError: the address cannot be bound.
        """

        def steps() -> Generator[Wait[None], None, None]:
            door.bind()
            door.enter(self.own.state)
            self._listeners.append(door)
            yield from self._in_every_loop(Serving.resume, Serving.resume_later, "open_door")

        return self._change(steps, f"the door at {door.locate()}", _PATIENCE)

    def close_door(self, door: Listener) -> Wait[None]:
        """Serve a door no more: its connections are closed and its port is given back."""

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
