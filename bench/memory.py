"""Bytes that one recorded request keeps, by tracemalloc, printed as JSON.

Requests come over a real socket with a real client's headers, as many as are kept.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tracemalloc

import aiohttp

from asyncly.srvmocker import JsonResponse, MockRoute, start_service


async def measure(count: int) -> float:
    async with (
        start_service([MockRoute("GET", "/items/{id}", "item")]) as service,
        aiohttp.ClientSession(headers={"Authorization": "Bearer abc.def.ghi"}) as session,
    ):
        service.register("item", JsonResponse({"fact": "Meow."}))

        async def call(number: int) -> None:
            async with session.get(service.url / "items" / str(number)) as answer:
                await answer.read()

        for number in range(100):
            await call(number)
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for number in range(count):
            await call(number)
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        assert len(service.history) == count + 100
    return kept / count


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(int(sys.argv[1])))))
