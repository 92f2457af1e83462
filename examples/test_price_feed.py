"""The tests that the author of `PriceFeed` writes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest
from price_feed import FeedLostError, Price, PriceFeed

from asyncly.srvmocker import (
    LiveStream,
    MockRoute,
    MockService,
    RawResponse,
    ResetResponse,
    SequenceResponse,
    WebSocketResponse,
    start_service,
    ws,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asyncly.srvmocker import BaseMockResponse

ONE, TWO = {"number": 1, "price": 9.5}, {"number": 2, "price": 9.75}


def subscription(after: int) -> dict[str, object]:
    return {"subscribe": "CAT", "after": after}


REST = WebSocketResponse([ws.Expect(subscription(after=1)), ws.Send(TWO), ws.Close(1000)])
BEGINNING = [ws.Expect(subscription(after=0)), ws.Send(ONE)]


@pytest.fixture
async def service() -> AsyncIterator[MockService]:
    async with start_service([MockRoute("GET", "/feed", "feed")]) as service:
        yield service
        assert service.errors == ()  # every script ran to its end


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def feed(service: MockService, pauses: list[float]) -> PriceFeed:
    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    return PriceFeed(str(service.url.with_scheme("ws") / "feed"), "CAT", sleep=sleep)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(ws.Reset(), id="reset"),
        pytest.param(ws.Close(1011, "out of memory"), id="server error"),
        pytest.param(ws.Close(1001, "deploy"), id="going away"),
    ],
)
async def test_it_connects_again_and_asks_for_what_it_has_not_seen(
    service: MockService, feed: PriceFeed, end: ws.Step
) -> None:
    broken = WebSocketResponse([*BEGINNING, end])
    service.register("feed", SequenceResponse([broken, REST]))

    assert [price async for price in feed.prices()] == [Price(1, 9.5), Price(2, 9.75)]

    service.assert_called("feed", times=2)


async def test_a_price_is_there_before_the_connection_breaks(
    service: MockService, feed: PriceFeed
) -> None:
    live = LiveStream("websocket")
    service.register("feed", live)
    prices = feed.prices()
    coming = asyncio.ensure_future(anext(prices))

    conn = await live.accept()
    assert await conn.receive_json() == subscription(after=0)
    await conn.send(ONE)
    assert await coming == Price(1, 9.5)

    conn.reset()
    coming = asyncio.ensure_future(anext(prices))
    conn = await live.accept()
    assert await conn.receive_json() == subscription(after=1)
    await conn.send(TWO)
    assert await coming == Price(2, 9.75)

    await conn.close()
    assert [price async for price in prices] == []


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(RawResponse(status=503), id="unavailable"),
        pytest.param(ResetResponse(), id="reset"),
        pytest.param(WebSocketResponse([ws.Close(1012)]), id="closed at once"),
    ],
)
async def test_its_pauses_grow_until_a_price_comes(
    service: MockService, feed: PriceFeed, pauses: list[float], fault: BaseMockResponse
) -> None:
    broken = WebSocketResponse([*BEGINNING, ws.Reset()])
    service.register("feed", SequenceResponse([fault, fault, broken, REST]))

    assert [price.number async for price in feed.prices()] == [1, 2]

    assert pauses == [0.1, 0.2, 0.1]


async def test_it_gives_up_after_five_attempts(service: MockService, feed: PriceFeed) -> None:
    service.register("feed", RawResponse(status=503))

    with pytest.raises(FeedLostError, match="HTTP 503, the last of 5 attempts"):
        await anext(feed.prices())

    service.assert_called("feed", times=5)


async def test_a_reader_who_leaves_closes_the_connection(
    service: MockService, feed: PriceFeed
) -> None:
    service.register("feed", WebSocketResponse([*BEGINNING, ws.ExpectClose(1000)]))

    async with aclosing(feed.prices()) as prices:
        await anext(prices)

    service.assert_called("feed", times=1)
