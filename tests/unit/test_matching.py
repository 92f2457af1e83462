"""`Match`: which parts are compared, how, and what it refuses to be made of."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from typing import Any

import dirty_equals
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, MultiDict

from asyncly.srvmocker import FormFile, Match, RecordedRequest
from asyncly.srvmocker.matching import ANY_REQUEST, UNSET

_JSON = {"Content-Type": "application/json"}
_SENT = RecordedRequest(
    "POST",
    "/orders/7/A%20b?page=2&tag=new&tag=hot&q=a+b%26c&empty=&price=1.5",
    CIMultiDict(
        [
            ("Host", "shop.test"),
            ("X-Tenant", "acme"),
            ("Accept", "text/html"),
            ("Accept", "application/json"),
            ("Cookie", 'session=abc; theme="dark"'),
            ("Cookie", "session=second; lang=de"),
            ("Content-Type", "application/json"),
        ]
    ),
    b'{"qty": 2}',
    path_params={"id": "7", "name": "A b"},
)


def packed(content: bytes) -> bytes:
    """Compress without the time of day: the names of the tests hold the bytes."""
    return gzip.compress(content, mtime=0)


def lines(match: Match, request: RecordedRequest = _SENT) -> list[str]:
    return list(map(str, match.explain(request)))


@pytest.mark.parametrize(
    "match",
    [
        Match(),
        ANY_REQUEST,
        Match(json={"qty": 2}),
        Match(body=b'{"qty": 2}'),
        Match(body='{"qty": 2}'),
        Match(body=bytearray(b'{"qty": 2}')),
        Match(body=memoryview(b'{"qty": 2}')),
        Match(body=re.compile(r'\{"qty": \d+\}')),
        Match(body=lambda body: len(body) == 10),
        Match(headers={}),
        Match(headers={"x-tenant": "acme"}),
        Match(headers={"Accept": "text/html"}),
        Match(headers={"ACCEPT": ["application/json", "text/html"]}),
        Match(headers={"Accept": re.compile("application/.*")}),
        Match(headers=MultiDict([("Accept", "text/html"), ("Accept", "application/json")])),
        Match(headers={"X-Missing": None}),
        Match(headers={"X-Tenant": str}),
        Match(headers={"X-Tenant": dirty_equals.IsStr(max_length=4)}),
        Match(headers={"X-Tenant": str.islower}),
        Match(query={"page": 2}),
        Match(query={"page": "2", "tag": "hot"}),
        Match(query={"tag": ["hot", "new"]}),
        Match(query={"tag": ("new",)}),
        Match(query={"tag": []}),
        Match(query={"q": "a b&c", "empty": "", "price": 1.5, "missing": None}),
        Match(path_params={"id": 7, "name": "A b", "other": None}),
        Match(path_params={"id": re.compile(r"\d+")}),
        Match(cookies={"session": "abc", "theme": "dark", "lang": "de", "other": None}),
        Match(predicate=lambda request: request.method == "POST"),
        Match(predicate=lambda request: [1]),
        Match({"qty": 2}, None, {"X-Tenant": "acme"}, {"page": 2}, {"id": 7}, {"lang": "de"}),
    ],
)
def test_it_matches(match: Match) -> None:
    assert match.explain(_SENT) == ()
    assert match.matches(_SENT)


@pytest.mark.parametrize(
    ("match", "line"),
    [
        (Match(json={"qty": 3}), "json.qty: expected 3, got 2"),
        (Match(json=None), "json: expected None, got {'qty': 2}"),
        (Match(json=[]), "json: expected [], got {'qty': 2} (an array against an object)"),
        (Match(body=b"{}"), "body: expected b'{}', got b'{\"qty\": 2}'"),
        (Match(body=""), "body: expected b'', got b'{\"qty\": 2}'"),
        (
            Match(body=re.compile("qty")),
            "body: expected a match of 'qty', got b'{\"qty\": 2}' "
            "(it matches only a part; the whole must match)",
        ),
        (Match(headers={"X-Tenant": "ACME"}), "headers.X-Tenant: expected 'ACME', got 'acme'"),
        (Match(headers={"X-Trace": "5"}), "headers.X-Trace: missing, expected '5'"),
        (Match(headers={"X-Trace": str}), "headers.X-Trace: missing, expected str"),
        (Match(headers={"x-tenant": None}), "headers.x-tenant: unexpected, got 'acme'"),
        (
            Match(headers={"Accept": None}),
            "headers.Accept: unexpected, got ['text/html', 'application/json']",
        ),
        (
            Match(headers={"Accept": "text/plain"}),
            "headers.Accept: expected 'text/plain', got ['text/html', 'application/json'] "
            "(none of the 2 values fits)",
        ),
        (
            Match(headers={"Accept": ["text/html", "text/plain"]}),
            "headers.Accept: expected 'text/plain', got ['text/html', 'application/json'] "
            "(none of the 2 values fits)",
        ),
        (Match(query={"page": 3}), "query.page: expected '3', got '2'"),
        (Match(query={"price": 1}), "query.price: expected '1', got '1.5'"),
        (Match(query={"page": True}), "query.page: expected True, got '2'"),
        (Match(query={"Page": 2}), "query.Page: missing, expected '2'"),
        (Match(query={"missing": ["a"]}), "query.missing: missing, expected 'a'"),
        (Match(query={"empty": None}), "query.empty: unexpected, got ''"),
        (Match(path_params={"id": 8}), "path_params.id: expected '8', got '7'"),
        (Match(path_params={"id": None}), "path_params.id: unexpected, got '7'"),
        (Match(path_params={"slug": "x"}), "path_params.slug: missing, expected 'x'"),
        (
            Match(cookies={"theme": "light"}),
            "cookies.theme: expected '***' (5 characters, masked), "
            "got '***' (4 characters, masked)",
        ),
        (
            Match(cookies={"theme": "dusk"}),
            "cookies.theme: expected '***' (4 characters, masked), "
            "got '***' (4 characters, masked), first difference at character 1",
        ),
        (
            Match(cookies={"other": "x"}),
            "cookies.other: missing, expected '***' (1 character, masked)",
        ),
        (
            Match(form={"qty": "2"}),
            "form: missing, expected {'qty': '2'} (the body is no form: application/json)",
        ),
    ],
    ids=str,
)
def test_it_does_not_match_and_says_why(match: Match, line: str) -> None:
    assert lines(match) == [line]
    assert not match.matches(_SENT)


@pytest.mark.parametrize("text", ['{"qty":2}', b'{"qty":2}'])
def test_the_text_of_a_json_body_is_told_that_it_is_parsed(text: str | bytes) -> None:
    sent = RecordedRequest("POST", "/", body=b'{"qty": 2}')
    (mismatch,) = Match(json=text).explain(sent)
    assert str(mismatch) == (
        f"json: expected {text!r}, got {{'qty': 2}} (json= takes the parsed value; for the text "
        "as it was sent use body=)"
    )
    assert Match(json="qty").matches(RecordedRequest("POST", "/", body=b'"qty"'))


def test_a_failing_predicate_is_named() -> None:
    def is_large(request: RecordedRequest) -> bool:
        return len(request.body) > 100

    def breaks(request: RecordedRequest) -> bool:
        raise LookupError("nothing here")

    (line,) = lines(Match(predicate=is_large))
    assert line.startswith("predicate: the function is_large ")
    assert "returned false for POST /orders/7/A%20b?page=2" in line
    (line,) = lines(Match(predicate=breaks))
    assert (
        "predicate: the function breaks raised LookupError('nothing here') for POST /orders/7"
        in line
    )


def test_the_differences_of_all_parts_come_in_the_order_of_the_constructor() -> None:
    match = Match(
        predicate=lambda request: False,
        cookies={"a": "b"},
        path_params={"x": "y"},
        query={"page": 1},
        headers={"X-Tenant": "b"},
        body=b"",
        json=1,
        form={},
    )
    assert [m.where for m in match.explain(_SENT)] == [
        "json",
        "body",
        "headers.X-Tenant",
        "query.page",
        "path_params.x",
        "cookies.a",
        "predicate",
    ]


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (b"", {}, "the body is empty"),
        (b"qty=2", {}, "the body is no JSON: Expecting value: line 1 column 1 (char 0)"),
        (b'{"a": 1} x', {}, "the body is no JSON: Extra data: line 1 column 10 (char 9)"),
        (
            b'{"a": "\xff"}',
            {},
            "the body is no JSON: 'utf-8' codec can't decode byte 0xff in position 7: "
            "invalid start byte",
        ),
        (b"9" * 5000, {}, "the body is no JSON: Exceeds the limit (4300 digits)"),
        (b"{}", {"Content-Encoding": "br"}, "the body is no JSON: Content-Encoding 'br' is not"),
        (
            b"{}",
            {"Content-Encoding": "gzip"},
            "the body is no JSON: the body is not the gzip that it claims: ",
        ),
        (
            packed(b"{}" * 1000)[:-9],
            {"Content-Encoding": "gzip"},
            "the body is no JSON: the body is not the gzip that it claims: it is cut short",
        ),
        (
            b"\xff{}",
            {"Content-Type": "application/json; charset=undefined"},
            "the body is no JSON: ",
        ),
    ],
)
def test_a_body_that_is_no_json_is_a_difference_with_the_reason(
    body: bytes, headers: dict[str, str], reason: str
) -> None:
    request = RecordedRequest("POST", "/", headers, body)
    for wish in ({"a": 1}, None, {}):
        (mismatch,) = Match(json=wish).explain(request)
        assert (mismatch.where, mismatch.expected, mismatch.got) == ("json", wish, body)
        assert mismatch.note.startswith(reason)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_json_nested_beyond_all_reason_is_a_difference(opening: str, closing: str) -> None:
    deep = RecordedRequest(body=(opening * 100_000 + "1" + closing * 100_000).encode())
    assert lines(Match(json=[]), deep) == [
        "json: the body is nested too deeply to be compared",
    ]


def test_json_nested_deeply_is_compared() -> None:
    text = "[" * 200 + "1" + "]" * 200
    wish = json.loads(text)
    assert Match(json=wish).matches(RecordedRequest(body=text.encode()))
    (mismatch,) = Match(json=wish).explain(RecordedRequest(body=text.replace("1", "2").encode()))
    assert mismatch.where == "json" + "[0]" * 200


@pytest.mark.parametrize("body", [b"null", b" null\n", "null".encode("utf-16")])
def test_json_none_asks_for_null(body: bytes) -> None:
    assert Match(json=None).matches(RecordedRequest(body=body))
    assert not Match(json=None).matches(RecordedRequest(body=b""))
    assert not Match(json=None).matches(RecordedRequest(body=b"0"))


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, '{"a": "é"}'.encode()),
        ({}, '{"a": "é"}'.encode("utf-8-sig")),
        ({}, '{"a": "é"}'.encode("utf-16")),
        ({}, '{"a": "é"}'.encode("utf-32-le")),
        ({"Content-Type": "application/json; charset=latin-1"}, '{"a": "é"}'.encode("latin-1")),
        ({"Content-Type": "application/json; charset=no-such"}, '{"a": "é"}'.encode()),
        ({"Content-Encoding": "gzip"}, packed('{"a": "é"}'.encode())),
        ({"Content-Encoding": "X-GZIP"}, packed('{"a": "é"}'.encode())),
        (
            {"Content-Encoding": "gzip"},
            packed(b'{"a":') + packed(' "é"}'.encode()),
        ),
        ({"Content-Encoding": "deflate"}, zlib.compress('{"a": "é"}'.encode())),
        ({"Content-Encoding": "deflate"}, zlib.compress('{"a": "é"}'.encode(), wbits=-15)),
        (
            {"Content-Encoding": "deflate, gzip"},
            packed(zlib.compress('{"a": "é"}'.encode())),
        ),
        (
            CIMultiDict([("Content-Encoding", "deflate"), ("Content-Encoding", "gzip")]),
            packed(zlib.compress('{"a": "é"}'.encode())),
        ),
        ({"Content-Encoding": "identity"}, '{"a": "é"}'.encode()),
        ({"Content-Encoding": ""}, '{"a": "é"}'.encode()),
    ],
)
def test_json_is_read_through_codings_and_charsets(headers: Any, body: bytes) -> None:
    request = RecordedRequest("POST", "/", headers, body)
    assert Match(json={"a": "é"}).explain(request) == ()
    assert request.json() == request.parsed_json() == {"a": "é"}
    assert lines(Match(json={"a": "e"}), request) == ["json.a: expected 'e', got 'é'"]


def test_the_same_bytes_are_judged_anew_under_another_coding() -> None:
    match = Match(json={"a": 1})
    assert match.matches(RecordedRequest(body=b'{"a": 1}'))
    assert match.matches(RecordedRequest(body=b'{"a": 1}'))
    coded = RecordedRequest("POST", "/", {"Content-Encoding": "gzip"}, b'{"a": 1}')
    assert not match.matches(coded)


@given(
    body=st.binary(max_size=60) | st.text(max_size=30).map(str.encode),
    content_type=st.sampled_from(
        [
            "application/json",
            "text/plain; charset=utf-16",
            "text/plain; charset=hex",
            "text/plain; charset=undefined",
            'text/plain; charset="a\\0b"',
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "multipart/form-data",
        ]
    )
    | st.text(max_size=20),
    coding=st.sampled_from(["gzip", "deflate", "deflate, gzip", "br", "identity"]) | st.none(),
)
def test_no_body_of_any_kind_makes_explain_raise(
    body: bytes, content_type: str, coding: str | None
) -> None:
    headers = {"Content-Type": content_type} | (
        {} if coding is None else {"Content-Encoding": coding}
    )
    if content_type.startswith("multipart"):
        body = b"--x\r\n" + body + b"\r\n--x--"
    request = RecordedRequest("POST", "/", headers, body)
    match = Match(json={"a": 1}, body=b"x", form={"a": "b"}, cookies={"a": "b"}, query={"a": 1})
    assert all(str(mismatch) for mismatch in match.explain(request))


@given(
    target=st.text(st.characters(exclude_characters=" ", min_codepoint=33), min_size=1, max_size=12)
    | st.sampled_from(["http://[::1/", "http://h:99999/", "*", "h:443", "//", "/%", "/?%ff=%zz"]),
    host=st.text(max_size=8),
    cookie=st.text(max_size=20),
)
def test_no_target_host_or_cookie_makes_explain_raise(target: str, host: str, cookie: str) -> None:
    request = RecordedRequest("GET", target, {"Host": host, "Cookie": cookie})
    match = Match(query={"a": "b"}, cookies={"a": "b"}, headers={"Host": "x" * 50})
    assert len(match.explain(request)) >= 1
    assert isinstance(request.path, str)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"headers": [("a", "b")]}, "headers= takes a dict of names and values, got a list"),
        ({"query": "a=b"}, "query= takes a dict of names and values, got 'a=b'"),
        ({"path_params": 5}, "path_params= takes a dict of names and values, got 5"),
        ({"cookies": "a=b"}, "cookies= takes a dict of names and values, got a str"),
        ({"form": b"a=b"}, "form= takes a dict of names and values, got b'a=b'"),
        ({"predicate": True}, "predicate= takes a function of the request, got True"),
        (
            {"body": {"a": 1}},
            "body= takes bytes or text, got {'a': 1}; for parsed JSON use json=, for a form form=",
        ),
        (
            {"body": 5},
            "body= takes bytes or text, got 5; for parsed JSON use json=, for a form form=",
        ),
    ],
)
def test_what_can_never_match_is_refused(arguments: dict[str, Any], error: str) -> None:
    with pytest.raises(TypeError) as caught:
        Match(**arguments)
    assert str(caught.value) == error


def test_given_names_the_parts_that_are_compared() -> None:
    assert ANY_REQUEST.given == ()
    assert Match(json=None).given == ("json",)
    assert Match(json=UNSET, body=b"", headers={}, form={}).given == ("body", "headers", "form")
    assert repr(UNSET) == "UNSET"


def test_a_match_is_a_value() -> None:
    assert Match(json={"a": 1}, query={"b": 2}) == Match(json={"a": 1}, query={"b": 2})
    assert Match(json={"a": 1}) != Match(json={"a": 2})
    with pytest.raises(AttributeError):
        Match().json = 5  # type: ignore[misc]


def test_it_is_shown_as_it_was_written_without_secrets() -> None:
    def is_new(request: RecordedRequest) -> bool:
        return True

    match = Match(
        json={"a": 1},
        headers={"authorization": "Bearer s3cret", "X-Tenant": re.compile("a.*")},
        cookies={"session": "s3cret"},
        form={"photo": FormFile("a.png", "image/png", b"\x89")},
        predicate=is_new,
    )
    form = "{'photo': FormFile(filename='a.png', content_type='image/png', body=b'\\x89')}"
    parts = [
        "json={'a': 1}",
        "headers={'authorization': 'Bearer ***' (13 characters, masked), "
        "'X-Tenant': a match of 'a.*'}",
        "cookies={'session': '***' (6 characters, masked)}",
        f"form={form}",
        "predicate=is_new",
    ]
    assert repr(match) == f"Match({', '.join(parts)})"
    assert str(match) == "  ".join(parts)
    assert repr(Match()) == "Match()"
    assert repr(Match(predicate=lambda request: True)) == "Match(predicate=<lambda>)"
    assert str(Match()) == ""


def test_it_is_shown_short_in_messages() -> None:
    headers = {f"X-Header-{number}": "v" * 200 for number in range(100)}
    shown = str(Match(json=["x" * 5_000_000] * 20, body=b"y" * 5_000_000, headers=headers))
    assert len(shown) < 900


def test_what_is_done_to_the_wish_later_changes_nothing() -> None:
    wish = {"items": [{"qty": 1}]}
    match = Match(json=wish)
    request = RecordedRequest("POST", "/", body=b'{"items": [{"qty": 1}]}')
    assert match.matches(request)
    wish["items"][0]["qty"] = 2
    wish["items"].append({})
    assert match.matches(request)  # the body is remembered, and rightly so
    assert match.explain(request) == ()
    assert match.json == {"items": [{"qty": 1}]}


def test_a_copied_wish_keeps_its_matchers() -> None:
    class Any1:
        def __eq__(self, other: object) -> bool:
            return other == 1

        __hash__ = None  # type: ignore[assignment]

    one = Any1()
    match = Match(json=[one, {"kind": str}])
    assert match.json[0] is one
    assert match.matches(RecordedRequest("POST", "/", body=b'[1, {"kind": "a"}]'))
