"""Waiting for something to change, without polling: in asyncio, in trio, or in a plain thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import threading
import warnings
from collections.abc import Coroutine
from contextlib import closing, contextmanager, suppress
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from concurrent.futures import Future

__all__ = [
    "Bell",
    "Wait",
    "check_timeout",
    "cross",
    "end_crossings",
    "has_loop",
    "in_asyncio",
    "in_turn",
    "refuse_in_loop",
    "runs_here",
]

_T = TypeVar("_T")

_crossing = threading.Lock()
_ending: WeakSet[asyncio.AbstractEventLoop] = WeakSet()

_LOOP_CHECK = 0.5
"""Seconds after which it is asked whether a loop that does something still exists at all."""


class Bell:
    """Rung when something has changed: whoever waits then asks its question again.

    The one who waits may run in another loop or thread than the one who rings, and of any
    kind: a wake-up is the only thing that crosses.
    """

    __slots__ = ("__weakref__", "_watchers")

    def __init__(self) -> None:
        self._watchers: list[Callable[[], object]] = []

    def ring(self) -> None:
        """Wake everybody who waits."""
        if self._watchers:  # mostly nobody does
            for wake in tuple(self._watchers):
                wake()

    def watch(self, wake: Callable[[], object]) -> Callable[[], None]:
        """Call `wake` at every ring from now on; return the function that ends it."""
        self._watchers.append(wake)
        return lambda: self._watchers.remove(wake)

    def until(
        self,
        satisfied: Callable[[], bool],
        *,
        timeout: float | None,
        then: Callable[[], _T],
        call: str,
    ) -> Wait[_T]:
        """Return what waits until `satisfied()` is true, and gives what `then()` returns.

        Args:
            satisfied: asked at once and at every ring, where the wait is.
            timeout: seconds; None waits for ever.
            then: called when it is satisfied or the time is over; it may raise.
            call: how the user called it, for the warning if it is never awaited.

        Raises:
            TypeError: `timeout` is no number.
            ValueError: it is negative, or not a number at all.
        """
        check_timeout(timeout)
        limit = None if timeout == inf else timeout

        async def wait() -> _T:
            __tracebackhide__ = True
            await self.wait(satisfied, timeout=limit)
            return then()

        def block() -> _T:
            __tracebackhide__ = True
            self.block(satisfied, timeout=limit)
            return then()

        return Wait(call, wait, block)

    async def wait(self, satisfied: Callable[[], bool], *, timeout: float | None) -> bool:
        """Wait until `satisfied()` is true, in asyncio or trio; return whether it is in time."""
        if "trio" in sys.modules and not in_asyncio():
            return await self._wait_in_trio(satisfied, timeout)
        loop = asyncio.get_running_loop()
        news = asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # that loop was closed, and has forgotten who waits
                loop.call_soon_threadsafe(news.set)

        stop = self.watch(wake)
        try:
            async with asyncio.timeout(timeout):
                while not satisfied():
                    await news.wait()
                    news.clear()
        except TimeoutError:
            return satisfied()
        finally:
            stop()
        return True

    async def _wait_in_trio(self, satisfied: Callable[[], bool], timeout: float | None) -> bool:
        trio: Any = sys.modules["trio"]
        token = trio.lowlevel.current_trio_token()
        news = trio.Event()

        def renew() -> None:
            nonlocal news
            news.set()
            news = trio.Event()

        def wake() -> None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(renew)

        stop = self.watch(wake)
        try:
            with trio.move_on_after(float("inf") if timeout is None else timeout):
                while True:
                    # The event is taken before the question: a ring in between is not lost.
                    current = news
                    if satisfied():
                        return True
                    await current.wait()
        finally:
            stop()
        return satisfied()

    def block(self, satisfied: Callable[[], bool], *, timeout: float | None) -> bool:
        """Wait until `satisfied()` is true, in a plain thread; return whether it is in time."""
        news = threading.Event()
        stop = self.watch(news.set)
        end = None if timeout is None else monotonic() + timeout
        try:
            while True:
                news.clear()  # before the question: a ring in between is not lost
                if satisfied():
                    return True
                left = threading.TIMEOUT_MAX if end is None else end - monotonic()
                if not news.wait(min(max(left, 0), threading.TIMEOUT_MAX)):
                    return satisfied()
        finally:
            stop()


class Wait(Coroutine[Any, Any, _T], Generic[_T]):
    """Something that a test waits for: `await` it in asyncio or trio, or `block()` in a thread.

    It is a coroutine like any other: `asyncio.create_task`, `gather` and `wait_for` take it.

    Args:
        call: how the user called it, for messages.
        wait: makes the coroutine that waits.
        block: waits in a plain thread.
    """

    __slots__ = ("_block", "_call", "_coroutine", "_taken", "_wait")

    def __init__(
        self, call: str, wait: Callable[[], Coroutine[Any, Any, _T]], block: Callable[[], _T]
    ) -> None:
        self._call = call
        self._wait = wait
        self._block = block
        self._coroutine: Coroutine[Any, Any, _T] | None = None
        self._taken = False

    def block(self) -> _T:
        """Wait in this thread, for tests and clients without a loop.

        Raises:
            RuntimeError: a loop runs in this thread, of asyncio or trio: it would stand still.
        """
        __tracebackhide__ = True
        self._taken = True
        if has_loop():
            raise RuntimeError(
                f"{self._call}.block() would stop the loop that runs in this thread: "
                f"write `await {self._call}` instead"
            )
        return self._block()

    def _started(self) -> Coroutine[Any, Any, _T]:
        if self._coroutine is None:
            self._taken = True
            self._coroutine = self._wait()
        return self._coroutine

    def __await__(self) -> Generator[Any, Any, _T]:
        return self._started().__await__()

    def send(self, value: Any) -> Any:
        """Go on to the next point where it waits (as every coroutine)."""
        return self._started().send(value)

    def throw(self, *args: Any) -> Any:
        """Raise an exception where it waits (as every coroutine)."""
        return self._started().throw(*args)

    def close(self) -> None:
        """End it (as every coroutine)."""
        self._taken = True
        if self._coroutine is not None:
            self._coroutine.close()

    def __del__(self) -> None:
        if not self._taken:
            warnings.warn(
                f"{self._call} waited for nothing: write `await {self._call}`, "
                f"or `{self._call}.block()` where no loop runs",
                RuntimeWarning,
                stacklevel=2,
            )

    def __repr__(self) -> str:
        return f"<Wait of {self._call}>"


def cross(
    loop: asyncio.AbstractEventLoop,
    make_coroutine: Callable[[], Coroutine[Any, Any, _T]],
    call: str,
) -> Wait[_T]:
    """Return what does something in `loop`, and waits there for the result, from anywhere.

    Nothing is done before it is waited for. Awaited in `loop` itself it is the bare coroutine;
    elsewhere it crosses over, and if the one who waits is cancelled, so is what he waits for.

    Args:
        loop: where it is done. It must run; a closed one raises `RuntimeError`.
        make_coroutine: makes what is done there.
        call: how the user called it, for messages.
    """
    return _Crossing(loop, make_coroutine, call)


class _Crossing(Wait[_T]):
    """What `cross` returns. It has methods where `Wait` takes functions: one less thing to make."""

    __slots__ = ("_loop", "_make_coroutine")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        make_coroutine: Callable[[], Coroutine[Any, Any, _T]],
        call: str,
    ) -> None:
        self._call = call
        self._loop = loop
        self._make_coroutine = make_coroutine
        self._coroutine = None
        self._taken = False

    def _wait(self) -> Coroutine[Any, Any, _T]:
        return self._make_coroutine() if runs_here(self._loop) else self._wait_elsewhere()

    async def _wait_elsewhere(self) -> _T:
        __tracebackhide__ = True
        with self._started_there() as future:
            done = Bell()
            future.add_done_callback(lambda _: done.ring())
            while not await done.wait(future.done, timeout=_LOOP_CHECK):
                self._check_loop(future)
        return self._result_of(future)

    def _block(self) -> _T:
        __tracebackhide__ = True
        with self._started_there() as future:
            while not concurrent.futures.wait([future], _LOOP_CHECK).done:
                self._check_loop(future)
        return self._result_of(future)

    @contextmanager
    def _started_there(self) -> Generator[Future[_T], None, None]:
        """Begin it in the other loop, and end it there if the one who waits is interrupted."""
        coroutine = self._make_coroutine()
        try:
            with _crossing:
                if self._loop in _ending:
                    raise self._closed()
                future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:  # the loop is closed
            coroutine.close()
            raise
        try:
            yield future
        finally:
            if self._loop.is_closed():
                coroutine.close()
            else:
                future.cancel()

    def _check_loop(self, future: Future[_T]) -> None:
        """Refuse to wait for a loop that was closed before it began what it was told."""
        if self._loop.is_closed() and not future.done():
            raise self._closed()

    def _result_of(self, future: Future[_T]) -> _T:
        __tracebackhide__ = True
        if future.cancelled():  # not by us: who ends a loop cancels what is under way
            raise self._closed()
        return future.result()

    def _closed(self) -> RuntimeError:
        return RuntimeError(f"{self._call}: the loop in which this is done was closed")


def end_crossings(loop: asyncio.AbstractEventLoop) -> None:
    """Let nothing more begin in `loop` from elsewhere: it takes its last turns now."""
    with _crossing:
        _ending.add(loop)


def in_turn(steps: Callable[[], Generator[Wait[None], None, None]], call: str) -> Wait[None]:
    """Return what waits for each of the steps in turn; `steps` is a generator function."""

    async def wait() -> None:
        with closing(steps()) as each:
            for step in each:
                await step

    def block() -> None:
        with closing(steps()) as each:
            for step in each:
                step.block()

    return Wait(call, wait, block)


def runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether `loop` is the one that runs this."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def has_loop() -> bool:
    """Tell whether a loop runs in this thread, of asyncio or trio: it must not be blocked."""
    if in_asyncio():
        return True
    trio: Any = sys.modules.get("trio")
    if trio is None:
        return False
    try:
        trio.lowlevel.current_trio_token()
    except RuntimeError:
        return False
    return True


def refuse_in_loop(block: str) -> None:
    """Refuse a block that waits, where a loop runs that would stand still.

    Args:
        block: what is entered, for the message.

    Raises:
        RuntimeError: one of asyncio or trio runs in this thread.
    """
    if has_loop():
        raise RuntimeError(
            f"`with {block}` would stop the loop that runs in this thread: "
            f"write `async with {block}` instead"
        )


def in_asyncio() -> bool:
    """Tell whether an asyncio loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def check_timeout(timeout: object) -> None:
    """Refuse a `timeout=` that is no time to wait.

    Raises:
        TypeError: it is no number.
        ValueError: it is negative, or not a number at all.
    """
    if timeout is None:
        return
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout= takes seconds, or None to wait for ever, got {timeout!r}")
    if not timeout >= 0:
        raise ValueError(f"timeout= takes seconds from 0 up, got {timeout!r}")
