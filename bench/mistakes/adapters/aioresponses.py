# mypy: ignore-errors
# (what it imports is installed in another environment)
"""aioresponses: answers by URL and method, expectations on the latest call afterwards.

Its 0.7.9 cannot make a response of aiohttp 3.14, which asks for one argument more; the class
below gives it, so that the answers come and only the texts are judged.
"""

from unittest.mock import Mock

from aiohttp import ClientResponse
from aioresponses import aioresponses

from ..reading import NoFeature, answer_order, arguments

BASE = "http://api.example.com"


class Response(ClientResponse):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"stream_writer": Mock(), **kwargs})


async def _play(case, reading, *expectations, **answer):
    (expected, *_) = case.expected
    with aioresponses() as mock:
        url = BASE + expected.path
        query = "&".join(f"{name}={value}" for name, value in expected.query.items())
        answer = {"repeat": True, "response_class": Response, **answer}
        mock.add(f"{url}?{query}" if query else url, expected.method, **answer)
        for call in case.sent:
            await reading.send(BASE, call)
        for expect in expectations:
            with reading:
                expect(mock, url)


async def differs(case, reading):
    (expected,) = case.expected

    def expect(mock, url):
        mock.assert_called_with(url, expected.method, **arguments(expected))

    await _play(case, reading, expect)


async def count(case, reading):
    if len(case.expected) > 1:
        raise NoFeature

    await _play(
        case,
        reading,
        lambda mock, url: mock.assert_any_call(url, "POST"),
        lambda mock, _: mock.assert_called_once(),
    )


async def raises(case, reading):
    await _play(case, reading, callback=answer_order)
