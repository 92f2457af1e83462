"""What several threads change at once, in the very moments in which they meet."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from asyncly.srvmocker import Exchange, RawResponse, RecordedRequest
from asyncly.srvmocker.journal import Journal, snapshot
from asyncly.srvmocker.responses.base import Registration
from asyncly.srvmocker.server.evidence import ConnectionLog

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def many_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("many_switches")
def test_a_full_journal_may_be_cleared_while_it_grows() -> None:
    journal = Journal(1)
    done = threading.Event()

    def clear() -> None:
        while not done.is_set():
            journal.clear()

    thread = threading.Thread(target=clear)
    thread.start()
    try:
        for _ in range(20_000):
            journal.append(Exchange(RecordedRequest().arrival, None))
    finally:
        done.set()
        thread.join()
    assert len(journal) <= 1


def test_a_state_may_be_reset_while_it_is_made() -> None:
    class Vanishing(dict[int, Any]):
        def __setitem__(self, key: int, value: Any) -> None:
            super().__setitem__(key, value)
            self.clear()  # as another thread does

    response = RawResponse()
    registration = Registration("fact", response, tls=False, journal=Journal(1))
    registration._states = Vanishing()
    assert registration.state(response, lambda: "state") == "state"


def test_a_connection_may_be_forgotten_twice_at_once() -> None:
    log = ConnectionLog(10)

    class Closed:
        @property
        def is_open(self) -> bool:
            log._records.clear()  # as another thread does
            return False

    record: Any = Closed()
    log._records.append(record)
    log.forget_closed()
    assert log.all() == ()


def test_a_snapshot_is_taken_again_when_something_changed_meanwhile() -> None:
    class Changing:
        def __init__(self) -> None:
            self.times = 0

        def __iter__(self) -> Iterator[int]:
            self.times += 1
            yield 1
            if self.times < 3:
                raise RuntimeError("deque mutated during iteration")
            yield 2

    changing: Any = Changing()
    assert snapshot(changing) == (1, 2)
