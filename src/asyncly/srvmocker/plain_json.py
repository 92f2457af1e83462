"""Plain JSON as a wish: compared at the speed of C, and copied.

The shortcut of the comparator: it says no just where `compare` finds a difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["copy_json", "quick_check"]


def quick_check(value: Any) -> Callable[[Any], bool] | None:
    """Return a function that tells at the speed of C whether parsed JSON is as expected.

    None if `value` holds more than plain JSON. Where Python's `==` says yes, only the places
    of booleans and of the numbers 0 and 1 can still differ in JSON's types: those are looked
    at one by one. It says no just where `compare` finds a difference; which one, it does not say.
    """
    doubtful: list[tuple[Any, ...]] = []
    if not _find_doubtful(value, (), doubtful):
        return None

    def check(got: Any) -> bool:
        if got != value:
            return False
        for path in doubtful:
            one, other = value, got
            for key in path:
                one, other = one[key], other[key]
            if (one is True or one is False) != (other is True or other is False):
                return False
        return True

    return check


def _find_doubtful(value: Any, path: tuple[Any, ...], into: list[tuple[Any, ...]]) -> bool:
    """Collect the places of `value` that `==` may confuse; False if it is no plain JSON."""
    kind = type(value)
    if kind is dict:
        return all(
            type(key) is str and _find_doubtful(item, (*path, key), into)
            for key, item in value.items()
        )
    if kind is list:
        return all(_find_doubtful(item, (*path, i), into) for i, item in enumerate(value))
    if kind in (bool, int, float):
        if value in (0, 1):
            into.append(path)
        return bool(value == value)
    return kind is str or value is None


def copy_json(value: Any) -> Any:
    """Return the same with dicts and lists of its own at any depth, around the same values."""
    kind = type(value)
    if kind is dict:
        return {key: copy_json(item) for key, item in value.items()}
    if kind is list:
        return [copy_json(item) for item in value]
    return value
