"""Tells of a loop that is blocked while a client waits for the server in it: the classic deadlock.

An async test that calls its server by `requests.get(...)` waits for an answer that only the loop
can give that it blocks. The watchdog is a thread that asks every loop a few times a second to
show that it still turns. Of one that does not, while somebody waits for it, it says which line
blocks it and what to do; and it answers who waits, so that the test fails in place of hanging.
"""

from __future__ import annotations

import _thread
import logging
import os
import threading
import time
import warnings
from time import monotonic
from typing import TYPE_CHECKING, TypeAlias
from weakref import ref

from ..exceptions import BlockedLoopError, BlockedLoopWarning
from .blocked import observe
from .rescue import is_waited_for, rescue

if TYPE_CHECKING:
    import asyncio

    from .blocked import Stuck
    from .host import Host

__all__ = ["WATCHDOG", "Ward", "Watchdog"]

_log = logging.getLogger("asyncly.srvmocker")

_PATIENCE = 1.0
"""Seconds that a loop may stand still while a client waits."""
_LOOKS = 4
"""How often the watchdog looks in that time."""
_BUSY = 0.05
"""From this part of its time on a processor, a thread computes: it is slow, not blocked."""


Ward: TypeAlias = "tuple[ref[Host], ref[asyncio.AbstractEventLoop], int]"
"""What is watched: a host, a loop in which it is served, and the thread of that loop.

The references are weak: whoever forgets to stop a service shall be told so by Python.
"""


class _Post:
    """From where one loop is looked at.

    The loop is asked to show that it turns, by a callback that it has to run. Only one that has
    not run it at the next look is looked at more closely.
    """

    def __init__(self, ward: Ward) -> None:
        self.ward = ward
        self._clock: int | None = None
        self._is_asked = False
        self._standstill: _Standstill | None = None

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to watch."""
        host, loop = self.ward[0](), self.ward[1]()
        return host is None or loop is None or loop.is_closed()

    def turn(self) -> None:
        """Show that the loop turns; called in the loop."""
        self._is_asked = False
        if self._clock is None and hasattr(time, "pthread_getcpuclockid"):  # not macOS, Windows
            # Here, since it may crash for a thread that has ended.
            self._clock = time.pthread_getcpuclockid(_thread.get_ident())

    def forgive(self) -> None:
        """Begin anew: more than this loop stood still."""
        self._standstill = None

    def look(self, patience: float) -> None:
        """See whether the loop turns; if it does not, and somebody waits for it, raise the alarm.

        Args:
            patience: seconds that it may stand still.
        """
        host, loop, thread = self.ward[0](), self.ward[1](), self.ward[2]
        if host is None or loop is None or not loop.is_running():
            self._standstill = None  # the loop of a session, between two tests
        elif self._is_asked and self._standstill is not None:
            self._standstill.look(host, loop, patience)
        else:
            if not self._is_asked:
                self._is_asked = True
                loop.call_soon_threadsafe(self.turn)
            self._standstill = _Standstill(thread, self._clock)


class _Standstill:
    """The time since a loop was asked to show that it turns.

    Args:
        thread: where the loop runs.
        clock: the clock of the time that this thread has spent on a processor; None where
            there is none.
    """

    __slots__ = ("_clock", "_cpu", "_error", "_is_told", "_looked_at", "_seen", "_since", "_thread")

    def __init__(self, thread: int, clock: int | None) -> None:
        self._thread = thread
        self._clock = clock
        self._since = monotonic()
        self._seen = 0
        self._is_told = False
        self._error: BlockedLoopError | None = None
        self._take_time()

    def _take_time(self) -> None:
        self._looked_at = monotonic()
        self._cpu = time.process_time() if self._clock is None else time.clock_gettime(self._clock)

    def _is_busy(self) -> bool:
        """Tell whether the thread has computed since the last look."""
        cpu, looked_at = self._cpu, self._looked_at
        self._take_time()
        return self._cpu - cpu > _BUSY * (self._looked_at - looked_at)

    def look(self, host: Host, loop: asyncio.AbstractEventLoop, patience: float) -> None:
        """Raise the alarm if this takes too long, and a client waits that has waited before."""
        is_busy = self._is_busy()
        if not is_waited_for(host, loop):
            self._seen = 0
            return
        self._seen += 1
        if self._seen < 2 or monotonic() - self._since < patience:
            return
        stuck = observe(self._thread)
        if stuck is None or stuck.in_debugger:
            return
        if not self._is_told:
            self._is_told = True
            self._warn(host, stuck, patience, is_busy=is_busy)
        if is_busy:  # it is slow, not dead: its clients get their answers yet
            return
        if self._error is None:
            text = f"{_describe(host, stuck, patience)}\n{_advise(is_busy=False)}"
            self._error = BlockedLoopError(text, stuck.filename, stuck.lineno)
            host.note_error(self._error)
        rescue(host, loop, self._error)

    def _warn(self, host: Host, stuck: Stuck, patience: float, *, is_busy: bool) -> None:
        """Warn at the line that blocks; log it too, for those who look at a test that hangs."""
        what = _describe(host, stuck, patience)
        _log.warning("%s", what)
        warning = BlockedLoopWarning(f"{what}\n{_advise(is_busy=is_busy)}")
        try:
            warnings.warn_explicit(warning, BlockedLoopWarning, stuck.filename, stuck.lineno)
        except BlockedLoopWarning as raised:  # warnings are errors: raised here, nobody sees it
            if is_busy:
                host.note_error(raised)


def _describe(host: Host, stuck: Stuck, patience: float) -> str:
    return (
        f"the event loop that serves {host.url} has stood still for {patience:g} s, and a client "
        f"waits for it. It is blocked by\n{stuck}"
    )


def _advise(*, is_busy: bool) -> str:
    end = "will get its answer late" if is_busy else "got a 503, or was cut off"
    return (
        f"The server runs in that same loop, so it cannot answer; what waits {end}. Instead\n"
        "  use an async client: aiohttp, httpx.AsyncClient\n"
        "  or `await asyncio.to_thread(...)` around what blocks\n"
        "  or a server on a thread of its own: `with run_service(routes) as service:`\n"
        "  or, with the fixture: `@pytest.mark.mock_service(thread=True)`"
    )


class Watchdog:
    """Watches loops, on a thread that is there while there are some.

    The thread is one that `threading` does not know of: a test that counts the threads of its
    client shall not find ours.

    Args:
        patience: seconds that a loop may stand still while a client waits.
    """

    def __init__(self, patience: float = _PATIENCE) -> None:
        self._patience = patience
        self._pause = patience / _LOOKS
        self._wards: dict[int, Ward] = {}
        self._posts: dict[int, _Post] = {}
        self._is_awake = False
        self._lock = threading.Lock()
        self._told = self._ended = threading.Lock()

    def watch(self, host: Host, loop: asyncio.AbstractEventLoop) -> Ward:
        """Watch the running loop, in which a host is served, until `leave`.

        Every start of a service pays for it, so it does next to nothing.
        """
        ward = (ref(host), ref(loop), _thread.get_ident())
        self._wards[id(ward)] = ward
        if not self._is_awake:
            self.wake()
        return ward

    def leave(self, ward: Ward) -> None:
        """Watch it no more."""
        self._wards.pop(id(ward), None)

    # --- the thread ---------------------------------------------------------------------

    def wake(self) -> None:
        """Begin to look, if there is something to watch."""
        with self._lock:
            if self._is_awake or not self._wards:
                return
            self._is_awake = True
            self._told, self._ended = threading.Lock(), threading.Lock()
            self._told.acquire()
            self._ended.acquire()
            try:
                _thread.start_new_thread(self._run, (self._told, self._ended))
            except RuntimeError:  # no more threads, or the interpreter ends
                self._is_awake = False

    def sleep(self) -> None:
        """Look no more until `wake`, and wait for the end of the thread."""
        with self._lock:
            if self._is_awake:
                self._told.release()
                self._ended.acquire(timeout=1)
                self._is_awake = False

    def forget(self) -> None:
        """Watch nothing any more: this process is a copy of that in which the loops run."""
        self._wards.clear()
        self._is_awake = False
        self._lock = threading.Lock()

    def _run(self, told: threading.Lock, ended: threading.Lock) -> None:
        try:
            while not self._is_done():
                self._look()
                begun = monotonic()
                if told.acquire(timeout=self._pause):
                    return
                if monotonic() - begun > 2 * self._pause:  # all stood still: a laptop asleep
                    for post in self._posts.values():
                        post.forgive()
        finally:
            ended.release()

    def _is_done(self) -> bool:
        """Tell whether nothing is to be watched, and then be no longer awake.

        `watch` adds first and asks then whether the thread is awake; here it is the other way
        round, so one of the two sees what the other has done.
        """
        if self._wards:
            return False
        self._is_awake = False
        if not self._wards:
            return True
        with self._lock:
            if self._is_awake:  # another thread looks already
                return True
            self._is_awake = True
            return False

    def _look(self) -> None:
        before, self._posts = self._posts, {}
        for key, ward in tuple(self._wards.items()):
            post = before.get(key)
            if post is None or post.ward is not ward:
                post = _Post(ward)
            if post.is_over:
                self.leave(ward)
                continue
            self._posts[key] = post
            try:
                post.look(self._patience)
            except Exception:
                _log.exception("the watchdog could not look at a loop")


WATCHDOG = Watchdog()
"""That of this process."""

if hasattr(os, "register_at_fork"):
    # A copy of the thread's locks must not be held, and the copy of a process must not answer
    # for the clients of the first one. Python itself warns of a fork beside threads.
    os.register_at_fork(
        before=WATCHDOG.sleep, after_in_parent=WATCHDOG.wake, after_in_child=WATCHDOG.forget
    )
