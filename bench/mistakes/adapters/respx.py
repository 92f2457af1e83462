# mypy: ignore-errors
# (what it imports is installed in another environment)
"""respx: what is expected stands in the route; the rest are counters to assert on."""

import respx

from ..reading import NoFeature, answer_order

BASE = "http://api.example.com"


def _wish(call):
    named = {
        "json": call.json,
        "content": call.body,
        "data": call.form,
        "headers": call.headers,
        "params": call.query,
        "cookies": call.cookies,
    }
    return {name: value for name, value in named.items() if value}


def _play(case, reading, expect=None, **answer):
    (expected, *_) = case.expected
    with reading, respx.mock() as mock:  # leaving asserts that all were called
        url = BASE + expected.path
        route = mock.request(expected.method, url, name="create", **_wish(expected))
        if "side_effect" in answer:
            route.mock(**answer)
        else:
            route.respond(json={"id": 1})
        for call in case.sent:
            reading.send_httpx(BASE, call)
        if expect:
            with reading:
                expect(mock)


def differs(case, reading):
    _play(case, reading)


def count(case, reading):
    if len(case.expected) > 1:
        raise NoFeature
    _play(case, reading, lambda mock: mock["create"].calls.assert_called_once())


def typo(case, reading):
    _play(case, reading, lambda mock: mock["creat"])


def raises(case, reading):
    _play(case, reading, side_effect=answer_order)
