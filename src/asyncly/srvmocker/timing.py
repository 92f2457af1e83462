"""When calls came, and how many were under way at once: read from the journal, when asked."""

from __future__ import annotations

from itertools import accumulate, pairwise
from math import inf
from typing import TYPE_CHECKING

from .exceptions import SrvMockerError

if TYPE_CHECKING:
    from .journal import Exchange, Journal

__all__ = ["intervals", "max_in_flight"]


def max_in_flight(journal: Journal, handler_name: str) -> int:
    """Return how many calls of the handler were under way at once, at the most.

    Raises:
        SrvMockerError: the journal was full and has forgotten a call of the handler.
    """
    changes: list[tuple[float, int]] = []
    for exchange in _every_call(journal, handler_name, "max_in_flight"):
        end = inf if exchange.finished_at is None else exchange.finished_at
        changes += [(exchange.request.received_at, 1), (end, -1)]
    # At the same moment ends come before beginnings: -1 sorts before 1.
    return max(accumulate(change for _, change in sorted(changes)), default=0)


def intervals(journal: Journal, handler_name: str) -> tuple[float, ...]:
    """Return the seconds from each call of the handler to the next.

    Raises:
        SrvMockerError: the journal was full and has forgotten a call of the handler.
    """
    calls = _every_call(journal, handler_name, "intervals")
    times = sorted(exchange.request.received_at for exchange in calls)
    return tuple(later - earlier for earlier, later in pairwise(times))


def _every_call(journal: Journal, handler_name: str, what: str) -> list[Exchange]:
    """Return the handler's exchanges; a number that only some of them give would mislead."""
    if dropped := journal.dropped.get(handler_name):
        raise SrvMockerError(
            f"{what}({handler_name!r}) needs every call, but the journal was full and has "
            f"forgotten {dropped} of them; pass a larger journal_limit= to start_service"
        )
    return [item for item in journal if item.handler_name == handler_name]
