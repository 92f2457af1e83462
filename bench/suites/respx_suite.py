"""respx: httpx's transport is replaced, nothing is sent."""

import httpx
import pytest
import respx


@pytest.mark.parametrize("number", range(500))
async def test_call(respx_mock: respx.MockRouter, number: int) -> None:
    route = respx_mock.get("http://api.example.com/fact").respond(json={"number": number})
    async with httpx.AsyncClient(verify=False) as client:
        answer = await client.get("http://api.example.com/fact")
    assert answer.json() == {"number": number}
    assert route.call_count == 1
