"""`explain` is empty exactly when an independent check says that the request is as wished."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from asyncly.srvmocker import Match, RecordedRequest

# Few names and values, so that wishes are often met.
names = st.sampled_from(["a", "b", "X-T", "x-t"])
values = st.sampled_from(["", "1", "2", "true", "ä b+&=%", "None"])
pairs = st.lists(st.tuples(names, values), max_size=4)
data = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 1.0, "", "1"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=4,
)
wish_values = values | st.none() | st.lists(values, max_size=2) | st.sampled_from([1, 2])
subsets = st.none() | st.dictionaries(names, wish_values, max_size=2)

PARTS = ("headers", "query", "path_params", "cookies")


def is_as_wished(wish: Any, sent: list[str]) -> bool:
    """Tell it as the documentation does."""
    if wish is None:
        return not sent
    if isinstance(wish, list):
        return all(str(item) in sent for item in wish)
    return str(wish) in sent


def fits(part: str, wish: dict[str, Any] | None, sent: list[tuple[str, str]]) -> bool:
    if wish is None:
        return True
    fold = str.lower if part == "headers" else str
    return all(
        is_as_wished(value, [got for name, got in sent if fold(name) == fold(wanted)])
        for wanted, value in wish.items()
    )


@given(
    sent=st.fixed_dictionaries(dict.fromkeys(PARTS[:2], pairs)),
    single=st.fixed_dictionaries(
        dict.fromkeys(PARTS[2:], st.dictionaries(names, st.sampled_from(["1", "2", "x"])))
    ),
    wish=st.fixed_dictionaries(dict.fromkeys(PARTS, subsets)),
)
def test_what_surrounds_the_body(
    sent: dict[str, list[tuple[str, str]]],
    single: dict[str, dict[str, str]],
    wish: dict[str, dict[str, Any] | None],
) -> None:
    headers = CIMultiDict(sent["headers"])
    headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in single["cookies"].items())
    target = "/?" + urlencode(sent["query"], quote_via=quote)
    request = RecordedRequest(target=target, headers=headers, path_params=single["path_params"])
    everything = {**sent, **{part: list(single[part].items()) for part in single}}
    expected = {part for part in PARTS if not fits(part, wish[part], everything[part])}

    match = Match(**wish)  # type: ignore[arg-type]
    found = match.explain(request)

    assert {mismatch.where.partition(".")[0] for mismatch in found} == expected
    assert match.matches(request) == (not expected)
    for mismatch in found:
        assert len(str(mismatch)) < 500


def canonical(value: Any) -> str:
    """Return a text that is the same for values that are equal as JSON, and for no others."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, dict):
        inner = sorted((json.dumps(key), canonical(item)) for key, item in value.items())
        return "{" + ",".join(f"{key}:{item}" for key, item in inner) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return json.dumps(value)


@example(wishes=[True, 1, {"a": False}], sent=[1, True, {"a": 0}])
@given(wishes=st.lists(data, min_size=1, max_size=3), sent=st.lists(data, min_size=1, max_size=4))
def test_the_body_in_json(wishes: list[Any], sent: list[Any]) -> None:
    """The same matches are asked again and again: what they remember must not change a word."""
    matches = [Match(json=wish) for wish in wishes]
    for value in [*sent, *wishes, *sent]:
        request = RecordedRequest("POST", body=json.dumps(value).encode())
        for wish, match in zip(wishes, matches, strict=True):
            equal = canonical(wish) == canonical(value)
            assert match.matches(request) == equal
            assert (match.explain(request) == ()) == equal


@given(wish=st.binary(max_size=4) | st.text(max_size=3), sent=st.binary(max_size=4))
def test_the_body_in_bytes(wish: bytes | str, sent: bytes) -> None:
    for body in (sent, wish.encode() if isinstance(wish, str) else wish):
        equal = body == (wish.encode() if isinstance(wish, str) else wish)
        match, request = Match(body=wish), RecordedRequest("POST", body=body)
        assert match.matches(request) == (match.explain(request) == ()) == equal


@given(wish=pairs, sent=pairs)
def test_the_form(wish: list[tuple[str, str]], sent: list[tuple[str, str]]) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    form = {name: [value for other, value in wish if other == name] for name, _ in wish}
    for fields in (sent, wish):
        request = RecordedRequest("POST", headers=kind, body=urlencode(fields).encode())
        arrived = parse_qsl(request.body.decode(), keep_blank_values=True)
        equal = form == {name: [v for n, v in arrived if n == name] for name, _ in arrived}
        match = Match(form=form)
        assert match.matches(request) == (match.explain(request) == ()) == equal
