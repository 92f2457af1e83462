# mypy: ignore-errors
# (what it imports is installed in another environment)
"""pytest-httpserver: what is expected stands in the handler and is asked again of the log."""

import json
from urllib.parse import urlencode

from pytest_httpserver import HTTPServer

from ..reading import answer_order


def _wish(call):
    headers = dict(call.headers)
    if call.cookies:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in call.cookies.items())
    named = {
        "json": call.json,
        "data": call.body or urlencode(call.form),
        "headers": headers,
        "query_string": call.query,
    }
    given = {name: value for name, value in named.items() if value}
    return {"uri": call.path, "method": call.method, **given}


async def _send(server, case, reading):
    for call in case.sent:
        await reading.send(server.url_for("").rstrip("/"), call)


async def differs(case, reading):
    wish = _wish(case.expected[0])
    with HTTPServer() as server:
        server.expect_request(**wish).respond_with_data(json.dumps({"id": 1}))
        await _send(server, case, reading)
        with reading:
            server.assert_request_made(server.create_matcher(**wish))


async def count(case, reading):
    wish = _wish(case.expected[0])
    with HTTPServer() as server:
        server.expect_request(**wish).respond_with_data("")
        await _send(server, case, reading)
        with reading:
            server.assert_request_made(server.create_matcher(**wish), count=len(case.expected))


async def order(case, reading):
    with HTTPServer() as server:
        for call in case.expected:
            server.expect_ordered_request(**_wish(call)).respond_with_data("")
        await _send(server, case, reading)
        with reading:
            server.check()


async def raises(case, reading):
    with HTTPServer() as server:
        server.expect_request("/orders").respond_with_handler(answer_order)
        await _send(server, case, reading)
        with reading:
            server.check()
