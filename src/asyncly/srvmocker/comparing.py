"""The comparator: the only code that compares what arrived with what was wished for."""

from __future__ import annotations

import inspect
import math
import re
from collections import OrderedDict
from dataclasses import dataclass
from itertools import zip_longest
from types import UnionType
from typing import TYPE_CHECKING, Any

from .bodies import FormFile
from .text import (
    ABSENT,
    VALUE_LIMIT,
    clip,
    describe,
    difference,
    is_secret,
    mask,
    quote_error,
    shorten,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "ENOUGH",
    "Mismatch",
    "answer_refusal",
    "as_sent",
    "compare",
    "compare_listed",
    "has_own_eq",
]

ENOUGH = 1000
"""Differences after which a comparison of dicts or lists stops: nobody reads a thousand."""

_LONG = 60
"""From this length on, a text is shown only around its first difference."""

_NOTE_LIMIT = 240
"""Characters that a note may take in a message."""

_PLAIN = (str, int, float, bool, bytes, type(None))
_DICT_EQ = (dict.__eq__, OrderedDict.__eq__)
_SEQUENCE_EQ = (list.__eq__, tuple.__eq__)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One difference between a request and a wish.

    Attributes:
        where: the place, as a path into the request (`json.items[0].sku`, `headers.X-Tenant`).
        expected: the value wished for; `ABSENT` if nothing may be there.
        got: the value that came; `ABSENT` if nothing came.
        note: why, where the values alone do not say it.

    `str()` gives the line that failure messages show. Values of secret headers and of
    cookies are hidden there, not here.
    """

    where: str
    expected: object = ABSENT
    got: object = ABSENT
    note: str = ""

    def __str__(self) -> str:
        note = clip(self.note, _NOTE_LIMIT)
        if self.got is ABSENT and self.expected is ABSENT:
            return f"{self._place}: {note}"
        note = f" ({note})" if note else ""
        show = mask if is_secret(self.where) else shorten
        if self.got is ABSENT:
            return f"{self._place}: missing, expected {show(self.expected)}{note}"
        if self.expected is ABSENT:
            return f"{self._place}: unexpected, got {show(self.got)}{note}"
        if show is shorten and _are_long(self.expected, self.got):
            return self._show_first_difference(note)
        expected, got = show(self.expected), show(self.got)
        if show is mask and expected == got:
            note = f", first difference at character {self._first_difference()}{note}"
        return f"{self._place}: expected {expected}, got {got}{note}"

    def _first_difference(self) -> int:
        """Where two values part that look the same when they are hidden."""
        return difference(str(self.expected), str(self.got))[0]

    @property
    def _place(self) -> str:
        """`where`, with the middle of a very long path left out: its ends say the most."""
        where = self.where
        return where if len(where) <= VALUE_LIMIT else f"{where[:60]}…{where[-59:]}"

    def _show_first_difference(self, note: str) -> str:
        assert isinstance(self.expected, str | bytes)  # noqa: S101 - for the type checker
        assert isinstance(self.got, str | bytes)  # noqa: S101
        at, expected, got = difference(self.expected, self.got)
        unit = "byte" if isinstance(self.got, bytes) else "character"
        return (
            f"{self._place}: first difference at {unit} {at} "
            f"(expected {len(self.expected)}, got {len(self.got)} {unit}s){note}\n"
            f"  expected {expected}\n"
            f"  got      {got}"
        )


def _are_long(expected: object, got: object) -> bool:
    return (
        (isinstance(expected, str) and isinstance(got, str))
        or (isinstance(expected, bytes) and isinstance(got, bytes))
    ) and max(len(expected), len(got)) > _LONG


def compare(where: str, expected: Any, got: Any, into: list[Mismatch]) -> None:
    """Add to `into` every difference between `got` and what `expected` asks for.

    Dicts and lists are compared inside, at any depth. Beyond plain values, which must be
    equal as JSON is (`1` is not `true`, `1` is `1.0`), an expected value may be a compiled
    pattern (it must match the whole text), a type (`isinstance`; `int` is not met by a bool),
    an object with an `__eq__` of its own, or a function that is called with the value.
    It stops where `ENOUGH` were found.
    """
    if isinstance(expected, dict) and type(expected).__eq__ in _DICT_EQ:
        if isinstance(got, dict):
            _compare_dicts(where, expected, got, into)
        else:
            into.append(Mismatch(where, expected, got, f"an object against {_kind(got)}"))
    elif isinstance(expected, list | tuple) and type(expected).__eq__ in _SEQUENCE_EQ:
        if isinstance(got, list | tuple):
            _compare_lists(where, expected, got, into)
        else:
            into.append(Mismatch(where, expected, got, f"an array against {_kind(got)}"))
    elif isinstance(expected, FormFile) and isinstance(got, FormFile):
        for part in FormFile.__slots__:
            compare(f"{where}.{part}", getattr(expected, part), getattr(got, part), into)
    else:
        reason = _refusal(expected, got, secret=is_secret(where))
        if reason is not None:
            into.append(Mismatch(where, expected, got, reason))


def _compare_dicts(
    where: str, expected: dict[Any, Any], got: dict[Any, Any], into: list[Mismatch]
) -> None:
    for key, wish in expected.items():
        if len(into) >= ENOUGH:
            return
        place = f"{where}{_key(key)}"
        if key in got:
            compare(place, wish, got[key], into)
        else:
            into.append(Mismatch(place, wish, ABSENT))
    for key, value in got.items():
        if len(into) >= ENOUGH:
            return
        if key not in expected:
            into.append(Mismatch(f"{where}{_key(key)}", ABSENT, value))


def _compare_lists(
    where: str, expected: Sequence[Any], got: Sequence[Any], into: list[Mismatch]
) -> None:
    for index, (wish, value) in enumerate(zip_longest(expected, got, fillvalue=ABSENT)):
        if len(into) >= ENOUGH:
            return
        place = f"{where}[{index}]"
        if wish is ABSENT or value is ABSENT:
            into.append(Mismatch(place, wish, value))
        else:
            compare(place, wish, value, into)


def _key(key: object) -> str:
    return f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!r}]"


_KINDS = {
    dict: "an object",
    list: "an array",
    str: "a text",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    bytes: "bytes",
    type(None): "null",
}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), f"a {type(value).__name__}")


def _refusal(expected: Any, got: Any, *, secret: bool) -> str | None:
    """Return None if the single value `got` is what `expected` asks for, else the reason."""
    if isinstance(expected, _PLAIN):
        return None if _equal(expected, got) else _confusion(expected, got)
    try:
        if isinstance(expected, re.Pattern):
            return _pattern_refusal(expected, got)
        if isinstance(expected, UnionType):
            return None if any(_is_of(kind, got) for kind in expected.__args__) else ""
        if has_own_eq(expected):
            return None if bool(expected == got) else ""
        if isinstance(expected, type):
            return None if _is_of(expected, got) else ""
        if callable(expected):
            return answer_refusal(expected(got), "the function")
        return None if bool(expected == got) else ""
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # what pytest.fail() raises is one, too
        what = type(error).__name__ if secret else quote_error(error)
        return f"{describe(expected) or type(expected).__name__} raised {what}"


def answer_refusal(answer: object, name: str) -> str | None:
    """Return None if a function of the user said yes, else the reason, with its name."""
    if inspect.iscoroutine(answer):
        answer.close()
        return f"{name} is async: it is not awaited, so write a plain function"
    return None if answer else f"{name} returned false"


def _is_of(kind: type, got: Any) -> bool:
    if isinstance(got, bool):  # a subclass of int in Python, no number in JSON
        return kind in (bool, object)
    return isinstance(got, kind)


def _equal(expected: Any, got: Any) -> bool:
    if isinstance(expected, bool) or isinstance(got, bool):
        return type(expected) is type(got) and expected == got
    if isinstance(expected, float) and isinstance(got, float) and math.isnan(expected):
        return math.isnan(got)
    return isinstance(got, _PLAIN) and bool(expected == got)


def _confusion(expected: Any, got: Any) -> str:
    """Name the mistakes that the two reprs hardly show."""
    if isinstance(expected, bool) != isinstance(got, bool) and expected == got:
        return "a boolean is no number in JSON"
    if isinstance(expected, str) != isinstance(got, str) and str(expected) == str(got):
        return f"{_kind(got)} is not {_kind(expected)}"
    return ""


def _pattern_refusal(pattern: re.Pattern[Any], got: Any) -> str | None:
    value = got
    if isinstance(got, bytes) and isinstance(pattern.pattern, str):
        value = got.decode("utf-8", "surrogateescape")
    elif isinstance(got, str) and isinstance(pattern.pattern, bytes):
        value = got.encode("utf-8", "surrogateescape")
    if not isinstance(value, str | bytes):
        return f"a pattern needs text, this is {_kind(got)}"
    if pattern.fullmatch(value):
        return None
    return "it matches only a part; the whole must match" if pattern.search(value) else ""


def has_own_eq(value: object) -> bool:
    """Tell whether a value compares itself in a way of its own, as those of dirty-equals do."""
    if inspect.isroutine(value):  # a bound method compares itself to other methods
        return False
    return type(value).__eq__ not in (object.__eq__, type.__eq__)


def compare_listed(
    part: str,
    expected: Mapping[str, Any],
    values_of: Callable[[str], Sequence[str]],
    into: list[Mismatch],
) -> None:
    """Compare by subset: only the listed names are looked at.

    A name may have been sent several times: one of the values must be what is expected,
    or, where a list is expected, each of its elements must be among them. None means that
    the name must not have been sent. Numbers are compared with the text that was sent.
    """
    for name, wish in expected.items():
        where = f"{part}.{name}"
        values = values_of(name)
        if wish is None:
            if values:
                into.append(Mismatch(where, ABSENT, _only(values)))
        elif isinstance(wish, list | tuple):
            for item in wish:
                _compare_one_of(where, item, values, into)
        else:
            _compare_one_of(where, wish, values, into)


def _compare_one_of(where: str, wish: Any, values: Sequence[str], into: list[Mismatch]) -> None:
    wish = as_sent(wish)
    if not values:
        into.append(Mismatch(where, wish, ABSENT))
        return
    tries: list[list[Mismatch]] = []
    for value in values:
        found: list[Mismatch] = []
        compare(where, wish, value, found)
        if not found:
            return
        tries.append(found)
    if len(values) == 1:
        into.extend(tries[0])
    else:
        into.append(Mismatch(where, wish, list(values), f"none of the {len(values)} values fits"))


def as_sent(wish: Any) -> Any:
    """Return a number as the text in which a query or a form carries it."""
    is_number = isinstance(wish, int | float) and not isinstance(wish, bool)
    return str(wish) if is_number else wish


def _only(values: Sequence[str]) -> object:
    return values[0] if len(values) == 1 else list(values)
