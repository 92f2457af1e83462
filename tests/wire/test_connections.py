"""What is known of a connection: who closed it, and what passed."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx
import pytest
import trustme

from asyncly.srvmocker import (
    CallbackResponse,
    DisconnectResponse,
    Gate,
    GatedResponse,
    JsonResponse,
    MockService,
    RawResponse,
    ResetResponse,
    TruncatedResponse,
    start_service,
)
from asyncly.srvmocker.responses.steps import reset

from .conftest import ROUTES, Raw, connect

if TYPE_CHECKING:
    import aiohttp
    from aiohttp import web

    from asyncly.srvmocker import BaseMockResponse

GET = b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\n"
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the bytes")


async def test_a_client_that_keeps_its_connection_has_one(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    for _ in range(3):
        async with session.get("/fact") as answer:
            await answer.read()
    (record,) = service.connections
    assert (record.number, record.requests, record.is_open) == (1, 3, True)
    assert {call.connection for call in service.get_calls("fact")} == {1}
    await session.close()
    assert await record.closed() is record
    assert record.closed_at is not None
    assert record.closed_at >= record.opened_at
    assert (record.closed_by, record.was_reset, record.is_open) == ("client", False, False)


async def test_a_client_that_keeps_none_has_many(service: MockService) -> None:
    for _ in range(2):
        async with httpx.AsyncClient() as client:
            await client.get(str(service.url / "fact"))
    assert [record.requests for record in service.connections] == [1, 1]
    assert [(await record.closed()).closed_by for record in service.connections] == ["client"] * 2


async def test_the_server_closes_where_it_says_so(service: MockService) -> None:
    service.register("fact", RawResponse("bye", headers={"Connection": "close"}))
    async with connect(service.url) as raw:
        await raw.send(GET)
        await raw.rest()
        (record,) = service.connections
        await record.closed()
    assert (record.closed_by, record.was_reset) == ("server", False)


async def test_a_reset_by_the_server(service: MockService) -> None:
    service.register("fact", ResetResponse())
    async with connect(service.url) as raw:
        await raw.send(GET)
        with pytest.raises(ConnectionResetError):
            await raw.rest()
        record = await service.connections[0].closed()
    assert (record.closed_by, record.was_reset) == ("server", True)


async def test_a_client_that_gives_up_is_seen_on_the_exchange_and_on_the_connection(
    service: MockService,
) -> None:
    gate = Gate()
    service.register("fact", GatedResponse(JsonResponse({}), gate))
    async with httpx.AsyncClient(timeout=httpx.Timeout(5, read=0.05)) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get(str(service.url / "fact"))
    (record,) = service.connections
    await record.closed()
    (exchange,) = service.exchanges
    assert (record.closed_by, exchange.fault) == ("client", "the client disconnected")


async def test_a_client_that_resets_is_seen(service: MockService) -> None:
    gate = Gate()
    service.register("fact", GatedResponse(JsonResponse({}), gate))
    async with connect(service.url) as raw:
        await raw.send(GET)
        await gate.waiting()
        raw.writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        raw.writer.transport.abort()
        record = await service.connections[0].closed()
    assert (record.closed_by, record.was_reset) == ("client", True)


@linux
async def test_the_bytes_of_both_directions_are_counted(service: MockService) -> None:
    async with connect(service.url) as raw:
        await raw.send(GET)
        head, body = await raw.answer()
        (record,) = service.connections
        assert (record.bytes_in, record.bytes_out) == (len(GET), len(head) + len(body))
        await raw.send(GET)
        await raw.answer()
    await record.closed()
    assert (record.bytes_in, record.bytes_out) == (2 * len(GET), 2 * (len(head) + len(body)))


async def test_elsewhere_than_on_linux_the_bytes_are_not_known(
    service: MockService, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    await session.get("/fact")
    monkeypatch.setattr(sys, "platform", "darwin")
    (record,) = service.connections
    assert (record.bytes_in, record.bytes_out) == (None, None)
    assert str(record) == "connection 1: open, 1 request"


@linux
async def test_a_connection_that_is_not_closed_in_time_is_described(service: MockService) -> None:
    async with connect(service.url) as raw:
        await raw.send(GET)
        head, body = await raw.answer()
        (record,) = service.connections
        with pytest.raises(AssertionError) as caught:
            await record.closed(timeout=0.01)
    assert str(caught.value) == (
        "waited 0.01 s for the end of connection 1: open, 1 request, "
        f"{len(GET)} bytes in, {len(head) + len(body)} out"
    )
    await record.closed()
    assert repr(record).startswith("<ConnectionRecord connection 1: closed by the client")


async def test_reset_forgets_the_connections_that_are_no_more(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    await session.get("/fact")
    async with connect(service.url):
        while len(service.connections) < 2:
            await asyncio.sleep(0)
    await service.connections[1].closed()
    service.reset()
    assert [record.number for record in service.connections] == [1]
    async with connect(service.url):
        while len(service.connections) < 2:
            await asyncio.sleep(0)
        assert service.connections[1].number == 3


# --- over TLS -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "was_reset"),
    [
        (RawResponse("bye", headers={"Connection": "close"}), False),
        (DisconnectResponse(), False),
        (TruncatedResponse(b"half"), False),
        (ResetResponse(), True),
        (ResetResponse(after="body"), True),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("tls", [False, True])
async def test_who_closed_is_told_right_over_tls_too(
    response: BaseMockResponse, was_reset: bool, tls: bool
) -> None:
    context, trusting = contexts() if tls else (None, None)
    async with start_service(ROUTES, ssl_context=context) as service:
        service.register("fact", response)
        raw = await connect_over(service, trusting)
        await raw.send(GET)
        with suppress(ConnectionResetError):
            await raw.rest()
        raw.writer.close()
        record = await service.connections[0].closed()
        assert (record.closed_by, record.was_reset, record.requests) == ("server", was_reset, 1)
    assert service.errors == ()


@pytest.mark.parametrize("resets", [False, True])
async def test_a_client_that_closes_over_tls(resets: bool) -> None:
    context, trusting = contexts()
    async with start_service(ROUTES, ssl_context=context) as service:
        service.register("fact", RawResponse("here"))
        raw = await connect_over(service, trusting)
        await raw.send(GET)
        await raw.answer()
        if resets:
            reset(raw.writer.transport)  # type: ignore[arg-type] # one of a socket
        else:
            raw.writer.close()
        record = await service.connections[0].closed()
        assert (record.closed_by, record.was_reset) == ("client", resets)


@linux
async def test_the_bytes_of_tls_are_known_after_an_orderly_end() -> None:
    context, trusting = contexts()
    async with start_service(ROUTES, ssl_context=context) as service:
        service.register("fact", RawResponse("here"))
        raw = await connect_over(service, trusting)
        await raw.send(GET)
        await raw.answer()
        raw.writer.close()
        record = await service.connections[0].closed()
        assert record.bytes_in is not None
        assert record.bytes_in > len(GET)


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(trusting)
    return context, trusting


async def connect_over(service: MockService, trusting: ssl.SSLContext | None) -> Raw:
    host, port = service.url.host, service.url.port
    return Raw(*await asyncio.open_connection(host, port, ssl=trusting))


async def slow_to_leave(request: web.Request) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        for _ in range(20):
            await asyncio.sleep(0)


async def test_when_the_end_is_told_the_exchange_says_so_too(service: MockService) -> None:
    service.register("fact", CallbackResponse(slow_to_leave))
    async with connect(service.url) as raw:
        await raw.send(GET)
        await service.wait_for_call("fact")
        raw.writer.close()
        await service.connections[0].closed()
    assert service.exchanges[0].fault == "the client disconnected"


async def test_a_response_that_does_not_end_is_told(service: MockService) -> None:
    let_go = asyncio.Event()

    async def stubborn(request: web.Request) -> None:
        while not let_go.is_set():
            with suppress(asyncio.CancelledError):
                await let_go.wait()

    service.register("fact", CallbackResponse(stubborn))
    async with connect(service.url) as raw:
        await raw.send(GET)
        await service.wait_for_call("fact")
        raw.writer.close()
        record = service.connections[0]
        while record.is_open:
            await asyncio.sleep(0)
        with pytest.raises(AssertionError, match=r"its response has not ended yet$"):
            await record.closed(timeout=0.01)
        let_go.set()
        await record.closed()
