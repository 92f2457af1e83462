"""A feed of prices over a WebSocket, with the `websockets` package: it outlives the connection."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidHandshake

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

__all__ = ["FeedLostError", "Price", "PriceFeed"]


class FeedLostError(Exception):
    """The feed was lost and could not be found again."""


@dataclass(frozen=True)
class Price:
    """One price; `number` counts those of a symbol."""

    number: int
    price: float


class PriceFeed:
    """The prices of one symbol, each once, however often the connection breaks.

    Args:
        url: where the feed is, `ws://` or `wss://`.
        symbol: whose prices they are.
        attempts: how many connections in a row may bring nothing.
        pause: seconds before the second attempt, doubled before every further one.
        sleep: what pauses.
    """

    def __init__(
        self,
        url: str,
        symbol: str,
        *,
        attempts: int = 5,
        pause: float = 0.1,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._url = url
        self._symbol = symbol
        self._attempts = attempts
        self._pause = pause
        self._sleep = sleep

    async def prices(self) -> AsyncGenerator[Price, None]:
        """Yield the prices as they come, until the server closes with 1000; close it to leave.

        Raises:
            FeedLostError: the attempts are used up.
        """
        last = failed = 0
        while True:
            try:
                socket = await connect(self._url, open_timeout=5)
                try:
                    await socket.send(json.dumps({"subscribe": self._symbol, "after": last}))
                    async for text in socket:
                        price = Price(**json.loads(text))
                        last, failed = price.number, 0
                        yield price
                finally:  # no `async with`: it would tell of a reader who leaves as an error, 1011
                    await socket.close()
                if socket.close_code == 1000:
                    return
                reason = f"closed with {socket.close_code}"
            except (ConnectionClosedError, InvalidHandshake, OSError) as error:
                reason = str(error)
            failed += 1
            if failed == self._attempts:
                raise FeedLostError(f"{reason}, the last of {failed} attempts")
            await self._sleep(self._pause * 2 ** (failed - 1))
