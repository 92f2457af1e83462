"""One loop, seen from outside: whether it turns, and what is said and done if it does not."""

from __future__ import annotations

import logging
import time
import warnings
from typing import TYPE_CHECKING, TypeAlias

from ..exceptions import BlockedLoopError, BlockedLoopWarning
from .blocked import observe
from .rescue import is_waited_for, rescue

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from weakref import ref

    from .blocked import Stuck
    from .host import Host

__all__ = ["LOOKS", "Post", "Ward"]

LOOKS = 4
"""How often a loop has been found standing still when the alarm is raised."""
_LOOKS_AT_CLIENTS = 2
"""How often, the last times of these, a client has been found waiting."""
_LOOKS_IN_DOUBT = 4 * LOOKS
"""How often, before clients are helped, where it may be another thread that computes."""
_BUSY = 0.05
"""From this part of its time on a processor, a thread computes: it is slow, not blocked."""

_ADVICE = """\
The server runs in that same loop, so it cannot answer; what waits {end}. Instead
  use an async client: aiohttp, httpx.AsyncClient
  or `await asyncio.to_thread(...)` around what blocks
  or a server on a thread of its own: `with run_service(routes) as service:`
  or, with the fixture: `@pytest.mark.mock_service(thread=True)`"""
_ADVICE_WITHIN = """\
Responses and predicates run in the loop that serves them: while one blocks, nobody is answered; \
what waits {end}. Instead
  make the callback an `async def`, and use an async client: aiohttp, httpx.AsyncClient
  or `await asyncio.to_thread(...)` around what blocks
  or, to answer late, take a LatencyResponse, or a GatedResponse that the test lets through"""

_log = logging.getLogger("asyncly.srvmocker")

Ward: TypeAlias = "tuple[ref[Host], ref[asyncio.AbstractEventLoop], int, int | None, bool]"
"""What is watched: a host, a loop in which it is served, the thread of that loop and its clock.

The last one tells whether the loop is our own: that of a service on a thread.

The clock tells the time that the thread has spent on a processor; None where nothing can (macOS,
Windows).

The references are weak: whoever forgets to stop a service shall be told so by Python.
"""


class Post:
    """From where one loop is looked at, every so often.

    The loop is asked to show that it turns, by a callback that it has to run. Only one that has
    not run it at the next look is looked at more closely.

    Args:
        ward: what is watched.
        pause: seconds between two looks.
    """

    def __init__(self, ward: Ward, pause: float) -> None:
        self.ward = ward
        self._pause = pause
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

    def forgive(self) -> None:
        """Begin anew: more than this loop stood still."""
        self._standstill = None

    def look(self) -> None:
        """See whether the loop turns; raise the alarm if somebody waits for one that does not."""
        host, loop = self.ward[0](), self.ward[1]()
        if host is None or loop is None or not loop.is_running():
            self._standstill = None  # the loop of a session, between two tests
        elif self._is_asked and self._standstill is not None:
            self._standstill.look(host, loop, lambda: self._is_asked)
        else:
            if not self._is_asked:
                self._is_asked = True
                loop.call_soon_threadsafe(self.turn)
            self._standstill = _Standstill(*self.ward[2:], self._pause)


class _Standstill:
    """The time since a loop was asked to show that it turns.

    It is counted in looks: clocks jump when a laptop wakes up, or when a test turns them.

    Args:
        thread: where the loop runs.
        clock: tells the time that this thread has spent on a processor; None where nothing can.
        is_own: whether the loop is our own.
        pause: seconds between two looks.
    """

    def __init__(self, thread: int, clock: int | None, is_own: bool, pause: float) -> None:
        self._thread = thread
        self._clock = clock
        self._is_own = is_own
        self._pause = pause
        self._looks = 0
        self._looks_at_clients = 0
        self._is_told = False
        self._error: BlockedLoopError | None = None
        self._cpu = self._cpu_time()

    def look(
        self, host: Host, loop: asyncio.AbstractEventLoop, is_blocked: Callable[[], bool]
    ) -> None:
        """Raise the alarm if this takes too long, and a client waits that has waited before."""
        self._looks += 1
        is_busy = self._is_busy()
        self._looks_at_clients = self._looks_at_clients + 1 if is_waited_for(host, loop) else 0
        if self._looks < LOOKS or self._looks_at_clients < _LOOKS_AT_CLIENTS:
            return
        stuck = observe(self._thread)
        if stuck is None or stuck.in_debugger:
            return
        what = self._describe(host, stuck)
        if not self._is_told:
            self._is_told = True
            advice = self._advise(stuck, is_busy=is_busy)
            _warn(host, stuck, what, advice, is_busy=is_busy)
        if is_busy and (self._clock is not None or self._looks < _LOOKS_IN_DOUBT):
            return  # it is slow, not dead: its clients get their answers yet
        if self._error is None:
            text = f"{what}\n{self._advise(stuck, is_busy=False)}"
            self._error = BlockedLoopError(text, stuck.filename, stuck.lineno)
            host.note_error(self._error)
        rescue(host, loop, is_blocked, self._error)

    def _cpu_time(self) -> float:
        return time.process_time() if self._clock is None else time.clock_gettime(self._clock)

    def _is_busy(self) -> bool:
        """Tell whether the thread has computed since the last look."""
        before, self._cpu = self._cpu, self._cpu_time()
        return self._cpu - before > _BUSY * self._pause

    def _describe(self, host: Host, stuck: Stuck) -> str:
        name = stuck.handler_name
        whom = "" if name is None else f" the response of {name!r}, at"
        return (
            f"the event loop that serves {host.url} has stood still for {LOOKS * self._pause:g} s, "
            f"and a client waits for it. It is blocked by{whom}\n{stuck}"
        )

    def _advise(self, stuck: Stuck, *, is_busy: bool) -> str:
        end = "gets its answer late" if is_busy else "got a 503, or was cut off"
        from_within = self._is_own or stuck.handler_name is not None
        return (_ADVICE_WITHIN if from_within else _ADVICE).format(end=end)


def _warn(host: Host, stuck: Stuck, what: str, advice: str, *, is_busy: bool) -> None:
    """Warn at the line that blocks; log it too, for those who look at a test that hangs."""
    _log.warning("%s", what)
    warning = BlockedLoopWarning(f"{what}\n{advice}")
    try:
        warnings.warn_explicit(warning, BlockedLoopWarning, stuck.filename, stuck.lineno)
    except BlockedLoopWarning as raised:  # warnings are errors: raised here, nobody sees it
        if is_busy:
            host.note_error(raised)
