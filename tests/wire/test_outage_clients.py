"""Outages and connections as five clients meet them that nobody here wrote; TLS and uvloop too."""

from __future__ import annotations

import asyncio
import ssl
import sys
from typing import TYPE_CHECKING, Literal

import aiohttp
import pytest
import trustme
import uvloop
from bench.faults.clients import CLIENTS, GET, Call, outcomes

from asyncly.srvmocker import JsonResponse, LatencyResponse, RawResponse, start_service

from .conftest import ROUTES, connect
from .test_leaving import nothing_is_left

if TYPE_CHECKING:
    from asyncly.srvmocker import MockService

__all__ = ["nothing_is_left"]  # a fixture: no test here leaves a socket behind

REFUSED = (
    "aiohttp.ClientConnectorError",
    "httpx.ConnectError",
    "requests.ConnectionError",
    "urllib3.NewConnectionError",
    "exit 7",
)
SILENT = (
    "builtins.TimeoutError",
    "httpx.ReadTimeout",
    "requests.ReadTimeout",
    "urllib3.ReadTimeoutError",
    "exit 28",
)
BLACK_HOLE = (
    "builtins.TimeoutError",
    "httpx.ConnectTimeout",
    "requests.ConnectTimeout",
    "urllib3.ConnectTimeoutError",
    "exit 28",
)
UP = ('200 {"fact": "Meow."}',) * 5
linux = pytest.mark.skipif(sys.platform != "linux", reason="a black hole needs Linux")


@pytest.mark.parametrize(
    ("kind", "seen", "timeout"),
    [
        ("refused", REFUSED, 10),
        ("silent", SILENT, 0.5),
        pytest.param("blackhole", BLACK_HOLE, 0.5, marks=linux),
    ],
)
async def test_what_clients_see_in_an_outage_and_after_it(
    service: MockService,
    kind: Literal["refused", "silent", "blackhole"],
    seen: tuple[str, ...],
    timeout: float,
) -> None:
    url = service.url / "fact"
    assert await outcomes(url) == UP
    async with service.outage(kind):
        assert await outcomes(url, timeout) == seen
    assert service.url / "fact" == url
    assert await outcomes(url) == UP
    service.assert_called("fact", times=10)  # whoever came in the outage is in no record
    assert [item.number for item in service.connections] == list(range(1, 11))


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_reuses_its_connection_and_closes_it(
    service: MockService, name: str
) -> None:
    assert await CLIENTS[name](service.url / "fact", 10, Call(times=3)) in UP
    record = await service.connections[0].closed()
    assert service.connections == (record,)
    assert (record.requests, record.closed_by, record.was_reset) == (3, "client", False)


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_whose_time_is_over_leaves(service: MockService, name: str) -> None:
    service.register("fact", LatencyResponse(JsonResponse({}), 3600))
    seen = await CLIENTS[name](service.url / "fact", 0.3, GET)
    assert "Timeout" in seen or seen == "exit 28"
    record = await service.connections[0].closed()
    assert record.closed_by == "client"
    (exchange,) = service.exchanges
    assert (exchange.fault, exchange.status) == ("the client disconnected", None)
    assert exchange.request.connection == record.number


async def test_over_tls() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(trusting)
    async with (
        start_service(ROUTES, ssl_context=context) as service,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session,
    ):
        service.register("fact", RawResponse("here"))
        url = service.url / "fact"
        async with session.get(url) as answer:
            assert await answer.text() == "here"
        async with service.outage():
            record = service.connections[0]
            assert (record.closed_by, record.was_reset) == ("server", True)
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(url)
        async with service.outage("silent"):
            with pytest.raises(TimeoutError):
                await session.get(url, timeout=aiohttp.ClientTimeout(total=0.2))
        async with connect(service.url):  # its handshake never ends
            await service.down()
            await service.up()
        async with session.get(url) as answer:
            assert await answer.text() == "here"


async def story() -> None:
    async with start_service(ROUTES) as service:
        service.register("fact", JsonResponse({}))
        async with connect(service.url) as raw:
            await raw.send(b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\n")
            await raw.answer()
            async with service.outage():
                with pytest.raises(ConnectionResetError):
                    await raw.rest()
        async with connect(service.url) as raw:
            await raw.send(b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\n")
            await raw.answer()
            raw.writer.close()
            await service.connections[1].closed()
        ended = [(item.closed_by, item.was_reset) for item in service.connections]
        assert ended == [("server", True), ("client", False)]


async def test_in_uvloop() -> None:
    await asyncio.to_thread(uvloop.run, story())
