"""A host on a thread with a loop of its own, for those whose own loop stands still, or is none."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from ..exceptions import ServiceThreadError
from .blocked import observe

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from .host import Host, Serving

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
        self._begun = threading.Event()
        self._is_told = False
        self._error: BaseException | None = None
        self.failure: ServiceThreadError | None = None
        self._thread = threading.Thread(target=self._run, name="asyncly mock server", daemon=True)
        try:
            self._thread.start()
            self._begun.wait()
        except BaseException:  # Ctrl-C
            self.stop()
            raise
        if self._error is not None:
            self._thread.join()
            raise self._error

    def _run(self) -> None:
        try:
            self._serve()
        except BaseException as error:  # also what ends a process: here it ends the thread alone
            self._error = error
            if self._begun.is_set():
                self._fail(f"has ended too early: it was stopped by {type(error).__name__}", error)
        finally:
            self._begun.set()

    def _serve(self) -> None:
        loop = self._loop
        serving: Serving | None = None
        try:
            serving = loop.run_until_complete(self._host.serve())
            self._begun.set()
            if not self._is_told:
                loop.run_forever()
            if not self._is_told:
                raise RuntimeError("a response has stopped the loop that serves it")
        finally:
            try:
                if not self._is_told:  # nobody answers any more: refuse, in place of a hang
                    self._host.close()
                if serving is not None:
                    loop.run_until_complete(serving.stop())
            finally:
                _close(loop)

    def stop(self) -> None:
        """Stop serving and wait for the end of the thread, for a bounded time."""
        self._is_told = True
        with suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(self._loop.stop)
        try:
            self._join()
        except BaseException:  # Ctrl-C: nothing is left behind all the same
            self._join()
            raise
        if not self._thread.is_alive():
            self._loop.close()  # if it has never begun
        else:
            stuck = observe(self._thread.ident)
            where = "" if stuck is None else f": it is blocked by\n{stuck}"
            self._fail(f"did not end within {_END_TIMEOUT:g} s{where}")

    def _join(self) -> None:
        with suppress(RuntimeError):  # it has never begun
            self._thread.join(_END_TIMEOUT)

    def _fail(self, what: str, cause: BaseException | None = None) -> None:
        self.failure = ServiceThreadError(f"the thread of {self._host!r} {what}")
        self.failure.__cause__ = cause
        self._host.note_error(self.failure)
        _log.error("%s", self.failure, exc_info=cause)


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Close a loop as `asyncio.run` does, but wait for nothing without end.

    What responses run in other threads may go on: nobody waits for it.
    """
    try:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks, timeout=_TASKS_TIMEOUT))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


class OnThread(AbstractContextManager[_H], Generic[_H]):
    """Serves a host on a thread of its own while a block runs.

    Args:
        host: not started yet.
    """

    def __init__(self, host: _H) -> None:
        self._host = host
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
        assert thread is not None  # noqa: S101 - for the type checker
        try:
            self._host.close()
        finally:
            thread.stop()
        if thread.failure is None:
            return
        if error is None:
            raise thread.failure
        error.add_note(str(thread.failure))

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
