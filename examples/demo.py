"""A client against the mock server, as a story to read: `make demo`."""

from __future__ import annotations

import asyncio
import logging
import os
import sys

from cat_facts import CatFacts, CatFactsError

from asyncly.srvmocker import (
    DisconnectResponse,
    JsonResponse,
    LatencyResponse,
    MockRoute,
    MockService,
    RawResponse,
    SequenceResponse,
    start_service,
)

ROUTES = [MockRoute("GET", "/fact", "fact"), MockRoute("POST", "/facts", "add")]
MEOW = JsonResponse({"fact": "Meow.", "length": 5})

_COLOURED = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _paint(text: str, code: int) -> str:
    return f"\033[{code}m{text}\033[0m" if _COLOURED else text


def _tell(title: str, *lines: str, good: bool = True) -> None:
    print(_paint("✓" if good else "✗", 32 if good else 31), _paint(title, 1))
    for line in lines:
        print("   ", line)


def _show_exchanges(service: MockService) -> list[str]:
    return [
        f"{item.request.method} {item.request.target} → {item.outcome}"
        for item in service.exchanges
    ]


async def show_success(service: MockService) -> None:
    """Show the ordinary case: one request, one answer."""
    service.register("fact", MEOW)
    async with CatFacts(service.url, token="s3cret") as client:
        fact = await client.fetch(max_length=20)
    service.assert_called("fact", times=1, query={"max_length": 20})
    _tell(f"the client fetched {fact.text!r}", *_show_exchanges(service))


async def show_retries(service: MockService) -> None:
    """Show two faults and an answer: the client has to try three times."""
    service.reset()
    service.register(
        "fact", SequenceResponse([RawResponse(status=503), DisconnectResponse(), MEOW])
    )
    async with CatFacts(service.url, pause=0.01) as client:
        await client.fetch()
    service.assert_called("fact", times=3)
    _tell("the client tried again after a 503 and a disconnect", *_show_exchanges(service))


async def show_timeout(service: MockService) -> None:
    """Show an answer that comes too late: the client has to leave."""
    service.reset()
    service.register("fact", LatencyResponse(MEOW, 60))
    async with CatFacts(service.url, attempts=1, timeout=0.1) as client:
        try:
            await client.fetch()
        except CatFactsError as error:
            _tell("the client did not wait for a minute", str(error))


async def show_failure(service: MockService) -> None:
    """Show an expectation that does not hold, and the message that says where."""
    service.reset()
    service.register("add", JsonResponse({"id": 7}, 201))
    async with CatFacts(service.url) as client:
        await client.add("Cats purr.")
    try:
        service.assert_called("add", json={"fact": "Cats purr.", "length": 11})
    except AssertionError as error:
        _tell("an expectation that does not hold says where", *str(error).split("\n"), good=False)
    else:
        raise RuntimeError("the expectation was meant to fail")


async def main() -> None:
    """Tell the story."""
    logging.disable()  # what goes wrong here is meant to
    async with start_service(ROUTES) as service:
        print(f"a real server listens at {service.url}\n")
        await show_success(service)
        await show_retries(service)
        await show_timeout(service)
        await show_failure(service)


if __name__ == "__main__":
    asyncio.run(main())
