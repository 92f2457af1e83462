"""How many calls were under way at once, and how far apart they came."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import httpx
import pytest
import requests

from asyncly.srvmocker import (
    Gate,
    GatedResponse,
    JsonResponse,
    LatencyResponse,
    MockRoute,
    MockService,
    RawResponse,
    SrvMockerError,
    UnknownHandlerError,
    start_service,
)

from .conftest import ROUTES

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager


async def fetch_all(service: MockService, limit: AbstractAsyncContextManager[object]) -> None:
    """Make five requests at once, as a client would that limits itself, or forgot to."""
    async with httpx.AsyncClient(base_url=str(service.url)) as client:

        async def fetch(page: int) -> None:
            async with limit:
                await client.get("/fact", params={"page": page})

        await asyncio.gather(*(fetch(page) for page in range(5)))


class NoLimit:
    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *_: object) -> None:
        pass


async def check_limit(service: MockService, limit: AbstractAsyncContextManager[object]) -> None:
    service.register("fact", LatencyResponse(JsonResponse({}), 0.05))
    await fetch_all(service, limit)
    service.assert_called("fact", times=5)
    assert service.max_in_flight("fact") <= 2


async def test_a_client_that_limits_itself_has_two_in_flight(service: MockService) -> None:
    await check_limit(service, asyncio.Semaphore(2))


async def test_a_client_that_does_not_limit_itself_is_found(service: MockService) -> None:
    with pytest.raises(AssertionError, match=r"assert 5 <= 2"):
        await check_limit(service, NoLimit())


async def test_two_in_flight_are_exactly_two(service: MockService) -> None:
    gate = Gate()
    service.register("fact", GatedResponse(JsonResponse({}), gate))
    fetching = asyncio.create_task(fetch_all(service, asyncio.Semaphore(2)))
    for standing in (2, 2, 2, 2, 1):
        assert len(await gate.waiting(standing)) == standing
        assert service.max_in_flight("fact") == 2
        gate.release(1)
    await fetching
    assert service.max_in_flight("fact") == 2


async def test_one_after_the_other_is_one_in_flight(service: MockService) -> None:
    assert service.max_in_flight("fact") == 0
    service.register("blob", LatencyResponse(RawResponse(bytes(1 << 20)), 0))

    def fetch() -> None:
        with requests.Session() as session:
            for _ in range(20):
                session.get(str(service.url / "fact"), timeout=10)
                session.put(str(service.url / "blobs/a"), data=b"x" * 100_000, timeout=10)

    await asyncio.to_thread(fetch)
    assert service.max_in_flight("fact") == 1
    assert service.max_in_flight("blob") == 1
    assert service.max_in_flight("create") == 0


async def test_a_client_that_left_is_in_flight_no_longer(service: MockService) -> None:
    gate = Gate()
    service.register("fact", GatedResponse(JsonResponse({}), gate))
    for times in (1, 2):
        async with httpx.AsyncClient(base_url=str(service.url), timeout=0.05) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/fact")
        await service.wait_for_call("fact", times=times)
        assert await gate._changes.wait(lambda: not gate.standing, timeout=5)
    assert service.max_in_flight("fact") == 1


async def test_intervals_are_the_seconds_between_calls(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    assert service.intervals("fact") == ()
    for delay in (0.0, 0.05, 0.1):
        await asyncio.sleep(delay)  # the backoff of the client
        async with session.get("/fact") as answer:
            await answer.read()
        async with session.post("/orders") as answer:
            await answer.read()
    first, second = service.intervals("fact")
    times = [call.received_at for call in service.get_calls("fact")]
    assert (first, second) == (times[1] - times[0], times[2] - times[1])
    assert first >= 0.04
    assert second >= 0.09
    assert len(service.intervals("create")) == 2


async def test_unknown_names_are_refused(service: MockService) -> None:
    for query in (service.max_in_flight, service.intervals):
        with pytest.raises(UnknownHandlerError, match="'fact'"):
            query("facts")


async def test_what_the_journal_forgot_is_not_guessed() -> None:
    routes = [*ROUTES, MockRoute("GET", "/other", "other")]
    async with (
        start_service(routes, journal_limit=2) as service,
        aiohttp.ClientSession(service.url) as session,
    ):
        service.register("fact", JsonResponse({}))
        service.register("other", JsonResponse({}))
        for path in ("/fact", "/other", "/other"):
            async with session.get(path) as answer:
                await answer.read()
        assert len(service.intervals("other")) == 1
        for query in (service.max_in_flight, service.intervals):
            with pytest.raises(SrvMockerError) as caught:
                query("fact")
            assert str(caught.value) == (
                f"{query.__name__}('fact') needs every call, but the journal was full and has "
                "forgotten 1 of them; pass a larger journal_limit= to start_service"
            )
        service.reset()
        assert service.max_in_flight("fact") == 0
