"""Leaving the block: at once, whatever clients hold, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import ssl
import weakref
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import trustme

from asyncly.srvmocker import (
    BaseMockResponse,
    CallbackResponse,
    JsonResponse,
    LatencyResponse,
    LiveStream,
    MockRoute,
    NdjsonResponse,
    RawResponse,
    start_proxy,
    start_service,
)

from .conftest import assert_no_noise, connect, every_run

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from aiohttp import web

ROUTES = [MockRoute("GET", "/fact", "fact"), MockRoute("GET", "/stall", "stall")]
CA = trustme.CA()
PURPOSES = (ssl.Purpose.CLIENT_AUTH, ssl.Purpose.SERVER_AUTH)
GET = b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n"


def descriptors() -> set[str]:
    return {
        link
        for path in Path("/proc/self/fd").iterdir()
        if (link := _read_link(path)).startswith("socket:")
    }


def _read_link(path: Path) -> str:
    try:
        return str(path.readlink())
    except FileNotFoundError:  # the descriptor of the listing itself
        return ""


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No socket stays open, and nothing is collected that should have been closed."""
    gc.collect()
    before = descriptors()
    yield
    gc.collect()
    assert descriptors() <= before


class Stubborn(BaseMockResponse):
    """Swallows its cancellation."""

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()
        self.let_go = asyncio.Event()

    async def response(self, request: web.Request) -> web.StreamResponse:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
        await self.let_go.wait()
        raise RuntimeError("too late")


async def test_streams_of_both_kinds_are_cut() -> None:
    tasks = asyncio.all_tasks()
    live = LiveStream("ndjson")
    async with AsyncExitStack() as clients:
        async with start_service(ROUTES) as service:
            service.register("fact", live)
            service.register("stall", NdjsonResponse([1, 2], interval=3600))
            raws = [await clients.enter_async_context(connect(service.url)) for _ in range(10)]
            for number, raw in enumerate(raws):
                await raw.send(GET % (b"stall" if number % 2 else b"fact"))
                await raw.reader.readuntil(b"\r\n\r\n")
            conns = [await live.accept() for _ in range(3)]  # two are never accepted
            assert [conn.is_open for conn in live.connections] == [True] * 5
            await service.stop()
        assert live.connections == ()
        assert {(await conn.closed()).by for conn in conns} == {"service"}
        assert asyncio.all_tasks() - tasks == set()
    assert {exchange.fault for exchange in service.exchanges} == {"the service was stopped"}
    assert service.errors == ()


async def test_stalled_and_idle_clients_are_cut() -> None:
    tasks = asyncio.all_tasks()
    async with AsyncExitStack() as clients:
        async with start_service(ROUTES) as service:
            service.register("fact", JsonResponse({}))
            service.register("stall", LatencyResponse(JsonResponse({}), 3600))
            idle = [await clients.enter_async_context(connect(service.url)) for _ in range(20)]
            stalled = [await clients.enter_async_context(connect(service.url)) for _ in range(20)]
            for raw in idle:
                await raw.send(GET % b"fact")
                await raw.answer()
            for raw in stalled:
                await raw.send(GET % b"stall")
            await service.wait_for_call("stall", times=20)
            loop = asyncio.get_running_loop()
            turns = 0

            def count() -> None:
                nonlocal turns
                turns += 1
                loop.call_soon(count)

            loop.call_soon(count)
            await service.stop()
            # No clock: the end takes some turns of the loop, and waits for no timer.
            assert turns < 20
        left = asyncio.all_tasks() - tasks
        assert left == set()
        for raw in [*idle, *stalled]:
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await raw.reader.readexactly(1)
    assert {exchange.outcome for exchange in service.exchanges} == {
        "200",
        "the service was stopped",
    }


async def test_a_client_that_never_reads_is_cut() -> None:
    async with start_service(ROUTES) as service:
        service.register("fact", RawResponse(bytes(64 << 20)))
        async with connect(service.url) as raw:
            raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await raw.send(GET % b"fact")
            await service.wait_for_call("fact")
            await service.stop()
    (exchange,) = service.exchanges
    assert exchange.status == 200


async def test_a_response_that_swallows_its_cancellation_does_not_hold_the_block() -> None:
    tasks = asyncio.all_tasks()
    stubborn = Stubborn()
    async with start_service(ROUTES) as service:
        service.register("stall", stubborn)
        async with connect(service.url) as raw:
            await raw.send(GET % b"stall")
            await service.wait_for_call("stall")
            await service.stop()
            assert stubborn.cancelled.is_set()
    stubborn.let_go.set()  # what it does afterwards harms nobody
    while asyncio.all_tasks() - tasks:
        await asyncio.sleep(0)


async def test_a_client_that_leaves_before_the_answer_cancels_the_response() -> None:
    ended = asyncio.Event()

    async def hold(request: web.Request) -> object:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return {}

    async with start_service(ROUTES) as service:
        service.register("stall", CallbackResponse(hold))
        async with connect(service.url) as raw:
            await raw.send(GET % b"stall")
            await service.wait_for_call("stall")
        await ended.wait()
        while service.exchanges[0].finished_at is None:
            await asyncio.sleep(0)
        assert service.exchanges[0].outcome == "the client disconnected"
        assert service.errors == ()


async def test_a_thousand_connections_at_once() -> None:
    async with start_service(ROUTES) as service, AsyncExitStack() as stack:
        service.register("fact", JsonResponse({"fact": "Meow."}))
        clients = [await stack.enter_async_context(connect(service.url)) for _ in range(1000)]
        for raw in clients:
            raw.writer.write(GET % b"fact")
        answers = await asyncio.gather(*(raw.answer() for raw in clients))
        assert {body for _, body in answers} == {b'{"fact": "Meow."}'}
        service.assert_called("fact", times=1000)
        assert {call.connection for call in service.history} == set(range(1, 1001))


async def test_what_a_service_recorded_is_freed_with_it_and_waits_for_no_collector() -> None:
    async with start_service(ROUTES) as service, aiohttp.ClientSession() as session:
        service.register("fact", RawResponse(b"x"))
        async with session.get(service.url / "fact") as answer:
            await answer.read()
        recorded = weakref.ref(service.get_calls("fact")[0].headers)
    gc.collect()
    gc.disable()
    try:
        del service, answer, session
        await asyncio.sleep(0)
        assert recorded() is None
    finally:
        gc.enable()


async def test_a_thousand_services_in_a_row() -> None:
    tasks, before = asyncio.all_tasks(), len(descriptors())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        for number in range(1000):
            async with start_service(ROUTES) as service:
                service.register("fact", JsonResponse(number))
                if number % 10 == 0:
                    async with session.get(service.url / "fact") as answer:
                        assert await answer.json() == number
        assert len(descriptors()) <= before + 1
    assert asyncio.all_tasks() == tasks


async def scenario(entered: asyncio.Event) -> None:
    """Everything that the service awaits: starting, a call, a wait, the end."""
    async with start_service(ROUTES) as service, connect_soon(service) as raw:
        service.register("fact", JsonResponse({}))
        service.register("stall", LatencyResponse(JsonResponse({}), 3600))
        await raw.send(GET % b"fact")
        await raw.answer()
        await raw.send(GET % b"stall")
        await service.wait_for_call("stall")
    entered.set()


def connect_soon(service: Any) -> Any:
    return connect(service.url)


async def through_the_proxy(entered: asyncio.Event) -> None:
    """The same for the proxy: an answer that passes, and one that is waited for."""
    async with start_service(ROUTES) as service, start_proxy() as proxy, connect_soon(proxy) as raw:
        service.register("fact", JsonResponse({}))
        service.register("stall", LatencyResponse(JsonResponse({}), 3600))
        for name in ("fact", "stall"):
            target = str(service.url / name).encode()
            await raw.send(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target)
            if name == "fact":
                await raw.answer()
        await proxy.wait_for_call(times=2)
        await service.wait_for_call("stall")
    entered.set()


async def over_tls(entered: asyncio.Event) -> None:
    """The same over TLS, where a connection begins with a handshake."""
    certificate = CA.issue_cert("127.0.0.1")
    server, client = (ssl.create_default_context(purpose) for purpose in PURPOSES)
    certificate.configure_cert(server)
    CA.configure_trust(client)
    async with start_service(ROUTES, ssl_context=server) as service:
        service.register("fact", JsonResponse({}))
        reader, writer = await asyncio.open_connection("127.0.0.1", service.url.port, ssl=client)
        try:
            writer.write(GET % b"fact")
            await reader.readuntil(b"\r\n\r\n{}")
            service.assert_called("fact", times=1)
        finally:
            writer.transport.abort()
    entered.set()


async def half_a_body(entered: asyncio.Event) -> None:
    """A body that never ends, and an answer that nobody reads."""
    async with start_service(ROUTES) as service, connect_soon(service) as raw:
        service.register("fact", RawResponse(b"x" * 5_000_000))
        await raw.send(GET % b"fact")
        await service.wait_for_call("fact")
        await raw.reader.readuntil(b"\r\n\r\n")
        async with connect_soon(service) as other:
            await other.send(b"GET /fact HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
            await raw.reader.readexactly(100_000)
    entered.set()


@pytest.mark.parametrize("scenario", [scenario, through_the_proxy, over_tls, half_a_body])
async def test_cancelled_at_every_await(
    scenario: Callable[[asyncio.Event], Coroutine[None, None, None]],
) -> None:
    """Step the scenario by hand, and cancel it at its first, second, … turn of the loop."""
    tasks = asyncio.all_tasks()
    finished = asyncio.Event()
    turns = 0
    while not finished.is_set():
        turns += 1
        task = asyncio.create_task(scenario(finished))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        for _ in range(10):  # the client's own tasks end
            if asyncio.all_tasks() == tasks:
                break
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == tasks, turns
        gc.collect()
        assert turns < 5000
    assert turns > 10


NOISE_FREE = """
import asyncio, sys
from asyncly.srvmocker import JsonResponse, LatencyResponse, MockRoute, start_service

SLOW = b"POST /slow HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 9\\r\\n\\r\\nhalf"

async def main():
    asyncio.get_running_loop().slow_callback_duration = 60
    routes = [MockRoute("GET", "/fact", "fact"), MockRoute("POST", "/slow", "slow")]
    async with start_service(routes) as service:
        service.register("fact", JsonResponse({}))
        service.register("slow", LatencyResponse(JsonResponse({}), 3600))
        async def talk(data, abort):
            reader, writer = await asyncio.open_connection("127.0.0.1", service.url.port)
            writer.write(data)
            await writer.drain()
            if abort == "now":
                writer.transport.abort()
            elif abort == "answered":
                await reader.readuntil(b"\\r\\n\\r\\n")
                writer.transport.abort()
            return reader, writer
        await talk(b"GET /fact HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" * 100, "now")
        await talk(b"GET /fact HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n", "answered")
        await talk(SLOW, "now")
        keep = await talk(SLOW, "")
        hold = await talk(SLOW + b"whole", "")
        await service.wait_for_call("slow", times=2)
    for _, writer in (keep, hold):
        writer.transport.abort()
    await asyncio.sleep(0)

{run}
print("done")
"""


@every_run
def test_nothing_is_logged_and_nothing_warns(run: str) -> None:
    assert_no_noise(NOISE_FREE, run)


@pytest.mark.parametrize("tls", [False, True])
async def test_the_tasks_of_the_server_may_be_cancelled_before_it_is_left(tls: bool) -> None:
    """As a loop does when it is closed: it cancels all tasks, in any order."""
    before = asyncio.all_tasks()
    async with start_service(ROUTES, tls=tls) as service:
        service.register("fact", RawResponse("Meow."))
        async with connect(service.url):
            await asyncio.sleep(0)
            tasks = asyncio.all_tasks() - before
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
    assert asyncio.all_tasks() == before
