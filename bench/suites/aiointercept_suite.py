"""aiointercept: a server in the loop; aiohttp's resolver is patched."""

import aiohttp
import pytest
from aiointercept import aiointercept


@pytest.mark.parametrize("number", range(500))
async def test_call(number: int) -> None:
    async with aiointercept(mock_external_urls=True) as mock:
        mock.get("http://api.example.com/fact", payload={"number": number})
        async with (
            aiohttp.ClientSession() as session,
            session.get("http://api.example.com/fact") as answer,
        ):
            assert await answer.json() == {"number": number}
        mock.assert_called_once()
