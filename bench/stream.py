"""One event to a client in the same loop, in microseconds: a live stream beside a bare writer.

Prints JSON: the event written (`send`) and written and read by the client (`delivery`), each in
turn in one process.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from statistics import median
from typing import TYPE_CHECKING

from asyncly.srvmocker import LiveStream, MockRoute, start_service

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TEXT = '{"id": 7, "delta": "one more token of the answer"}'
EVENT = f"data: {TEXT}\n\n".encode()
BATCH = 50


async def run(send: Callable[[], Awaitable[None]], reader: asyncio.StreamReader) -> list[float]:
    """Return microseconds an event, sent alone and delivered; the client has read all then."""
    begin = time.perf_counter()
    for _ in range(BATCH):
        await send()
    sent = time.perf_counter() - begin
    for _ in range(BATCH):
        await reader.readuntil(EVENT)
    begin = time.perf_counter()
    for _ in range(BATCH):
        await send()
        await reader.readuntil(EVENT)
    return [seconds / BATCH * 1e6 for seconds in (sent, time.perf_counter() - begin)]


async def measure(rounds: int) -> dict[str, float]:
    connected: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    bare = await asyncio.start_server(lambda _, writer: connected.put_nowait(writer), "127.0.0.1")
    live = LiveStream("sse")
    async with bare, start_service([MockRoute("GET", "/events", "events")]) as service:
        service.register("events", live)
        bare_reader, bare_client = await asyncio.open_connection(*bare.sockets[0].getsockname()[:2])
        writer = await connected.get()
        reader, client = await asyncio.open_connection(service.url.host, service.url.port)
        client.write(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        conn = await live.accept()
        await reader.readuntil(b"\r\n\r\n")

        async def send_bare() -> None:
            writer.write(f"data: {TEXT}\n\n".encode())
            await writer.drain()

        times: dict[str, list[float]] = {}
        for turn in range(rounds + rounds // 5):
            found = {
                "bare": await run(send_bare, bare_reader),
                "live": await run(lambda: conn.send(TEXT), reader),
            }
            if turn >= rounds // 5:  # the first turns warm up
                for name, (sent, delivered) in found.items():
                    times.setdefault(f"{name}_send", []).append(sent)
                    times.setdefault(f"{name}_delivery", []).append(delivered)
        for one in (writer, bare_client, client):
            one.close()
    return {name: median(values) for name, values in times.items()}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(int(sys.argv[1])))))
