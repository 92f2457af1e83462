"""A server that goes away and comes back: what clients meet, and what stays."""

from __future__ import annotations

import asyncio
import errno
import socket
import subprocess
import sys
from contextlib import suppress
from typing import Any

import aiohttp
import httpx
import pytest
import requests

from asyncly.srvmocker import (
    Gate,
    GatedResponse,
    JsonResponse,
    MockRoute,
    MockService,
    RawResponse,
    run_service,
    start_proxy,
    start_service,
)

from .conftest import connect

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a black hole")
GET = b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\n"
QUICK = aiohttp.ClientTimeout(total=0.2)


async def fetch(service: MockService, **options: Any) -> int:
    """Ask once, over a connection of its own."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(service.url / "fact", **options) as answer,
    ):
        return answer.status


async def test_down_refuses_and_up_serves_the_same_port_again(service: MockService) -> None:
    url = service.url
    assert await fetch(service) == 200
    await service.down()
    with pytest.raises(aiohttp.ClientConnectorError):
        await fetch(service)
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(str(url / "fact"))
    await service.up()
    assert await fetch(service) == 200
    assert service.url == url
    service.assert_called("fact", times=2)
    assert [record.number for record in service.connections] == [1, 2]


async def test_down_and_up_may_be_said_twice(service: MockService) -> None:
    for _ in range(2):
        await service.down()
        await service.down()
        await service.up()
        await service.up()
        assert await fetch(service) == 200


async def test_the_port_stays_ours_while_it_is_down(service: MockService) -> None:
    await service.down()
    other = socket.socket()
    with other, pytest.raises(OSError, match="in use"):
        other.bind((service.url.host, service.url.port))


async def test_an_open_connection_is_reset(service: MockService) -> None:
    async with connect(service.url) as raw:
        await raw.send(GET)
        await raw.answer()
        await service.down()
        with pytest.raises(ConnectionResetError):
            await raw.rest()
    (record,) = service.connections
    assert (record.closed_by, record.was_reset) == ("server", True)


async def test_a_request_under_way_is_cut_and_says_so(service: MockService) -> None:
    gate = Gate()
    service.register("fact", GatedResponse(JsonResponse({}), gate))
    asking = asyncio.create_task(fetch(service))
    await gate.waiting()
    async with service.outage():
        with pytest.raises(aiohttp.ClientOSError):
            await asking
        assert gate.standing == ()
    assert [exchange.fault for exchange in service.exchanges] == ["the service went down"]
    gate.open()
    assert await fetch(service) == 200
    assert service.errors == ()


async def test_a_body_under_way_is_cut_and_says_so(service: MockService) -> None:
    async with connect(service.url) as raw:
        await raw.send(b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
        while not service.connections or not service.connections[0].requests:
            await asyncio.sleep(0)
        await service.down()
    assert [exchange.fault for exchange in service.exchanges] == ["the service went down"]
    assert service.history[0].body == b"half"


async def test_a_retrying_client_gets_through_when_it_is_up_again(service: MockService) -> None:
    async with service.outage("refused"):
        with pytest.raises(aiohttp.ClientConnectorError):
            await fetch(service)
    assert await fetch(service) == 200


async def test_silent_accepts_and_never_answers(service: MockService) -> None:
    async with connect(service.url) as raw, service.outage("silent"):
        with pytest.raises(TimeoutError):
            await fetch(service, timeout=QUICK)
        async with connect(service.url) as patient:
            await patient.send(GET)
            with pytest.raises(ConnectionResetError):
                await raw.rest()
            assert len(service.history) == 0
            await service.up()
            with pytest.raises(ConnectionResetError):
                await patient.rest()
    assert await fetch(service) == 200
    service.assert_called("fact", times=1)  # not by those who came in the outage


@linux
async def test_in_a_black_hole_no_connection_is_established(service: MockService) -> None:
    async with service.outage("blackhole"):
        with pytest.raises(aiohttp.ConnectionTimeoutError):
            await fetch(service, timeout=aiohttp.ClientTimeout(sock_connect=0.3))
        async with httpx.AsyncClient(timeout=0.3) as client:
            with pytest.raises(httpx.ConnectTimeout):
                await client.get(str(service.url / "fact"))
    assert await fetch(service) == 200
    service.assert_called("fact", times=1)
    assert [record.requests for record in service.connections] == [1]


@linux
async def test_outages_of_every_kind_may_follow_each_other(service: MockService) -> None:
    for kind in ("blackhole", "refused", "silent", "blackhole", "silent", "refused"):
        async with service.outage(kind):
            pass
        assert await fetch(service) == 200
    async with service.outage("silent"):
        await service.down()  # from one state to another
        with pytest.raises(aiohttp.ClientConnectorError):
            await fetch(service)
    assert await fetch(service) == 200


async def test_curl_meets_a_refused_connection(service: MockService) -> None:
    async with service.outage():
        curl = await asyncio.create_subprocess_exec(
            "curl", "-s", str(service.url / "fact"), stdout=subprocess.DEVNULL
        )
        assert await curl.wait() == 7


async def test_an_outage_within_another_is_refused(service: MockService) -> None:
    async with service.outage("silent"):
        with pytest.raises(RuntimeError) as caught:
            async with service.outage("refused"):
                pass
    assert str(caught.value) == (
        "service.outage('refused'): the service is away already (silent); end that first, "
        "by leaving its block or by service.up()"
    )


async def test_an_outage_that_there_is_not_is_refused(service: MockService) -> None:
    with pytest.raises(ValueError, match="outage takes one of") as caught:
        service.outage("slow")  # type: ignore[arg-type]
    assert str(caught.value) == ("outage takes one of 'refused', 'silent', 'blackhole', got 'slow'")


def test_elsewhere_than_on_linux_a_black_hole_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(NotImplementedError) as caught:
        MockService([]).outage("blackhole")
    assert str(caught.value) == (
        "outage('blackhole') needs Linux, whose full queues drop a SYN; "
        "use outage('silent'): it accepts and never answers"
    )


async def test_a_service_that_does_not_run_cannot_go_down_or_up() -> None:
    service = MockService([MockRoute("GET", "/fact", "fact")])
    with pytest.raises(RuntimeError) as caught:
        await service.down()
    assert str(caught.value) == ("service.down(): the service does not run: it is not started yet")
    async with service:
        pass
    with pytest.raises(
        RuntimeError, match=r"^service\.up\(\): the service at http://127.* any more$"
    ):
        await service.up()


async def test_a_service_may_be_left_while_it_is_away() -> None:
    for kind in ("refused", "silent", "blackhole" if sys.platform == "linux" else "silent"):
        async with start_service([]) as service:
            outage = service.outage(kind)
            await outage.__aenter__()
        await outage.__aexit__(None, None, None)
        with pytest.raises(aiohttp.ClientConnectorError):
            await fetch(service)


async def test_a_proxy_has_outages_too() -> None:
    async with (
        start_proxy() as proxy,
        start_service([MockRoute("GET", "/fact", "fact")]) as service,
    ):
        service.register("fact", JsonResponse({}))
        async with proxy.outage():
            with pytest.raises(aiohttp.ClientProxyConnectionError):
                await fetch(service, proxy=proxy.url)
        assert await fetch(service, proxy=proxy.url) == 200


def test_a_service_on_a_thread_goes_down_and_up_for_a_test_without_a_loop() -> None:
    with run_service([MockRoute("GET", "/fact", "fact")]) as service:
        service.register("fact", JsonResponse({}))
        url = str(service.url / "fact")
        assert requests.get(url, timeout=5).status_code == 200
        service.down().block()
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=5)
        service.up().block()
        with service.outage("silent"), pytest.raises(requests.ReadTimeout):
            requests.get(url, timeout=0.2)
        assert requests.get(url, timeout=5).status_code == 200


@pytest.mark.skipif(sys.platform == "win32", reason="there no two sockets share a port at all")
async def test_nobody_gets_the_port_during_an_outage_or_after_it(service: MockService) -> None:
    port = service.url.port
    assert port is not None
    for _ in range(2):
        async with service.outage():
            with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
                await MockService([], port=port).start()
            assert await is_refused(service)
        with socket.socket() as sharing, pytest.raises(OSError, match="in use"):
            sharing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sharing.bind(("127.0.0.1", port))
        assert await fetch(service) == 200


async def is_refused(service: MockService) -> bool:
    with pytest.raises(aiohttp.ClientConnectorError):
        await fetch(service)
    return True


@pytest.mark.parametrize("turns", range(5))
async def test_a_client_over_tls_may_leave_at_the_same_moment(turns: int) -> None:
    async with start_service([MockRoute("GET", "/fact", "fact")], tls=True) as service:
        service.register("fact", RawResponse("ok"))
        async with httpx.AsyncClient(verify=service.tls.client_context()) as client:
            await client.get(str(service.url / "fact"))
        for _ in range(turns):
            await asyncio.sleep(0)
        await service.down()
        assert await is_refused(service)


async def test_changes_at_once_are_refused(service: MockService) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.url.port)
    writer.write(b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readline()  # it takes a while to cut a connection
    results = await asyncio.gather(service.down(), service.up(), return_exceptions=True)
    writer.close()
    assert [str(result) for result in results] == [
        "None",
        "service.up(): the port is changing already; await the other call first",
    ]
    assert await is_refused(service)
    await service.up()
    assert await fetch(service) == 200


async def test_one_that_is_cancelled_can_be_followed_by_another(service: MockService) -> None:
    for turns in range(6):
        outage = asyncio.create_task(service.outage().__aenter__())
        for _ in range(turns):
            await asyncio.sleep(0)
        outage.cancel()
        with suppress(asyncio.CancelledError):
            await outage
        await service.up()
        assert await fetch(service) == 200


@pytest.mark.parametrize("turns", range(6))
async def test_one_that_is_cancelled_on_its_way_leaves_the_service_as_it_was(
    service: MockService, turns: int
) -> None:
    for _ in range(3):
        _, writer = await asyncio.open_connection("127.0.0.1", service.url.port)
        writer.close()
    outage = asyncio.create_task(service.down())
    for _ in range(turns):
        await asyncio.sleep(0)
    outage.cancel()
    with suppress(asyncio.CancelledError):
        await outage
    if outage.cancelled():
        assert await fetch(service) == 200
    else:
        assert await is_refused(service)


async def test_one_that_the_system_refuses_leaves_the_service_as_it_was(
    service: MockService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("asyncly.srvmocker.server.listener.hold", refuse)
        with pytest.raises(OSError, match="Too many open files"):
            await service.down()
    assert await fetch(service) == 200


async def test_with_in_a_loop_says_what_to_write(service: MockService) -> None:
    with pytest.raises(RuntimeError) as caught, service.outage():
        pass
    assert str(caught.value) == (
        "`with service.outage('refused')` would stop the loop that runs in this thread: "
        "write `async with service.outage('refused')` instead"
    )
    assert await fetch(service) == 200
