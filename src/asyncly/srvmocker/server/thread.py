"""A host on a thread with a loop of its own, for those whose own loop stands still, or is none."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any, Generic, NoReturn, ParamSpec, TypeVar

from ..exceptions import ServiceThreadError
from ..journal import STOPPED
from ..text import describe_error
from ..waiting import end_crossings
from .blocked import observe
from .watchdog import WATCHDOG

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

    from .host import Host
    from .serving import Serving

__all__ = ["OnThread", "ServingThread", "takes_arguments_of"]

_log = logging.getLogger("asyncly.srvmocker")

_P = ParamSpec("_P")
_T = TypeVar("_T")
_H = TypeVar("_H", bound="Host")

_END_TIMEOUT = 5.0
"""Seconds that a thread may take to end; only what blocks its loop can keep it longer."""
_TASKS_TIMEOUT = 1.0
"""Seconds that tasks which responses have left behind may take to end once they are cancelled."""


class ServingThread:
    """Serves a bound host on a thread with a loop of its own.

    Args:
        host: what is served. It is served when the constructor returns.

    Attributes:
        failure: why the thread has ended without being told to, or does not end; else None.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._loop = asyncio.new_event_loop()
        self._end: asyncio.Future[None] = self._loop.create_future()
        self._begun = threading.Event()
        self._over = threading.Event()  # Thread.join forgets its thread at a Ctrl-C (bpo-45274)
        self._error: BaseException | None = None
        self._is_given_up = False
        self.failure: ServiceThreadError | None = None
        self._thread = threading.Thread(target=self._run, name="asyncly mock server", daemon=True)
        try:
            self._thread.start()
            self._begun.wait()
        except RuntimeError:  # the system gives no more threads
            self._loop.close()
            raise
        except BaseException:  # Ctrl-C
            self.stop()
            raise
        if self._error is not None:
            self._wait()
            raise self._error

    def _run(self) -> None:
        why = STOPPED
        try:
            self._serve()
        except BaseException as error:  # also what ends a process: here it ends the thread alone
            if self._begun.is_set():
                described = describe_error(error)
                why = f"the thread of the server ended: {described}"
                self._fail(f"has ended too early: {described}", error)
            else:
                self._error = error
        finally:
            if not self._is_given_up:
                self._host.conclude(why)
                self._host.lose_connections(why)
            self._begun.set()
            self._over.set()

    def _serve(self) -> None:
        loop = self._loop
        serving: Serving | None = None
        ward = WATCHDOG.watch(self._host, loop, is_own=True)
        try:
            serving = loop.run_until_complete(self._host.serve())
            self._begun.set()
            loop.run_until_complete(self._end)
        finally:
            WATCHDOG.leave(ward)
            try:
                if not self._end.done():  # nobody answers any more: refuse, in place of a hang
                    self._host.close()
                if serving is not None:
                    _finish(loop, serving.stop())
            finally:
                _close(loop)

    def stop(self) -> None:
        """Stop serving and wait for the end of the thread, for a bounded time."""
        with suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(self._tell)
        try:
            is_over = self._wait()
        except BaseException:  # Ctrl-C: nothing is left behind all the same
            self._wait()
            raise
        if not is_over:
            stuck = observe(self._thread.ident)
            where = "" if stuck is None else f": it is blocked by\n{stuck}"
            self._is_given_up = True  # when it ends, the host may be served again
            self._host.conclude()
            self._fail(f"did not end within {_END_TIMEOUT:g} s{where}")

    def _tell(self) -> None:
        if not self._end.done():
            self._end.set_result(None)

    def _wait(self) -> bool:
        """Wait until the thread has ended; return whether it has in time."""
        is_over = self._over.wait(_END_TIMEOUT)
        if is_over:
            self._thread.join()
        return is_over

    def _fail(self, what: str, cause: BaseException | None = None) -> None:
        self.failure = ServiceThreadError(f"the thread of {self._host!r} {what}")
        self.failure.__cause__ = cause
        self._host.note_error(self.failure)
        # Without the trace of the cause: `linecache` breaks if two threads read one at once, and
        # a test that fails by this has its own printed now. It is raised with the failure.
        _log.error("%s", str(self.failure))


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Close a loop as `asyncio.run` does, but wait for nothing without end.

    What responses run in other threads may go on: nobody waits for it.
    """
    try:
        end_crossings(loop)
        _finish(loop, asyncio.sleep(0))  # what was begun from elsewhere has its task now
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            _finish(loop, asyncio.wait(tasks, timeout=_TASKS_TIMEOUT))
        _finish(loop, loop.shutdown_asyncgens())
        _finish(loop, asyncio.sleep(0))  # who waits for a task learns that it has ended
    finally:
        loop.close()


def _finish(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, object]) -> None:
    """Do it to its end, whatever ends the loop meanwhile.

    What has ended the thread, Ctrl-C for one, ends the loop again in every task that waits for
    the one in which it was raised.
    """
    task = loop.create_task(work)
    while not task.done():
        with suppress(BaseException):
            loop.run_until_complete(task)
    task.result()


class OnThread(AbstractContextManager[_H], Generic[_H]):
    """Serves a host on a thread of its own while a block runs.

    Args:
        host: not started yet.
        run: the function of the API that made it, for messages.
    """

    def __init__(self, host: _H, run: str) -> None:
        self._host = host
        self._run = run
        self._thread: ServingThread | None = None

    def __enter__(self) -> _H:
        if self._thread is not None:
            raise RuntimeError(f"{self._host!r} is already started")
        try:
            self._host.bind()
            self._thread = ServingThread(self._host)
        except BaseException:
            self._host.close()
            raise
        return self._host

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        thread, self._thread = self._thread, None
        if thread is None:
            raise RuntimeError(f"{self!r} was left already, or never entered")
        try:
            self._host.close()
        finally:
            thread.stop()
        if thread.failure is None:
            return
        if error is None:
            raise thread.failure
        error.add_note(str(thread.failure))

    def __getattr__(self, name: str) -> NoReturn:
        """Say where the service is: an attribute was asked of what only starts it."""
        run: str = vars(self).get("_run", "run_service")  # a copy asks before it is made
        what = run.removeprefix("run_")
        raise AttributeError(
            f"{name!r} belongs to what the block gives: `with {run}(...) as {what}:`"
        )

    async def __aenter__(self) -> NoReturn:
        """Refuse `async with`: nothing is awaited here."""
        raise TypeError(f"{self!r} is entered by `with`, without async: it has its own loop")

    async def __aexit__(self, *error: object) -> None:
        """Do nothing: it is never entered so."""

    def __repr__(self) -> str:
        return f"<{self._host!r} on a thread of its own>"


def takes_arguments_of(
    other: Callable[_P, object],
) -> Callable[[Callable[..., _T]], Callable[_P, _T]]:
    """Give a function the signature of another one, for type checkers and for `help()`."""

    def lend(function: Callable[..., _T]) -> Callable[_P, _T]:
        lent: Any = function
        result = inspect.signature(function).return_annotation
        lent.__signature__ = inspect.signature(other).replace(return_annotation=result)
        return function

    return lend
