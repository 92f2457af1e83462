"""Numbers that a user gives: checked in one way, refused in the same words."""

from __future__ import annotations

import math
from typing import TypeGuard

from ..text import shorten

__all__ = ["check_amount", "is_number"]


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether this is an int or a float, and no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_amount(amount: object, wish: str, *, zero: bool = True) -> float:
    """Return a finite number from 0 up.

    Args:
        amount: the value.
        wish: who takes what, for the message.
        zero: whether 0 is taken too.

    Raises:
        TypeError: it is no number.
        ValueError: it is out of range.
    """
    if not is_number(amount):
        raise TypeError(f"{wish}, such as 0.5, got {shorten(amount)}")
    if not 0 <= amount < math.inf or (amount == 0 and not zero):
        raise ValueError(f"{wish} {'from 0 up' if zero else 'above 0'}, got {amount!r}")
    return amount
