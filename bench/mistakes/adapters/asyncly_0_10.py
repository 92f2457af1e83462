# mypy: ignore-errors
# (what it imports is installed in another environment)
"""PyPI's asyncly 0.10.1. It has no `form=` and no `cookies=`: the bytes and the header stand in."""

from urllib.parse import urlencode

from asyncly.srvmocker import BaseMockResponse, JsonResponse, MockRoute, start_service

from ..reading import answer_order


def _wish(call):
    headers = dict(call.headers)
    if call.cookies:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in call.cookies.items())
    named = {
        "json": call.json,
        "body": call.body or urlencode(call.form).encode(),
        "headers": headers,
        "query": call.query,
    }
    return {name: value for name, value in named.items() if value}


async def _play(case, reading, expect=None, response=None):
    expected = case.expected[0]
    async with start_service([MockRoute(expected.method, expected.path, "create")]) as service:
        service.register("create", response or JsonResponse({"id": 1}))
        for call in case.sent:
            await reading.send(str(service.url).rstrip("/"), call)
        if expect:
            with reading:
                expect(service)


async def differs(case, reading):
    wish = _wish(case.expected[0])
    await _play(case, reading, lambda service: service.assert_called("create", **wish))


async def count(case, reading):
    times = len(case.expected)
    await _play(case, reading, lambda service: service.assert_called("create", times=times))


async def typo(case, reading):
    await _play(case, reading, lambda service: service.assert_called("creat"))


class _Raising(BaseMockResponse):
    async def response(self, request):
        return answer_order(request)


async def raises(case, reading):
    await _play(case, reading, response=_Raising())
