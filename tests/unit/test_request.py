"""The record of a request: immutable, lazy, and exact."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from yarl import URL

from asyncly.srvmocker import RecordedRequest, RequestHistory


def test_a_bare_record_has_sensible_values() -> None:
    request = RecordedRequest()
    assert (request.method, request.target, request.path, request.body) == ("GET", "/", "/", b"")
    assert (request.handler_name, request.received_at, request.connection) == (None, 0.0, 0)
    assert dict(request.headers) == dict(request.query) == dict(request.path_params) == {}
    assert str(request.url) == "http://localhost/"
    assert RequestHistory is RecordedRequest


@pytest.mark.parametrize(
    ("target", "host", "url", "path", "query"),
    [
        ("/", None, "http://mock.test/", "/", []),
        ("/a", "shop.test:8080", "http://shop.test:8080/a", "/a", []),
        ("/a%20b/%C3%BC", None, "http://mock.test/a%20b/%C3%BC", "/a b/ü", []),
        ("/a%2Fb", None, "http://mock.test/a%2Fb", "/a/b", []),
        ("/a?b=1&b=2&c", None, "http://mock.test/a?b=1&b=2&c", "/a", ["b", "c"]),
        ("/a?q=x+y%26", None, "http://mock.test/a?q=x+y%26", "/a", ["q"]),
        ("/a?", None, "http://mock.test/a", "/a", []),
        ("/a?b=?c", None, "http://mock.test/a?b=?c", "/a", ["b"]),
        ("//a//b", None, "http://mock.test//a//b", "//a//b", []),
        ("/../a", None, "http://mock.test/../a", "/../a", []),
        ("http://other.test/x?y=1", "mock.test", "http://other.test/x?y=1", "/x", ["y"]),
        ("*", None, "*", "*", []),
        ("/a", "no host", "http://no host/a", "/a", []),
        ("/a", "mock.test:80", "http://mock.test/a", "/a", []),
        ("/a", "mock.test:8080", "http://mock.test:8080/a", "/a", []),
        ("http://[::1/", None, "http%3A//[::1/", "http://[::1/", []),
    ],
)
def test_the_url_is_what_the_client_asked_for(
    target: str, host: str | None, url: str, path: str, query: list[str]
) -> None:
    headers = {} if host is None else {"Host": host}
    request = RecordedRequest("GET", target, headers, origin=lambda: URL("http://mock.test"))
    assert str(request.url) == url
    assert host is None or " " in host or request.url == URL(url)
    assert request.path == path
    assert list(dict.fromkeys(request.query)) == query


def test_the_headers_keep_order_duplicates_and_case() -> None:
    pairs = [("X-B", "1"), ("x-a", "2"), ("X-b", "3")]
    headers = RecordedRequest("GET", "/", CIMultiDict(pairs)).headers
    assert list(headers.items()) == pairs
    assert headers.getall("x-B") == ["1", "3"]


@pytest.mark.parametrize(
    ("lines", "cookies"),
    [
        ([], {}),
        (["a=1"], {"a": "1"}),
        (["a=1; b=2", "c=3"], {"a": "1", "b": "2", "c": "3"}),
        (["a=1; a=2"], {"a": "1"}),
        (['a="1"; b= 2 ;c=x=y=; =v; d'], {"a": "1", "b": "2", "c": "x=y=", "": "v"}),
        ([";;"], {}),
    ],
)
def test_the_cookies_of_every_header_are_read(lines: list[str], cookies: dict[str, str]) -> None:
    request = RecordedRequest("GET", "/", CIMultiDict(("Cookie", line) for line in lines))
    assert dict(request.cookies) == cookies


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        (None, "ü".encode(), "ü"),
        ("text/plain", "ü".encode(), "ü"),
        ("text/plain; charset=latin-1", b"\xfc", "ü"),
        ('text/plain; charset="UTF-16"', "ü".encode("utf-16"), "ü"),
        ("text/plain; charset=no-such", "ü".encode(), "ü"),
        ("text/plain; charset=hex", b"fc", "fc"),
        ("nonsense", b"a", "a"),
    ],
)
def test_the_text_is_decoded_by_its_charset(
    content_type: str | None, body: bytes, text: str
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    request = RecordedRequest("POST", "/", headers, body)
    assert request.text == text
    assert request.body == body


def test_a_body_that_is_no_text_says_so() -> None:
    with pytest.raises(UnicodeDecodeError, match="can't decode byte 0xff in position 1"):
        _ = RecordedRequest(body=b"a\xff").text


def test_an_unknown_coding_says_what_to_do() -> None:
    request = RecordedRequest("POST", "/", {"Content-Encoding": "br"}, b"x")
    with pytest.raises(ValueError, match="'br'") as caught:
        _ = request.content
    assert str(caught.value) == (
        "Content-Encoding 'br' is not decoded here; compare the bytes as sent with body="
    )
    assert request.body == b"x"


def test_json_is_a_fresh_value_at_every_call() -> None:
    request = RecordedRequest(body=b'{"a": []}')
    request.json()["a"].append(1)
    assert request.json() == {"a": []}


def test_json_that_is_compared_often_is_parsed_once() -> None:
    request = RecordedRequest(body=b'{"a": 1}')
    with mock.patch.object(json, "loads", wraps=json.loads) as loads:
        assert request.parsed_json() is request.parsed_json()
        assert loads.call_count == 1


def test_nothing_is_parsed_until_it_is_asked_for() -> None:
    broken = RecordedRequest(
        "POST", "http://[::1/", {"Content-Type": "multipart/form-data", "Host": "["}, b"\xff"
    )
    assert broken.body == b"\xff"
    with pytest.raises(ValueError, match="without a boundary"):
        _ = broken.form
    with pytest.raises(ValueError, match="can't decode"):
        broken.json()


@pytest.mark.parametrize(
    "name",
    [
        *("method", "target", "headers", "body", "handler_name", "path_params", "received_at"),
        *("connection", "url", "path", "query", "cookies", "text", "content", "form"),
    ],
)
def test_nothing_in_a_record_can_be_replaced(name: str) -> None:
    request = RecordedRequest()
    with pytest.raises(AttributeError):
        setattr(request, name, None)
    with pytest.raises(AttributeError):
        delattr(request, name)


def test_nothing_in_a_record_can_be_changed() -> None:
    sent = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": "a=1"}
    request = RecordedRequest("POST", "/?a=1", sent, b"a=1")
    sent["X-Later"] = "1"
    assert "X-Later" not in request.headers
    views: list[Any] = [
        request.headers,
        request.query,
        request.cookies,
        request.form,
        request.path_params,
    ]
    for view in views:
        with pytest.raises(TypeError):
            view["a"] = "2"
    assert not hasattr(request, "__dict__")


def test_routed_is_the_same_record_under_the_names_of_a_route() -> None:
    request = RecordedRequest(
        "POST", "/a/5?q=1", {"X-A": "1"}, b"{}", received_at=1.5, connection=3
    )
    routed = request.routed("create", {"id": "5"})
    assert (routed.handler_name, dict(routed.path_params)) == ("create", {"id": "5"})
    assert (request.handler_name, dict(request.path_params)) == (None, {})
    for name in ("method", "target", "headers", "body", "received_at", "connection", "url"):
        assert getattr(routed, name) == getattr(request, name)


def test_the_repr_is_one_line_without_headers() -> None:
    request = RecordedRequest(
        "POST", "/a?b=1", {"Authorization": "secret"}, b"x" * 5_000, handler_name="create"
    )
    assert repr(request) == "<RecordedRequest POST /a?b=1 'create', 5000 bytes>"
    assert repr(RecordedRequest()) == "<RecordedRequest GET /, 0 bytes>"


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4))
def test_any_query_comes_back_as_it_was_sent(query: dict[str, str]) -> None:
    query = {
        key.encode(errors="replace").decode(): value.encode(errors="replace").decode()
        for key, value in query.items()
    }
    url = URL("http://localhost/a").with_query(query)
    assert dict(RecordedRequest("GET", url.raw_path_qs).query) == query


@pytest.mark.parametrize("target", ["*", "Host:", "example.com:443", "http://[::1/"])
def test_a_target_that_is_no_path_and_no_url_is_the_path(target: str) -> None:
    request = RecordedRequest("OPTIONS", target)
    assert (request.path, request.target) == (target, target)
