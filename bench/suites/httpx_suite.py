"""pytest-httpx: httpx's transport is replaced, nothing is sent."""

import httpx
import pytest
from pytest_httpx import HTTPXMock


@pytest.mark.parametrize("number", range(500))
async def test_call(httpx_mock: HTTPXMock, number: int) -> None:
    httpx_mock.add_response(url="http://api.example.com/fact", json={"number": number})
    async with httpx.AsyncClient(verify=False) as client:
        answer = await client.get("http://api.example.com/fact")
    assert answer.json() == {"number": number}
    assert len(httpx_mock.get_requests()) == 1
