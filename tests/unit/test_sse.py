"""The wire form of server-sent events (WHATWG HTML §9.2.5)."""

from __future__ import annotations

from typing import Any

import pytest

from asyncly.srvmocker import RecordedRequest, ServerSentEvent
from asyncly.srvmocker.responses.sse import encode_event


@pytest.mark.parametrize(
    ("event", "wire"),
    [
        (ServerSentEvent("one"), b"data: one\n\n"),
        (ServerSentEvent(""), b"data: \n\n"),
        (ServerSentEvent(" a: b"), b"data:  a: b\n\n"),
        (ServerSentEvent("a\nb\r\nc\rd\n"), b"data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"),
        (ServerSentEvent("a\u2028b\x0bc\x85"), "data: a\u2028b\x0bc\x85\n\n".encode()),
        (ServerSentEvent({"a": "ü\n"}), b'data: {"a": "\\u00fc\\n"}\n\n'),
        (ServerSentEvent(None), b"data: null\n\n"),
        (ServerSentEvent([1], "add", "7", 50), b"event: add\nid: 7\nretry: 50\ndata: [1]\n\n"),
        (ServerSentEvent(id=""), b"id: \n\n"),
        (ServerSentEvent(retry=0), b"retry: 0\n\n"),
        (ServerSentEvent(comment="a\nb"), b": a\n: b\n\n"),
        ("text", b"data: text\n\n"),
        ({"a": 1}, b'data: {"a": 1}\n\n'),
        (None, b"data: null\n\n"),
    ],
)
def test_the_wire_form(event: object, wire: bytes) -> None:
    assert encode_event(event) == wire


def test_what_is_done_to_the_data_later_is_not_sent() -> None:
    data = {"a": 1}
    event = ServerSentEvent(data)
    data["a"] = 2
    assert bytes(event) == b'data: {"a": 1}\n\n'


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (
            {"data": "x", "id": "a\nb"},
            ValueError,
            "id cannot hold a line break or a NUL, for which the format has no form "
            "(WHATWG HTML §9.2.6): 'a\\nb'",
        ),
        ({"data": "x", "id": "a\0"}, ValueError, "id cannot hold a line break or a NUL"),
        ({"data": "x", "event": "a\rb"}, ValueError, "event cannot hold a line break, for which"),
        ({"data": "x", "event": b"a"}, TypeError, "event takes text, got b'a'"),
        ({"data": "x", "retry": -1}, ValueError, "retry takes milliseconds from 0 up, got -1"),
        ({"data": "x", "retry": 0.5}, TypeError, "retry takes milliseconds, an int, got 0.5"),
        (
            {"data": b"x"},
            TypeError,
            "the data of a ServerSentEvent is text or what JSON has a form for: "
            "Object of type bytes is not JSON serializable; it is b'x'",
        ),
        ({"data": "\ud800"}, ValueError, "an event stream is UTF-8 (WHATWG HTML §9.2.5)"),
        ({}, ValueError, "a ServerSentEvent without data, event, id, retry and comment says"),
    ],
)
def test_what_the_format_cannot_say_is_refused(
    arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        ServerSentEvent(**arguments)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize("value", ["7", "ü", None])
def test_a_request_tells_the_last_event_that_its_client_saw(value: str | None) -> None:
    headers = {} if value is None else {"last-event-id": value}
    assert RecordedRequest(headers=headers).last_event_id == value
