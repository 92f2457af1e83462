"""The journal: ordered, bounded, watched, and honest about what it forgot."""

from __future__ import annotations

from typing import Any

import pytest

from asyncly.srvmocker import Exchange, MockRoute, RecordedRequest
from asyncly.srvmocker.assertions import Verdict
from asyncly.srvmocker.journal import Journal
from asyncly.srvmocker.matching import ANY_REQUEST, Match


def exchange(name: str | None, target: str = "/a") -> Exchange:
    route = None if name is None else MockRoute("GET", "/{x}", name)
    return Exchange(RecordedRequest("GET", target).arrival, route)


def filled(limit: int, *names: str | None) -> Journal:
    journal = Journal(limit)
    for number, name in enumerate(names):
        journal.append(exchange(name, f"/{number}"))
    return journal


def test_it_keeps_the_newest_in_order_and_counts_what_it_dropped() -> None:
    journal = filled(3, "a", "b", None, "a", "a")
    assert [item.request.target for item in journal] == ["/2", "/3", "/4"]
    assert [call.target for call in journal.calls("a")] == ["/3", "/4"]
    assert journal.calls("b") == []
    assert journal.dropped == {"a": 1, "b": 1}
    assert len(journal) == 3
    assert repr(journal) == "<Journal of 3 exchanges, limit 3>"


def test_a_full_journal_has_dropped_nothing_yet() -> None:
    journal = filled(3, "a", "b", "c")
    assert len(journal) == 3
    assert not journal.dropped


def test_clear_forgets_what_was_dropped_too() -> None:
    journal = filled(1, "a", "b")
    journal.clear()
    assert len(journal) == 0
    assert not journal.dropped
    journal.append(exchange("c"))
    assert not journal.dropped


def test_it_may_grow_while_somebody_reads_it() -> None:
    journal = filled(10, "a", "b")
    for item in journal:
        journal.append(item)
    assert len(journal) == 4


@pytest.mark.parametrize("limit", [0, -1, True, 2.5, "10", None])
def test_a_limit_that_is_no_number_of_exchanges_is_refused(limit: Any) -> None:
    with pytest.raises(ValueError, match="journal_limit") as caught:
        Journal(limit)
    assert str(caught.value) == (
        f"journal_limit takes the number of exchanges to keep, at least 1, got {limit!r}"
    )


def test_the_bell_is_rung_for_every_exchange() -> None:
    journal, lengths = Journal(1), []  # type: Journal, list[int]
    journal.bell.watch(lambda: lengths.append(len(journal)))
    journal.append(exchange("a"))
    journal.append(exchange("b"))
    assert lengths == [1, 1]


def test_an_exchange_tells_how_it_ended() -> None:
    item = exchange("a", "/x?y=1")
    assert (item.outcome, item.finished_at) == ("under way", None)
    assert repr(item) == "<Exchange GET /x?y=1 → under way>"
    item.finish(201)
    assert (item.status, item.outcome) == (201, "201")
    assert item.finished_at is not None
    item.finish(200, "truncated after 4 of 8 bytes")
    assert (item.status, item.outcome) == (200, "truncated after 4 of 8 bytes")


SMALL, LARGE = Match(query={"n": 1}), Match(query={"n": 2})


@pytest.mark.parametrize(
    ("calls", "dropped", "match", "times", "met"),
    [
        # Nothing was forgotten: the numbers decide.
        (0, 0, ANY_REQUEST, None, False),
        (1, 0, ANY_REQUEST, None, True),
        (0, 0, ANY_REQUEST, 0, True),
        (2, 0, ANY_REQUEST, 1, False),
        (2, 0, ANY_REQUEST, 2, True),
        (2, 0, SMALL, 2, True),
        (2, 0, LARGE, 0, True),
        (2, 0, SMALL, 1, False),
        # Any call counts: those that were forgotten are known to have come.
        (1, 2, ANY_REQUEST, 3, True),
        (1, 2, ANY_REQUEST, 1, False),
        (0, 1, ANY_REQUEST, 0, False),
        # Only some calls count: of those forgotten nobody knows.
        (1, 1, SMALL, 1, False),
        (1, 1, SMALL, 2, False),
        (2, 1, LARGE, 0, False),
        (1, 1, SMALL, None, True),
        (1, 1, LARGE, None, False),
        # The call itself is asked for, and it is gone.
        (0, 3, ANY_REQUEST, None, False),
    ],
)
def test_no_expectation_is_met_because_a_call_was_forgotten(
    calls: int, dropped: int, match: Match, times: int | None, met: bool
) -> None:
    requests = [RecordedRequest("GET", "/a?n=1")] * calls
    assert Verdict("'a'", requests, match, times, dropped).met is met


@pytest.mark.parametrize(
    ("calls", "dropped", "times", "met"),
    [(1, 0, 2, False), (2, 0, 2, True), (3, 0, 2, True), (1, 5, 2, False), (2, 5, 2, True)],
)
def test_a_wait_is_met_by_at_least_so_many_calls_that_are_still_here(
    calls: int, dropped: int, times: int, met: bool
) -> None:
    requests = [RecordedRequest()] * calls
    verdict = Verdict("'a'", requests, times=times, dropped=dropped, waiting=1.0)
    assert verdict.met is met


def test_the_record_is_made_once_and_anew_when_the_body_has_come() -> None:
    item = exchange("a", "/x")
    record = item.request
    assert item.request is record
    assert (record.handler_name, record.target, record.body) == ("a", "/x", b"")
    item.add_body(b"late")
    assert item.request is item.request
    assert (item.request.target, item.request.body) == ("/x", b"late")
    assert record.body == b""
