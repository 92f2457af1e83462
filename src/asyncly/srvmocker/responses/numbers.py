"""Numbers that a user gives: checked in one way, refused in the same words."""

from __future__ import annotations

import math
from typing import TypeGuard

from ..text import shorten

__all__ = ["check_seconds", "is_number"]


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether this is an int or a float, and no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_seconds(seconds: object, wish: str) -> float:
    """Return the seconds.

    Raises:
        TypeError: they are no number.
        ValueError: they are negative or not finite.
    """
    if not is_number(seconds):
        raise TypeError(f"{wish}, such as 0.5, got {shorten(seconds)}")
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{wish} from 0 up, got {seconds!r}")
    return seconds
