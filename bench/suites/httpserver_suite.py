"""pytest-httpserver: one server on a thread for the whole run, cleared for each test."""

import aiohttp
import pytest
from pytest_httpserver import HTTPServer


@pytest.mark.parametrize("number", range(500))
async def test_call(httpserver: HTTPServer, number: int) -> None:
    httpserver.expect_ordered_request("/fact").respond_with_json({"number": number})
    async with (
        aiohttp.ClientSession() as session,
        session.get(httpserver.url_for("/fact")) as answer,
    ):
        assert await answer.json() == {"number": number}
    httpserver.check_assertions()
