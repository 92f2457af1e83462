"""Connections that are dead when a client uses them again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import pytest
import requests

from asyncly.srvmocker import (
    JsonResponse,
    MockService,
    RawResponse,
    SequenceResponse,
    SrvMockerError,
    StaleConnection,
)

from .conftest import connect

if TYPE_CHECKING:
    from collections.abc import Callable

GET = b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("how", ["fin", "reset"])
@pytest.mark.parametrize("after", [1, 3])
async def test_the_request_after_the_last_finds_a_dead_connection(
    service: MockService, how: Any, after: int
) -> None:
    service.register("fact", StaleConnection(RawResponse("ok"), after_requests=after, how=how))
    for _ in range(2):  # each connection is counted by itself
        async with connect(service.url) as raw:
            for _ in range(after):
                await raw.send(GET)
                assert (await raw.answer())[1] == b"ok"
            await raw.send(GET)
            if how == "fin":
                assert await raw.rest() == b""
            else:
                with pytest.raises(ConnectionResetError):
                    await raw.rest()
    segment = {"fin": "FIN", "reset": "RST"}[how]
    ended = f"a stale connection: {segment} at its request {after + 1}"
    assert [exchange.outcome for exchange in service.exchanges] == [*["200"] * after, ended] * 2


@pytest.mark.parametrize(("how", "step"), [("fin", "Fin()"), ("reset", "Reset()")])
def test_its_repr_shows_what_is_done_on_the_wire(how: Any, step: str) -> None:
    shown = repr(StaleConnection(RawResponse("ok"), after_requests=2, how=how))
    assert shown.startswith("StaleConnection(RawResponse(body='ok', ")
    assert shown.endswith(f"after_requests=2, how={how!r}, script=[{step}])")


async def test_requests_to_other_routes_count(service: MockService) -> None:
    service.register("create", StaleConnection())
    async with connect(service.url) as raw:
        await raw.send(GET)
        await raw.answer()
        await raw.send(b"POST /orders HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await raw.rest() == b""


async def test_requests_in_one_segment(service: MockService) -> None:
    service.register("fact", StaleConnection(RawResponse("ok"), after_requests=2))
    async with connect(service.url) as raw:
        await raw.send(GET * 3)
        assert [(await raw.answer())[1] for _ in range(2)] == [b"ok", b"ok"]
        assert await raw.rest() == b""


@pytest.mark.parametrize(
    ("how", "posted", "with_httpx"),
    [
        ("fin", aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
        ("reset", aiohttp.ClientOSError, httpx.ReadError),
    ],
)
async def test_what_clients_make_of_it(
    service: MockService,
    how: Any,
    posted: type[Exception],
    with_httpx: type[Exception],
) -> None:
    stale = StaleConnection(JsonResponse({}), how=how)
    service.register("fact", stale)
    service.register("create", stale)
    async with aiohttp.ClientSession(service.url) as session:
        for _ in range(2):  # the second is sent again by aiohttp itself, on a new connection
            async with session.get("/fact") as answer:
                assert answer.status == 200
        assert [call.connection for call in service.get_calls("fact")] == [1, 1, 2]
        with pytest.raises(posted):
            await session.post("/orders")
    async with httpx.AsyncClient() as client:
        await client.get(str(service.url / "fact"))
        with pytest.raises(with_httpx):
            await client.get(str(service.url / "fact"))

    def fetch_twice() -> None:
        with requests.Session() as session:
            session.get(str(service.url / "fact"), timeout=10)
            with pytest.raises(requests.ConnectionError):
                session.get(str(service.url / "fact"), timeout=10)

    await asyncio.to_thread(fetch_twice)
    service.reset()
    url = str(service.url / "fact")
    process = await asyncio.create_subprocess_exec(
        *["curl", "-s", "-o", "/dev/null", "-o", "/dev/null", url, url]
    )
    assert await process.wait() == 0
    calls = [call.connection for call in service.history]
    assert calls == [calls[0], calls[0], calls[0] + 1]
    assert service.errors == ()


async def test_among_other_answers(service: MockService, session: aiohttp.ClientSession) -> None:
    service.register(
        "create", SequenceResponse([RawResponse(status=503), StaleConnection(), RawResponse("ok")])
    )
    async with session.post("/orders") as answer:
        assert answer.status == 503
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await session.post("/orders")
    async with session.post("/orders") as answer:
        assert await answer.text() == "ok"


async def test_outside_of_a_service() -> None:
    with pytest.raises(SrvMockerError, match="counts the requests of a connection to a service"):
        await StaleConnection().response(object())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda: StaleConnection(how="rst"),  # type: ignore[arg-type]
            ValueError,
            "how takes one of 'fin', 'reset', got 'rst'",
        ),
        (
            lambda: StaleConnection(after_requests=0),
            ValueError,
            "after_requests takes an int from 1 up, got 0",
        ),
        (
            lambda: StaleConnection({}),  # type: ignore[arg-type]
            TypeError,
            "StaleConnection takes a response, got {}; wrap data in JsonResponse(...), bytes or "
            "text in RawResponse(...)",
        ),
    ],
)
def test_what_it_does_not_take(
    make: Callable[[], object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == text
