"""The comparator: what is equal, what is not, and the words for it."""

from __future__ import annotations

import json
import math
import re
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any
from unittest import mock

import dirty_equals
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from asyncly.srvmocker import Match, Mismatch, RecordedRequest
from asyncly.srvmocker.comparing import ENOUGH, compare, quick_check
from asyncly.srvmocker.report import render_mismatches
from asyncly.srvmocker.text import ABSENT

json_leaves = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0.0, -0.0, 1.0, 2.0])
    | st.text(max_size=3)
)
json_values = st.recursive(
    json_leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


def canonical(value: Any) -> str:
    """Write a JSON value with the type of each part, numbers by their exact value."""
    if isinstance(value, bool):
        return f"<bool {json.dumps(value)}>"
    if isinstance(value, int | float):
        return f"<number {Decimal(value).normalize() + 0}>"
    if isinstance(value, str):
        return f"<text {value!r}>"
    if value is None:
        return "<null>"
    if isinstance(value, dict):
        items = sorted(f"{key!r}={canonical(item)}" for key, item in value.items())
        return f"<object {' '.join(items)}>"
    return f"<array {' '.join(map(canonical, value))}>"


@st.composite
def nearly_equal(draw: st.DrawFn) -> tuple[Any, Any]:
    """Draw a value and a copy in which one leaf may be another."""
    value = draw(json_values)
    other = json.loads(json.dumps(value))
    spots: list[tuple[Any, Any]] = []

    def visit(node: Any) -> None:
        keys = node.keys() if isinstance(node, dict) else range(len(node))
        for key in keys:
            spots.append((node, key))
            if isinstance(node[key], dict | list):
                visit(node[key])

    if isinstance(other, dict | list):
        visit(other)
    if draw(st.booleans()) and spots:
        node, key = draw(st.sampled_from(spots))
        leaf = node[key]
        if isinstance(leaf, int | float) and leaf in (0, 1) and draw(st.booleans()):
            node[key] = int(leaf) if isinstance(leaf, bool) else bool(leaf)
        else:
            node[key] = draw(json_leaves)
    return value, other


def differences(expected: Any, got: Any) -> list[Mismatch]:
    found: list[Mismatch] = []
    compare("json", expected, got, found)
    return found


@given(nearly_equal() | st.tuples(json_values, json_values))
def test_there_is_no_difference_exactly_when_the_canonical_texts_are_the_same(
    pair: tuple[Any, Any],
) -> None:
    expected, got = pair
    # Decimal's context rounds at 28 digits: beyond, the check itself would be wrong.
    assume("E+" not in canonical(pair))
    equal = canonical(expected) == canonical(got)
    assert (differences(expected, got) == []) is equal
    request = RecordedRequest(body=json.dumps(got).encode())
    assert Match(json=expected).matches(request) is equal


@given(nearly_equal() | st.tuples(json_values, json_values))
def test_the_quick_check_never_says_yes_where_the_comparator_says_no(pair: tuple[Any, Any]) -> None:
    expected, got = pair
    check = quick_check(expected)
    assert check is not None
    assert check(got) is (differences(expected, got) == [])


@given(json_values, json_values)
def test_every_difference_of_plain_json_names_a_place_that_exists(expected: Any, got: Any) -> None:
    for mismatch in differences(expected, got):
        for root, value in ((expected, mismatch.expected), (got, mismatch.got)):
            if value is not ABSENT:
                at = eval(_as_python(mismatch.where), {"json": root})
                assert canonical(at) == canonical(value)


def _as_python(where: str) -> str:
    return re.sub(r"\.([^\W\d]\w*)", r"['\1']", where)


@pytest.mark.parametrize(
    ("expected", "got", "line"),
    [
        (3, 2, "json: expected 3, got 2"),
        (1, True, "json: expected 1, got True (a boolean is no number in JSON)"),
        (True, 1, "json: expected True, got 1 (a boolean is no number in JSON)"),
        (False, 0.0, "json: expected False, got 0.0 (a boolean is no number in JSON)"),
        (0, None, "json: expected 0, got None"),
        (None, 0, "json: expected None, got 0"),
        (None, False, "json: expected None, got False"),
        (3, "3", "json: expected 3, got '3' (a text is not a number)"),
        ("3", 3, "json: expected '3', got 3 (a number is not a text)"),
        ("None", None, "json: expected 'None', got None (null is not a text)"),
        (math.nan, 1.0, "json: expected nan, got 1.0"),
        ({}, [], "json: expected {}, got [] (an object against an array)"),
        ([], {}, "json: expected [], got {} (an array against an object)"),
        ({}, None, "json: expected {}, got None (an object against null)"),
        ([1], "1", "json: expected [1], got '1' (an array against a text)"),
        ({"a": 1}, {}, "json.a: missing, expected 1"),
        ({"a": None}, {}, "json.a: missing, expected None"),
        ({}, {"a": None}, "json.a: unexpected, got None"),
        ({"a b": 1}, {"a b": 2}, "json['a b']: expected 1, got 2"),
        ({"": 1}, {"": 2}, "json['']: expected 1, got 2"),
        ({"größe": 1}, {"größe": 2}, "json.größe: expected 1, got 2"),
        (
            {"items": [{"sku": "A", "qty": 3}]},
            {"items": [{"sku": "A", "qty": 2}]},
            "json.items[0].qty: expected 3, got 2",
        ),
        ([1, 2], [1], "json[1]: missing, expected 2"),
        ([1], [1, 2], "json[1]: unexpected, got 2"),
        ([[1], [2, 3]], [[1], [2, 4]], "json[1][1]: expected 3, got 4"),
        (str, 5, "json: expected str, got 5"),
        (int, True, "json: expected int, got True"),
        (float, False, "json: expected float, got False"),
        (dict, [], "json: expected dict, got []"),
        (int | None, "x", "json: expected int | None, got 'x'"),
        (int | None, True, "json: expected int | None, got True"),
        (re.compile("A-[0-9]+"), "B-1", "json: expected a match of 'A-[0-9]+', got 'B-1'"),
        (
            re.compile("A-[0-9]+"),
            "A-1 ",
            "json: expected a match of 'A-[0-9]+', got 'A-1 ' "
            "(it matches only a part; the whole must match)",
        ),
        (
            re.compile("[0-9]+"),
            5,
            "json: expected a match of '[0-9]+', got 5 (a pattern needs text, this is a number)",
        ),
        (
            lambda value: value > 5,
            3,
            "json: expected a value that the lambda accepts, got 3 (the function returned false)",
        ),
        (
            lambda value: value > 5,
            "x",
            "json: expected a value that the lambda accepts, got 'x' (a value that the lambda "
            "accepts raised TypeError(\"'>' not supported between instances of 'str' and 'int'\"))",
        ),
        (
            "A-1".endswith,
            "x",
            "json: expected str.endswith(value), got 'x' (the function returned false)",
        ),
        (
            dirty_equals.IsPositiveInt,
            -1,
            "json: expected IsPositiveInt, got -1",
        ),
        (
            dirty_equals.IsInt(gt=5),
            4,
            "json: expected IsInt(gt=5), got 4",
        ),
        (b"ab", b"ac", "json: expected b'ab', got b'ac'"),
        ("ab", b"ab", "json: expected 'ab', got b'ab'"),
    ],
)
def test_a_difference_says_place_expected_and_got(expected: Any, got: Any, line: str) -> None:
    assert list(map(str, differences(expected, got))) == [line]


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (1, 1.0),
        (1.0, 1),
        (0, -0.0),
        (2**53 + 1, 2**53 + 1),
        (math.nan, math.nan),
        ([math.nan], [float("nan")]),
        (math.inf, math.inf),
        ((1, 2), [1, 2]),
        ({"a": (1,)}, {"a": [1]}),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(int, a=1), {"a": 1}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (None, None),
        (str, ""),
        (int, 0),
        (bool, False),
        (object, True),
        (object, None),
        (float, 0.5),
        (Mapping, {}),
        (int | None, None),
        (int | None, 5),
        (int | bool, True),
        (re.compile("a.c"), "abc"),
        (re.compile("a.c", re.S), "a\nc"),
        (re.compile(b"a.c"), "abc"),
        (re.compile("a.c"), b"abc"),
        (re.compile("\udcff"), b"\xff"),
        (mock.ANY, {"a": [1]}),
        ([mock.ANY, 2], [None, 2]),
        (dirty_equals.IsPositiveInt, 5),
        (dirty_equals.IsPositiveInt(), 5),
        (dirty_equals.IsPartialDict(a=1), {"a": 1, "b": 2}),
        ({"id": dirty_equals.IsUUID}, {"id": "9d3f6e7a-4b5c-4d6e-8f70-8192a3b4c5d6"}),
        (pytest.approx(0.3), 0.1 + 0.2),
        (lambda value: value > 5, 6),
        (str.isdigit, "55"),
        ("abc".__contains__, "b"),
        ([1, 2, 3].count, 2),
        (partial(isinstance, 5), int),
        (Decimal(1), 1),
    ],
)
def test_these_are_equal(expected: Any, got: Any) -> None:
    assert differences(expected, got) == []


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (OrderedDict(a=1), {"a": True}),
        (defaultdict(int, a=1), {}),
        ((1,), [True]),
        ([1, 2], [2, 1]),
        (2**53, 2**53 + 1),
        (math.nan, None),
        (math.nan, "nan"),
        (int, "5"),
        (int, 5.0),
        (re.compile(""), "x"),
        (re.compile("a.c"), "a\nc"),
        (re.compile("x"), None),
        (re.compile("x"), ["x"]),
        (mock.call(1), 1),
        (dirty_equals.IsUUID, "5"),
        ("ABC", "abc"),
        ("e\u0301", "\xe9"),
        ("", None),
        ("", b""),
    ],
)
def test_these_differ(expected: Any, got: Any) -> None:
    assert differences(expected, got) != []


def test_every_difference_is_found_at_its_place() -> None:
    expected = {"id": int, "items": [{"sku": "A"}, {"sku": "B"}], "note": None, "ok": True}
    got = {"id": "7", "items": [{"sku": "X", "qty": 1}], "ok": 1, "extra": {}}
    assert list(map(str, differences(expected, got))) == [
        "json.id: expected int, got '7'",
        "json.items[0].sku: expected 'A', got 'X'",
        "json.items[0].qty: unexpected, got 1",
        "json.items[1]: missing, expected {'sku': 'B'}",
        "json.note: missing, expected None",
        "json.ok: expected True, got 1 (a boolean is no number in JSON)",
        "json.extra: unexpected, got {}",
    ]


class _Explosive:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("boom")

    def __hash__(self) -> int:
        return 1

    def __repr__(self) -> str:
        return "Explosive()"


class _NoBool:
    def __bool__(self) -> bool:
        raise RuntimeError("no truth")


def _explode(_: object) -> bool:
    raise KeyError("missing")


@pytest.mark.parametrize(
    ("wish", "line"),
    [
        (
            _Explosive(),
            "json: expected Explosive(), got 5 (_Explosive raised RuntimeError('boom'))",
        ),
        (
            _explode,
            "json: expected _explode(value), got 5 (_explode(value) raised KeyError('missing'))",
        ),
        (
            lambda _: _NoBool(),
            "json: expected a value that the lambda accepts, got 5 "
            "(a value that the lambda accepts raised RuntimeError('no truth'))",
        ),
    ],
)
def test_a_wish_that_raises_is_a_difference_and_never_an_exception(wish: Any, line: str) -> None:
    assert list(map(str, differences(wish, 5))) == [line]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_wish_does_not_swallow_the_end_of_the_program(stop: type[BaseException]) -> None:
    def interrupt(_: object) -> bool:
        raise stop

    with pytest.raises(stop):
        differences(interrupt, 5)


@pytest.mark.parametrize("value", [{1: 2}, {"a": {1: 2}}, [mock.ANY], math.nan, b"x", (1,), int])
def test_the_quick_check_leaves_what_is_no_plain_json_to_the_comparator(value: object) -> None:
    assert quick_check(value) is None


def test_a_mismatch_is_a_value() -> None:
    one = Mismatch("json.a", 1, 2)
    assert one == Mismatch("json.a", 1, 2)
    assert hash(one) == hash(Mismatch("json.a", 1, 2))
    assert one != Mismatch("json.a", 1, 3)
    assert repr(one) == "Mismatch(where='json.a', expected=1, got=2, note='')"
    assert repr(Mismatch("a")) == "Mismatch(where='a', expected=ABSENT, got=ABSENT, note='')"
    with pytest.raises(AttributeError):
        one.where = "other"  # type: ignore[misc]


def _nested(depth: int, wrap: Callable[[Any], Any]) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = wrap(value)
    return value


def test_a_place_deep_inside_is_shown_by_both_of_its_ends() -> None:
    expected = _nested(100, lambda inner: {"child": inner})
    got = json.loads(json.dumps(expected).replace("1", "2"))
    (mismatch,) = differences(expected, got)
    assert mismatch.where == "json" + ".child" * 100
    where = mismatch.where
    assert str(mismatch) == f"{where[:60]}…{where[-59:]}: expected 1, got 2"


def test_a_long_key_and_a_long_note_are_cut() -> None:
    key = "k" * 5_000_000
    (line,) = map(str, differences({}, {key: 1}))
    assert line == "json." + "k" * 55 + "…" + "k" * 59 + ": unexpected, got 1"

    def complain(_: object) -> bool:
        raise ValueError("x" * 5_000_000)

    (line,) = map(str, differences(complain, 1))
    assert len(line) < 400
    assert line.endswith("xxx'))")


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        ([0] * 5000, [1] * 5000),
        ([], [1] * 5000),
        ([1] * 5000, []),
        ({str(n): 0 for n in range(5000)}, {}),
        ({}, {str(n): 0 for n in range(5000)}),
        ([{"a": 0, "b": [0]}] * 5000, [{"a": 1, "b": [1]}] * 5000),
    ],
)
def test_nobody_reads_more_than_a_thousand_differences(expected: Any, got: Any) -> None:
    found: list[Mismatch] = []
    compare("json", expected, got, found)
    assert len(found) == ENOUGH
    assert render_mismatches(found)[-1] == "    … and at least 990 more differences"
    assert render_mismatches(found[:12])[-1] == "    … and 2 more differences"
