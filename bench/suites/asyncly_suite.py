"""asyncly.srvmocker, this package or PyPI's: the same test for both."""

import aiohttp
import pytest

from asyncly.srvmocker import JsonResponse, MockRoute, start_service


@pytest.mark.parametrize("number", range(500))
async def test_call(number: int) -> None:
    async with start_service([MockRoute("GET", "/fact", "fact")]) as service:
        service.register("fact", JsonResponse({"number": number}))
        async with (
            aiohttp.ClientSession() as session,
            session.get(service.url / "fact") as answer,
        ):
            assert await answer.json() == {"number": number}
        service.assert_called("fact", times=1)
