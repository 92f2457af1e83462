"""Waiting for exchanges: woken, not polling, in asyncio and trio, across threads."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Self

import pytest
import trio

from asyncly.srvmocker import (
    ConnectionRecord,
    Exchange,
    Gate,
    LiveStream,
    MockProxyService,
    MockRoute,
    MockService,
    RecordedRequest,
)
from asyncly.srvmocker.journal import Journal
from asyncly.srvmocker.waiting import Bell, Wait, cross, end_crossings

if TYPE_CHECKING:
    from collections.abc import Callable


def exchange() -> Exchange:
    return Exchange(RecordedRequest().arrival, None)


class Question:
    """Asks whether enough exchanges came, and counts how often it is asked."""

    def __init__(self, journal: Journal, enough: int) -> None:
        self.asked = 0
        self._journal = journal
        self._enough = enough

    def __call__(self) -> bool:
        self.asked += 1
        return len(self._journal) >= self._enough


def append_in_thread(journal: Journal, number: int) -> threading.Thread:
    def append() -> None:
        for _ in range(number):
            journal.append(exchange())

    thread = threading.Thread(target=append)
    thread.start()
    return thread


async def test_what_holds_already_is_not_waited_for() -> None:
    journal = Journal(10)
    question = Question(journal, 0)
    assert await journal.bell.wait(question, timeout=0)
    assert question.asked == 1


async def test_an_exchange_of_the_same_loop_ends_the_wait() -> None:
    journal = Journal(10)
    question = Question(journal, 2)
    loop = asyncio.get_running_loop()
    loop.call_soon(journal.append, exchange())
    loop.call_soon(lambda: loop.call_soon(journal.append, exchange()))
    assert await journal.bell.wait(question, timeout=None)
    assert question.asked <= 3


async def test_an_exchange_of_another_thread_ends_the_wait() -> None:
    journal = Journal(100)
    thread = append_in_thread(journal, 50)
    assert await journal.bell.wait(Question(journal, 50), timeout=30)
    thread.join()


async def test_a_wait_that_is_too_long_ends_and_leaves_no_watcher() -> None:
    journal = Journal(10)
    question = Question(journal, 1)
    assert not await journal.bell.wait(question, timeout=0.01)
    assert question.asked == 2
    assert journal.bell._watchers == []


async def test_a_cancelled_wait_leaves_no_watcher() -> None:
    journal = Journal(10)
    task = asyncio.create_task(journal.bell.wait(lambda: False, timeout=None))
    await asyncio.sleep(0)
    assert len(journal.bell._watchers) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert journal.bell._watchers == []


async def test_many_may_wait_at_once() -> None:
    journal = Journal(10)
    waits = [
        asyncio.create_task(journal.bell.wait(Question(journal, n % 3 + 1), timeout=30))
        for n in range(9)
    ]
    for _ in range(3):
        await asyncio.sleep(0)
        journal.append(exchange())
    assert all(await asyncio.gather(*waits))


async def test_a_question_that_raises_ends_the_wait_with_its_exception() -> None:
    journal = Journal(10)

    def ask() -> bool:
        raise LookupError("no such handler")

    with pytest.raises(LookupError, match="no such handler"):
        await journal.bell.wait(ask, timeout=30)
    assert journal.bell._watchers == []


def test_in_trio_what_holds_already_is_not_waited_for() -> None:
    journal = Journal(10)

    async def main() -> bool:
        return await journal.bell.wait(lambda: True, timeout=0)

    assert trio.run(main)


def test_in_trio_an_exchange_of_another_thread_ends_the_wait() -> None:
    journal = Journal(100)

    async def main() -> bool:
        thread = append_in_thread(journal, 50)
        try:
            return await journal.bell.wait(Question(journal, 50), timeout=30)
        finally:
            thread.join()

    assert trio.run(main)


@pytest.mark.parametrize("timeout", [0.01, None])
def test_in_trio_a_wait_ends_by_its_timeout_or_its_cancellation(timeout: float | None) -> None:
    journal = Journal(10)
    question = Question(journal, 1)

    async def main() -> bool | None:
        with trio.move_on_after(0.05 if timeout is None else 30):
            return await journal.bell.wait(question, timeout=timeout)
        return None

    assert trio.run(main) is (None if timeout is None else False)
    assert question.asked == (1 if timeout is None else 2)
    assert journal.bell._watchers == []


def test_in_trio_an_exchange_of_the_same_loop_ends_the_wait() -> None:
    journal = Journal(10)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_wait_or_fail, journal)
            for _ in range(3):
                await trio.lowlevel.checkpoint()
                journal.append(exchange())

    trio.run(main)
    assert journal.bell._watchers == []


async def _wait_or_fail(journal: Journal) -> None:
    assert await journal.bell.wait(Question(journal, 3), timeout=30)


# --- the bell ---------------------------------------------------------------------------


def test_watchers_are_told_of_every_ring_until_they_stop() -> None:
    bell, heard = Bell(), []  # type: Bell, list[str]
    stop = bell.watch(lambda: heard.append("one"))
    bell.watch(lambda: heard.append("two"))
    bell.ring()
    stop()
    bell.ring()
    assert heard == ["one", "two", "two"]


def test_a_watcher_may_stop_itself_without_hiding_the_news_from_the_next() -> None:
    bell, heard = Bell(), []  # type: Bell, list[str]

    def once() -> None:
        heard.append("once")
        stop()

    stop = bell.watch(once)
    bell.watch(lambda: heard.append("always"))
    bell.ring()
    bell.ring()
    assert heard == ["once", "always", "always"]


def test_in_a_thread_an_exchange_of_another_thread_ends_the_wait() -> None:
    journal = Journal(100)
    thread = append_in_thread(journal, 50)
    assert journal.bell.block(Question(journal, 50), timeout=30)
    thread.join()
    assert journal.bell._watchers == []


def test_in_a_thread_a_wait_that_is_too_long_ends() -> None:
    bell = Bell()
    assert not bell.block(lambda: False, timeout=0.01)
    assert bell._watchers == []


# --- the wait ---------------------------------------------------------------------------


class Door:
    """A wait for `opened`, which gives a word or raises."""

    def __init__(self) -> None:
        self.opened = False
        self.bell = Bell()

    def open(self) -> None:
        self.opened = True
        self.bell.ring()

    def wait(self, timeout: float | None = 30) -> Wait[str]:
        return self.bell.until(
            lambda: self.opened, timeout=timeout, then=self.enter, call="door.wait()"
        )

    def enter(self) -> str:
        if not self.opened:
            raise AssertionError("it is still closed")
        return "welcome"


async def test_a_wait_is_awaited_as_any_coroutine() -> None:
    door = Door()
    asyncio.get_running_loop().call_soon(door.open)
    assert await door.wait() == "welcome"
    task = asyncio.create_task(door.wait())
    assert [*await asyncio.gather(task, door.wait())] == ["welcome", "welcome"]
    assert await asyncio.wait_for(door.wait(), 30) == "welcome"


async def test_a_wait_in_a_task_can_be_cancelled() -> None:
    door = Door()
    task = asyncio.create_task(door.wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert door.bell._watchers == []


async def test_what_a_wait_raises_reaches_who_waits() -> None:
    with pytest.raises(AssertionError, match="it is still closed"):
        await Door().wait(timeout=0)


def test_a_wait_blocks_in_a_thread() -> None:
    door = Door()
    thread = threading.Thread(target=door.open)
    thread.start()
    assert door.wait().block() == "welcome"
    thread.join()
    with pytest.raises(AssertionError, match="it is still closed"):
        Door().wait(timeout=0).block()


def test_a_wait_is_awaited_in_trio() -> None:
    door = Door()

    async def main() -> str:
        thread = threading.Thread(target=door.open)
        thread.start()
        try:
            return await door.wait()
        finally:
            thread.join()

    assert trio.run(main) == "welcome"


async def test_blocking_the_running_loop_is_refused() -> None:
    with pytest.raises(RuntimeError) as caught:
        Door().wait().block()
    assert str(caught.value) == (
        "door.wait().block() would stop the loop that runs in this thread: "
        "write `await door.wait()` instead"
    )


def test_a_wait_that_is_never_awaited_warns() -> None:
    with pytest.warns(RuntimeWarning) as caught:
        Door().wait().__del__()
    assert str(caught[0].message) == (
        "door.wait() waited for nothing: write `await door.wait()`, "
        "or `door.wait().block()` where no loop runs"
    )


def test_a_wait_that_is_closed_does_not_warn() -> None:
    wait = Door().wait()
    assert repr(wait) == "<Wait of door.wait()>"
    wait.close()


# --- crossing over ----------------------------------------------------------------------


class Elsewhere:
    """A loop on a thread of its own, and something to do there."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.gate = asyncio.Event()
        self.begun = threading.Event()
        self.cancelled = threading.Event()
        self.thread = threading.Thread(target=self.loop.run_forever)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def where(self) -> asyncio.AbstractEventLoop:
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    async def never(self) -> None:
        try:
            self.begun.set()
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def fail(self) -> None:
        raise LookupError("not there")


async def test_what_is_done_in_its_own_loop_does_not_cross() -> None:
    loop = asyncio.get_running_loop()
    current = asyncio.current_task()

    async def task() -> asyncio.Task[object] | None:
        return asyncio.current_task()

    assert await cross(loop, task, "call()") is current


async def test_asyncio_crosses_to_another_loop() -> None:
    with Elsewhere() as there:
        assert await cross(there.loop, there.where, "call()") is there.loop
        with pytest.raises(LookupError, match="not there"):
            await cross(there.loop, there.fail, "call()")


def test_trio_crosses_to_another_loop() -> None:
    async def main() -> None:
        assert await cross(there.loop, there.where, "call()") is there.loop
        with trio.move_on_after(30) as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(lambda: cross(there.loop, there.never, "call()"))
                await trio.to_thread.run_sync(there.begun.wait)
                scope.cancel()

    with Elsewhere() as there:
        trio.run(main)
        assert there.cancelled.wait(30)


def test_a_thread_crosses_to_a_loop() -> None:
    with Elsewhere() as there:
        assert cross(there.loop, there.where, "call()").block() is there.loop
        with pytest.raises(LookupError, match="not there"):
            cross(there.loop, there.fail, "call()").block()


async def test_cancelling_the_one_who_waits_cancels_what_he_waits_for() -> None:
    with Elsewhere() as there:
        task = asyncio.create_task(cross(there.loop, there.never, "call()"))
        await asyncio.to_thread(there.begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(there.cancelled.wait, 30)


def test_a_loop_that_is_closed_is_an_error_and_nothing_is_left() -> None:
    with Elsewhere() as there:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        cross(there.loop, there.where, "call()").block()


def test_a_crossing_that_is_never_awaited_warns() -> None:
    with Elsewhere() as there:
        wait = cross(there.loop, there.where, "conn.send(...)")
        with pytest.warns(RuntimeWarning, match=r"conn.send\(...\) waited for nothing"):
            wait.__del__()
        wait.close()


async def _in_trio(wait: Wait[Any]) -> Any:
    return await wait


@pytest.mark.parametrize("where", ["a thread", "asyncio", "trio"])
def test_a_loop_that_is_closed_before_it_begins_is_waited_for_by_nobody(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncly.srvmocker.waiting._LOOP_CHECK", 0.01)
    loop = asyncio.new_event_loop()
    monkeypatch.setattr(loop, "call_soon_threadsafe", lambda *_: loop.close())
    wait = cross(loop, Door().wait, "conn.send(...)")
    with pytest.raises(RuntimeError) as caught:
        if where == "trio":
            trio.run(_in_trio, wait)
        elif where == "asyncio":
            asyncio.run(wait)
        else:
            wait.block()
    assert str(caught.value) == "conn.send(...): the loop in which this is done was closed"


# --- what is refused --------------------------------------------------------------------


def test_blocking_trio_is_refused() -> None:
    async def main() -> None:
        wait = Door().wait()
        with pytest.raises(RuntimeError, match=r"write `await door\.wait\(\)` instead"):
            wait.block()

    trio.run(main)


@pytest.mark.parametrize(
    ("timeout", "error", "text"),
    [
        ("5", TypeError, "timeout= takes seconds, or None to wait for ever, got '5'"),
        (True, TypeError, "timeout= takes seconds, or None to wait for ever, got True"),
        (-1, ValueError, "timeout= takes seconds from 0 up, got -1"),
        (float("nan"), ValueError, "timeout= takes seconds from 0 up, got nan"),
    ],
)
def test_what_is_no_time_to_wait_is_refused_at_once(
    timeout: Any, error: type[Exception], text: str
) -> None:
    record = ConnectionRecord(1, None, Bell())
    waits: list[Callable[[], object]] = [
        lambda: Door().wait(timeout),
        lambda: Gate().waiting(timeout=timeout),
        lambda: LiveStream("sse").accept(timeout),
        lambda: record.closed(timeout=timeout),
        lambda: MockService([MockRoute("GET", "/", "x")]).wait_for_call("x", timeout=timeout),
        lambda: MockProxyService().wait_for_call(timeout=timeout),
    ]
    for wait in waits:
        with pytest.raises(error) as caught:
            wait()
        assert str(caught.value) == text


@pytest.mark.parametrize("timeout", [float("inf"), 1e100])
async def test_a_very_long_time_is_waited_for(timeout: float) -> None:
    door = Door()
    asyncio.get_running_loop().call_soon(door.open)
    assert await door.wait(timeout) == "welcome"
    assert await asyncio.to_thread(door.wait(timeout).block) == "welcome"


# --- who waits is gone ------------------------------------------------------------------


def test_a_loop_that_was_closed_with_somebody_waiting_in_it_breaks_nobody_else() -> None:
    door = Door()
    loop = asyncio.new_event_loop()
    task = loop.create_task(door.wait())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    door.open()
    assert door.wait().block() == "welcome"
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    task.get_coro().close()
    assert door.bell._watchers == []


def test_a_bell_rings_while_somebody_asks() -> None:
    """The one who rings does not wait for the question, nor is the ring lost."""
    bell = Bell()
    asked: list[int] = []

    def satisfied() -> bool:
        asked.append(1)
        if len(asked) == 1:
            thread = threading.Thread(target=bell.ring)
            thread.start()
            thread.join(30)
            assert not thread.is_alive()
        return len(asked) == 2

    assert bell.block(satisfied, timeout=30)


@pytest.mark.parametrize("where", ["a thread", "asyncio", "trio"])
def test_a_loop_that_takes_its_last_turns_begins_nothing_more(where: str) -> None:
    with Elsewhere() as there:
        end_crossings(there.loop)
        wait = cross(there.loop, there.never, "service.down()")
        with pytest.raises(RuntimeError) as caught:
            if where == "trio":
                trio.run(_in_trio, wait)
            elif where == "asyncio":
                asyncio.run(wait)
            else:
                wait.block()
        assert str(caught.value) == "service.down(): the loop in which this is done was closed"
        assert not there.begun.is_set()


def test_what_the_other_loop_cancels_is_an_error_with_words() -> None:
    async def cancel() -> str:
        raise asyncio.CancelledError

    closed = r"^call\(\): the loop in which this is done was closed$"
    with Elsewhere() as there, pytest.raises(RuntimeError, match=closed):
        cross(there.loop, cancel, "call()").block()
