"""The tests that the author of `PriceClient` and `open_session` writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from price_client import PriceClient, open_session

from asyncly.srvmocker import (
    JsonResponse,
    MockRoute,
    MockService,
    RawResponse,
    ResetResponse,
    SequenceResponse,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    import requests

PAUSE = 0.02
FLAKY = SequenceResponse(
    [
        ResetResponse(),
        RawResponse(status=503, headers={"Retry-After": "0"}),
        JsonResponse({"price": 9.5}),
    ]
)
BUSY = RawResponse(status=503, headers={"Retry-After": "7"})


@pytest.fixture
def mock_routes() -> list[MockRoute]:
    return [MockRoute("GET", "/prices/{symbol}", "price")]


def noting(pauses: list[float]) -> Callable[[float], Awaitable[None]]:
    """Return a sleep that takes no time, and notes how long it was meant to be."""

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    return sleep


@pytest.fixture
async def http(mock_service: MockService) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=str(mock_service.url), timeout=5) as http:
        yield http


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with open_session(pause=PAUSE) as session:
        yield session


async def test_tenacity_tries_again_after_a_reset_and_a_503(
    mock_service: MockService, http: httpx.AsyncClient
) -> None:
    mock_service.register("price", FLAKY)

    assert await PriceClient(http, pause=PAUSE).fetch("CAT") == 9.5

    mock_service.assert_called("price", times=3, path_params={"symbol": "CAT"})
    first, second = mock_service.intervals("price")
    assert first > 0.9 * PAUSE
    assert second > 0.9 * 2 * PAUSE


async def test_tenacity_pauses_as_long_as_the_server_asks(
    mock_service: MockService, http: httpx.AsyncClient
) -> None:
    mock_service.register("price", SequenceResponse([BUSY, JsonResponse({"price": 9.5})]))
    pauses: list[float] = []

    assert await PriceClient(http, sleep=noting(pauses)).fetch("CAT") == 9.5

    assert pauses == [7]


async def test_tenacity_gives_up_after_the_last_attempt(
    mock_service: MockService, http: httpx.AsyncClient
) -> None:
    mock_service.register("price", ResetResponse())
    pauses: list[float] = []

    with pytest.raises(httpx.ReadError):
        await PriceClient(http, sleep=noting(pauses)).fetch("CAT")

    mock_service.assert_called("price", times=4)
    assert pauses == [0.1, 0.2, 0.4]


async def test_a_refusal_is_not_tried_again(
    mock_service: MockService, http: httpx.AsyncClient
) -> None:
    mock_service.register("price", RawResponse(status=404))

    with pytest.raises(httpx.HTTPStatusError, match="404"):
        await PriceClient(http).fetch("DOG")

    mock_service.assert_called("price", times=1)


def test_urllib3_tries_again_after_a_reset_and_a_503(
    mock_service: MockService, session: requests.Session
) -> None:
    mock_service.register("price", FLAKY)

    answer = session.get(f"{mock_service.url}/prices/CAT", timeout=5)

    assert answer.json() == {"price": 9.5}
    mock_service.assert_called("price", times=3)
    _, second = mock_service.intervals("price")  # its first pause is none
    assert second > 0.9 * 2 * PAUSE


def test_urllib3_pauses_as_long_as_the_server_asks(
    mock_service: MockService, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    mock_service.register("price", SequenceResponse([BUSY, JsonResponse({"price": 9.5})]))
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)

    assert session.get(f"{mock_service.url}/prices/CAT", timeout=5).ok

    assert pauses == [7]


def test_urllib3_gives_the_last_answer_when_it_gives_up(
    mock_service: MockService, session: requests.Session
) -> None:
    mock_service.register("price", RawResponse(status=503))

    assert session.get(f"{mock_service.url}/prices/CAT", timeout=5).status_code == 503

    mock_service.assert_called("price", times=4)
