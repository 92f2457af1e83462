"""The tests that the author of `CatFacts` writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cat_facts import CatFacts, CatFactsError, Fact

from asyncly.srvmocker import (
    DisconnectResponse,
    JsonResponse,
    LatencyResponse,
    MockRoute,
    MockService,
    RawResponse,
    SequenceResponse,
    TruncatedResponse,
    start_service,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asyncly.srvmocker import BaseMockResponse

ROUTES = [MockRoute("GET", "/fact", "fact"), MockRoute("POST", "/facts", "add")]
MEOW = JsonResponse({"fact": "Meow.", "length": 5})


@pytest.fixture
async def service() -> AsyncIterator[MockService]:
    async with start_service(ROUTES) as service:
        yield service


@pytest.fixture
async def client(service: MockService) -> AsyncIterator[CatFacts]:
    async with CatFacts(service.url, token="s3cret", pause=0, timeout=5) as client:
        yield client


async def test_a_fact_is_fetched(service: MockService, client: CatFacts) -> None:
    service.register("fact", MEOW)

    assert await client.fetch(max_length=20) == Fact("Meow.", 5)

    service.assert_called(
        "fact", times=1, query={"max_length": 20}, headers={"Authorization": "Bearer s3cret"}
    )


async def test_a_fact_is_added(service: MockService, client: CatFacts) -> None:
    service.register("add", JsonResponse({"id": 7}, 201))

    assert await client.add("Purr.") == 7

    service.assert_called("add", times=1, json={"fact": "Purr.", "length": 5})


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(RawResponse(status=503), id="unavailable"),
        pytest.param(RawResponse(status=429), id="too many requests"),
        pytest.param(DisconnectResponse(), id="disconnected"),
        pytest.param(TruncatedResponse(b'{"fact": "Me'), id="broken off"),
    ],
)
async def test_a_fault_is_tried_again(
    service: MockService, client: CatFacts, fault: BaseMockResponse
) -> None:
    service.register("fact", SequenceResponse([fault, MEOW]))

    assert (await client.fetch()).text == "Meow."

    service.assert_called("fact", times=2)


async def test_the_client_gives_up_after_three_attempts(
    service: MockService, client: CatFacts
) -> None:
    service.register("fact", RawResponse(status=503))

    with pytest.raises(CatFactsError, match="GET /fact: status 503, the last of 3 attempts"):
        await client.fetch()

    service.assert_called("fact", times=3)


async def test_a_refusal_is_not_tried_again(service: MockService, client: CatFacts) -> None:
    service.register("fact", RawResponse(status=401))

    with pytest.raises(CatFactsError, match="status 401"):
        await client.fetch()

    service.assert_called("fact", times=1)


async def test_a_slow_service_is_not_waited_for(service: MockService) -> None:
    service.register("fact", LatencyResponse(MEOW, 60))

    async with CatFacts(service.url, attempts=1, timeout=0.3) as client:
        with pytest.raises(CatFactsError, match="TimeoutError"):
            await client.fetch()

    service.assert_called("fact", times=1)
