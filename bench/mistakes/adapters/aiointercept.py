# mypy: ignore-errors
# (what it imports is installed in another environment)
"""aiointercept: answers by URL and method, expectations on the latest call afterwards."""

from aiointercept import aiointercept

from ..reading import NoFeature, answer_order


def _wish(call):
    headers = dict(call.headers)
    if call.cookies:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in call.cookies.items())
    named = {
        "json": call.json,
        "data": call.body or call.form,
        "headers": headers,
        "params": call.query,
    }
    return {name: value for name, value in named.items() if value}


async def _play(case, reading, *expectations, **answer):
    async with aiointercept() as mock:
        base = str(mock.server_url).rstrip("/")
        expected = case.expected[0]
        mock.add(_url(base, expected), expected.method, **answer)
        for call in case.sent:
            await reading.send(base, call)
        for expect in expectations:
            with reading:
                expect(mock, base)


def _url(base, call):
    query = "&".join(f"{name}={value}" for name, value in call.query.items())
    return base + call.path + (f"?{query}" if query else "")


async def differs(case, reading):
    (expected,) = case.expected

    def expect(mock, base):
        mock.assert_called_with(base + expected.path, expected.method, **_wish(expected))

    await _play(case, reading, expect)


async def count(case, reading):
    if len(case.expected) > 1:
        raise NoFeature

    await _play(
        case,
        reading,
        lambda mock, base: mock.assert_any_call(base + "/orders", "POST"),
        lambda mock, _: mock.assert_called_once(),
    )


async def raises(case, reading):
    await _play(case, reading, callback=answer_order)
