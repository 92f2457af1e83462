"""A service whose loop is not the one in which it is stopped, or is closed before."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING

import pytest
import uvloop

from asyncly.srvmocker import JsonResponse, MockRoute
from asyncly.srvmocker.service import MockService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    MakeLoop = Callable[[], asyncio.AbstractEventLoop]

ROUTES = [MockRoute("GET", "/fact", "fact")]
GET = b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\n"

both_loops = pytest.mark.parametrize(
    "make_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
turns_before = pytest.mark.parametrize("turns", [0, 1, 2, 3, 5])


@pytest.fixture
def clients() -> Iterator[list[socket.socket]]:
    """Collect clients, which are closed in the end."""
    with ExitStack() as stack:
        collected: list[socket.socket] = []
        yield collected
        for client in collected:
            stack.enter_context(client)


def start(loop: asyncio.AbstractEventLoop, clients: list[socket.socket], turns: int) -> MockService:
    """Start a service that has clients at every step of their beginning."""
    service = MockService(ROUTES)
    service.register("fact", JsonResponse({}))
    loop.run_until_complete(service.start())
    for _ in range(turns):
        clients.append(socket.create_connection(("127.0.0.1", service.url.port or 0)))
        clients[-1].sendall(GET)
        loop.run_until_complete(asyncio.sleep(0))
    return service


def stop_elsewhere(service: MockService) -> None:
    async def stop() -> None:
        async with asyncio.timeout(5):
            await service.stop()

    asyncio.run(stop())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", service.url.port or 0)).close()


def expect_ends(clients: list[socket.socket]) -> None:
    for client in clients:
        client.settimeout(5)
        with suppress(ConnectionResetError):
            while client.recv(1000):
                pass


def is_over(loop: asyncio.AbstractEventLoop, service: MockService) -> bool:
    return not asyncio.all_tasks(loop) and not any(item.is_open for item in service.connections)


@both_loops
@turns_before
def test_the_loop_stands_still_and_runs_again(
    make_loop: MakeLoop, turns: int, clients: list[socket.socket]
) -> None:
    with closing(make_loop()) as loop:
        service = start(loop, clients, turns)
        stop_elsewhere(service)
        for _ in range(5):
            loop.run_until_complete(asyncio.sleep(0))
        assert is_over(loop, service)
        expect_ends(clients)


@both_loops
@turns_before
def test_the_loop_runs_in_another_thread(
    make_loop: MakeLoop, turns: int, clients: list[socket.socket]
) -> None:
    with closing(make_loop()) as loop:
        service = start(loop, clients, turns)
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            stop_elsewhere(service)
            expect_ends(clients)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
        assert is_over(loop, service)


@both_loops
def test_the_loop_is_closed(make_loop: MakeLoop) -> None:
    with closing(make_loop()) as loop:
        service = start(loop, [], 0)
    stop_elsewhere(service)


# Python itself tells of what was under way in a loop that is closed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("turns", [1, 2, 3, 5])
def test_the_loop_is_closed_with_clients(turns: int, clients: list[socket.socket]) -> None:
    with closing(asyncio.new_event_loop()) as loop:
        service = start(loop, clients, turns)
    stop_elsewhere(service)
    del service
    gc.collect()
    expect_ends(clients)


def test_a_port_of_a_closed_loop_refuses_when_it_is_to() -> None:
    service = MockService(ROUTES)
    with closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(service.start())

    async def go_down() -> None:
        await service.down()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", service.url.port or 0)).close()
        await service.stop()

    asyncio.run(go_down())
