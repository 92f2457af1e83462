"""A service's life and one whole test, in microseconds, printed as JSON.

Runs in our environment and in the peers'. What is compared is run in turn in one process.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from statistics import median
from typing import TYPE_CHECKING

import aiohttp

from asyncly.srvmocker import JsonResponse, MockRoute, start_service

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

BODY = {"fact": "Meow."}
CANNED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n"
    b'{"fact": "Meow."}'
)


class Canned(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(CANNED)


async def bare_life() -> None:
    loop = asyncio.get_running_loop()
    (await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)).close()


async def life() -> None:
    async with start_service([MockRoute("GET", "/fact", "fact")]) as service:
        service.register("fact", JsonResponse(BODY))


async def bare_test() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Canned, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/fact") as answer,
    ):
        assert await answer.json() == BODY
    server.close()
    await asyncio.sleep(0)


async def whole_test() -> None:
    async with start_service([MockRoute("GET", "/fact", "fact")]) as service:
        service.register("fact", JsonResponse(BODY))
        async with (
            aiohttp.ClientSession() as session,
            session.get(service.url / "fact") as answer,
        ):
            assert await answer.json() == BODY
        service.assert_called("fact", times=1)


async def measure(rounds: int) -> dict[str, float]:
    cases: dict[str, Callable[[], Awaitable[None]]] = {
        "bare_life": bare_life,
        "life": life,
        "bare_test": bare_test,
        "whole_test": whole_test,
    }
    times: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(rounds + rounds // 5):
        for name, case in cases.items():
            begin = time.perf_counter()
            await case()
            if turn >= rounds // 5:  # the first turns warm up
                times[name].append(time.perf_counter() - begin)
    return {name: median(values) * 1e6 for name, values in times.items()}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(int(sys.argv[1])))))
