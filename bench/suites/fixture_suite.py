"""This package's fixture."""

from collections.abc import Sequence

import aiohttp
import pytest

from asyncly.srvmocker import JsonResponse, MockRoute, MockService


@pytest.fixture
def mock_routes() -> Sequence[MockRoute]:
    return [MockRoute("GET", "/fact", "fact")]


@pytest.mark.parametrize("number", range(500))
async def test_call(mock_service: MockService, number: int) -> None:
    mock_service.register("fact", JsonResponse({"number": number}))
    async with (
        aiohttp.ClientSession() as session,
        session.get(mock_service.url / "fact") as answer,
    ):
        assert await answer.json() == {"number": number}
    mock_service.assert_called("fact", times=1)
