"""aioresponses: aiohttp's client is patched, nothing is sent."""

import aiohttp
import pytest
from aioresponses import aioresponses


@pytest.mark.parametrize("number", range(500))
async def test_call(number: int) -> None:
    with aioresponses() as mock:
        mock.get("http://api.example.com/fact", payload={"number": number})
        async with (
            aiohttp.ClientSession() as session,
            session.get("http://api.example.com/fact") as answer,
        ):
            assert await answer.json() == {"number": number}
        mock.assert_called_once()
