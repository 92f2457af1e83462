"""aresponses: a server in the loop; the client's name resolution is patched."""

import aiohttp
import pytest
from aresponses import ResponsesMockServer


@pytest.mark.parametrize("number", range(500))
async def test_call(aresponses: ResponsesMockServer, number: int) -> None:
    aresponses.add("api.example.com", "/fact", "GET", response={"number": number})
    async with (
        aiohttp.ClientSession() as session,
        session.get("http://api.example.com/fact") as answer,
    ):
        assert await answer.json() == {"number": number}
    aresponses.assert_plan_strictly_followed()
