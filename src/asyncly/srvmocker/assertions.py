"""Expectations over a journal: first a verdict, which is data, then its text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .matching import ANY_REQUEST, Match

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .comparing import Mismatch
    from .request import RecordedRequest

__all__ = ["Verdict", "check_times", "in_order"]

_WHOLE = frozenset({"json", "form"})
"""Where a body differs as a whole: it is of another type, or cannot be read."""


@dataclass
class Verdict:
    """What an expectation finds in the calls.

    Attributes:
        subject: whom the expectation is about, for the head line.
        calls: every call of that subject, in order.
        match: what a call must be to count.
        times: how many calls must count: exactly so many; None is at least one.
        dropped: calls that the journal had to forget.
        waiting: seconds that were waited for the calls, if they were waited for; then
            `times` is a minimum.
        ended: why the waiting ended before its time, in words; None if it did not.
        explain: the differences of one call; by default those of `match`.
    """

    subject: str
    calls: Sequence[RecordedRequest]
    match: Match = ANY_REQUEST
    times: int | None = None
    dropped: int = 0
    waiting: float | None = None
    ended: str | None = None
    explain: Callable[[RecordedRequest], tuple[Mismatch, ...]] | None = None

    @cached_property
    def mismatches(self) -> tuple[tuple[Mismatch, ...], ...]:
        """The differences of each call."""
        return tuple(map(self.explain or self.match.explain, self.calls))

    @cached_property
    def matching(self) -> list[RecordedRequest]:
        """The calls that count."""
        return [call for call, found in zip(self.calls, self.mismatches, strict=True) if not found]

    @property
    def every(self) -> bool:
        """Whether any call counts, those that the journal forgot too."""
        return self.explain is None and not self.match.given

    @property
    def _counted(self) -> int:
        """How many remembered calls count; where every call does, none is looked at."""
        return len(self.calls) if self.every else len(self.matching)

    @property
    def _wanted(self) -> int:
        return 1 if self.times is None else self.times

    @property
    def too_few(self) -> bool:
        """Whether more calls should have counted."""
        return self._counted + (self.dropped if self.every else 0) < self._wanted

    @property
    def met(self) -> bool:
        """Whether the expectation holds; what the journal forgot never makes it hold."""
        if self.times is None or self.waiting is not None:
            return self._counted >= self._wanted  # the calls are handed out: they must be here
        if self.dropped and not self.every:
            return False
        return self._counted + self.dropped == self.times

    @property
    def closest(self) -> tuple[int, tuple[Mismatch, ...]] | None:
        """The number (from 1) and the differences of the latest call with the fewest of them.

        A body that is another thing as a whole is further away than any that differs within.
        """
        wrong = [
            (sum(item.where in _WHOLE for item in found), len(found), -number)
            for number, found in enumerate(self.mismatches, 1)
            if found
        ]
        if not wrong:
            return None
        number = -min(wrong)[2]
        return number, self.mismatches[number - 1]


def check_times(times: object, *, least: int = 0) -> None:
    """Refuse a `times=` that is no number of calls.

    Raises:
        TypeError: it is no int.
        ValueError: it is below `least`.
    """
    if times is None:
        return
    if isinstance(times, bool) or not isinstance(times, int):
        raise TypeError(f"times= takes a number of calls, got {times!r}")
    if times < least:
        raise ValueError(f"times= takes a number of calls from {least} up, got {times}")


def in_order(wanted: Sequence[str], calls: Sequence[RecordedRequest]) -> int:
    """Return how many of the wanted handler names the calls hold in this order."""
    found = 0
    for call in calls:
        if found < len(wanted) and call.handler_name == wanted[found]:
            found += 1
    return found
