"""The life of a service on a thread of its own, in microseconds, printed as JSON.

Beside it the least that such a server needs: a thread, a loop, a listening socket.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from statistics import median
from typing import TYPE_CHECKING

from asyncly.srvmocker import JsonResponse, MockRoute, run_service

if TYPE_CHECKING:
    from collections.abc import Callable


def bare_life() -> None:
    loop = asyncio.new_event_loop()
    begun = threading.Event()

    def serve() -> None:
        server = loop.run_until_complete(loop.create_server(asyncio.Protocol, "127.0.0.1", 0))
        begun.set()
        loop.run_forever()
        server.close()
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    begun.wait()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def life() -> None:
    with run_service([MockRoute("GET", "/fact", "fact")]) as service:
        service.register("fact", JsonResponse({"fact": "Meow."}))


def measure(rounds: int) -> dict[str, float]:
    cases: dict[str, Callable[[], None]] = {"bare": bare_life, "life": life}
    times: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(rounds + rounds // 5):
        for name, case in cases.items():
            begin = time.perf_counter()
            case()
            if turn >= rounds // 5:  # the first turns warm up
                times[name].append(time.perf_counter() - begin)
    return {name: median(values) * 1e6 for name, values in times.items()}


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
