"""Waiting for exchanges: woken, not polling, in asyncio and trio, across threads."""

from __future__ import annotations

import asyncio
import threading

import pytest
import trio

from asyncly.srvmocker import Exchange, RecordedRequest
from asyncly.srvmocker.journal import Journal
from asyncly.srvmocker.waiting import wait_until


def exchange() -> Exchange:
    return Exchange(RecordedRequest(), None)


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
    assert await wait_until(journal, question, timeout=0)
    assert question.asked == 1


async def test_an_exchange_of_the_same_loop_ends_the_wait() -> None:
    journal = Journal(10)
    question = Question(journal, 2)
    loop = asyncio.get_running_loop()
    loop.call_soon(journal.append, exchange())
    loop.call_soon(lambda: loop.call_soon(journal.append, exchange()))
    assert await wait_until(journal, question, timeout=None)
    assert question.asked <= 3


async def test_an_exchange_of_another_thread_ends_the_wait() -> None:
    journal = Journal(100)
    thread = append_in_thread(journal, 50)
    assert await wait_until(journal, Question(journal, 50), timeout=30)
    thread.join()


async def test_a_wait_that_is_too_long_ends_and_leaves_no_watcher() -> None:
    journal = Journal(10)
    question = Question(journal, 1)
    assert not await wait_until(journal, question, timeout=0.01)
    assert question.asked == 2
    assert journal._watchers == []


async def test_a_cancelled_wait_leaves_no_watcher() -> None:
    journal = Journal(10)
    task = asyncio.create_task(wait_until(journal, lambda: False, timeout=None))
    await asyncio.sleep(0)
    assert len(journal._watchers) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert journal._watchers == []


async def test_many_may_wait_at_once() -> None:
    journal = Journal(10)
    waits = [
        asyncio.create_task(wait_until(journal, Question(journal, n % 3 + 1), timeout=30))
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
        await wait_until(journal, ask, timeout=30)
    assert journal._watchers == []


def test_in_trio_what_holds_already_is_not_waited_for() -> None:
    journal = Journal(10)

    async def main() -> bool:
        return await wait_until(journal, lambda: True, timeout=0)

    assert trio.run(main)


def test_in_trio_an_exchange_of_another_thread_ends_the_wait() -> None:
    journal = Journal(100)

    async def main() -> bool:
        thread = append_in_thread(journal, 50)
        try:
            return await wait_until(journal, Question(journal, 50), timeout=30)
        finally:
            thread.join()

    assert trio.run(main)


@pytest.mark.parametrize("timeout", [0.01, None])
def test_in_trio_a_wait_ends_by_its_timeout_or_its_cancellation(timeout: float | None) -> None:
    journal = Journal(10)
    question = Question(journal, 1)

    async def main() -> bool | None:
        with trio.move_on_after(0.05 if timeout is None else 30):
            return await wait_until(journal, question, timeout=timeout)
        return None

    assert trio.run(main) is (None if timeout is None else False)
    assert question.asked == (1 if timeout is None else 2)
    assert journal._watchers == []


def test_in_trio_an_exchange_of_the_same_loop_ends_the_wait() -> None:
    journal = Journal(10)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_wait_or_fail, journal)
            for _ in range(3):
                await trio.lowlevel.checkpoint()
                journal.append(exchange())

    trio.run(main)
    assert journal._watchers == []


async def _wait_or_fail(journal: Journal) -> None:
    assert await wait_until(journal, Question(journal, 3), timeout=30)
