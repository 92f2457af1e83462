# mypy: ignore-errors
# (what it imports is installed in another environment)
"""aresponses: a route is used once; a wish can be about host, path, query and the body's text."""

import asyncio
import json
from urllib.parse import urlencode

from aresponses import ResponsesMockServer

from ..reading import NoFeature, answer_order

BASE = "http://api.example.com"


def _wish(call):
    if call.headers or call.cookies:
        raise NoFeature
    path = call.path + ("?" + urlencode(call.query) if call.query else "")
    body = json.dumps(call.json) if call.json else (call.body or b"").decode()
    named = {"body_pattern": body or urlencode(call.form), "match_querystring": bool(call.query)}
    given = {name: value for name, value in named.items() if value}
    return {"path_pattern": path, "method_pattern": call.method, **given}


async def _play(case, reading, response=""):
    async with ResponsesMockServer(loop=asyncio.get_running_loop()) as server:
        for call in case.expected:
            server.add("api.example.com", response=response, **_wish(call))
        for call in case.sent:
            await reading.send(BASE, call)
        for expect in (
            server.assert_no_unused_routes,
            server.assert_called_in_order,
            server.assert_all_requests_matched,
        ):
            with reading:
                expect()


async def differs(case, reading):
    await _play(case, reading)


async def count(case, reading):
    await _play(case, reading)


async def order(case, reading):
    await _play(case, reading)


async def raises(case, reading):
    await _play(case, reading, answer_order)
