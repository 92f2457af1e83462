"""Accepting connections: where the system or the loop makes it hard."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, NoReturn

import httpx
import pytest
import uvloop
from yarl import URL

from asyncly.srvmocker import JsonResponse, MockRoute, start_service

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

ROUTES = [MockRoute("GET", "/fact", "fact")]
GET = b"GET /fact HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class WithoutReaders(asyncio.SelectorEventLoop):
    """A loop as Windows has it: it watches no descriptors for others."""

    def add_reader(self, fd: object, callback: object, *args: object) -> NoReturn:
        raise NotImplementedError

    def remove_reader(self, fd: object) -> NoReturn:
        raise NotImplementedError


def run_without_readers(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=WithoutReaders, debug=True) as runner:
        runner.run(work)


@pytest.fixture
def few_descriptors() -> Iterator[ExitStack]:
    """Let this process open none but those that the stack gives back when it is closed."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as taken:
        low = min(limits[0], 4096)
        resource.setrlimit(resource.RLIMIT_NOFILE, (low, limits[1]))
        try:
            yield taken
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def take_all_descriptors(taken: ExitStack) -> None:
    while True:
        try:
            taken.callback(os.close, os.dup(2))
        except OSError:
            return


async def test_a_client_is_served_when_there_are_descriptors_again(
    few_descriptors: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    async with start_service(ROUTES) as service:
        service.register("fact", JsonResponse({}))
        with socket.socket() as client:
            client.setblocking(False)
            take_all_descriptors(few_descriptors)
            await loop.sock_connect(client, ("127.0.0.1", service.url.port))
            async with asyncio.timeout(5):
                while not caplog.messages:
                    await asyncio.sleep(0)
            assert caplog.messages == [
                "the mock server cannot accept a connection, and tries again in 0.5 s: "
                "[Errno 24] Too many open files"
            ]
            few_descriptors.close()
            await loop.sock_sendall(client, GET)
            async with asyncio.timeout(5):
                assert (await loop.sock_recv(client, 100)).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_leaving_while_there_are_no_descriptors(few_descriptors: ExitStack) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        async with start_service(ROUTES) as service:
            take_all_descriptors(few_descriptors)
            await loop.sock_connect(client, ("127.0.0.1", service.url.port))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        few_descriptors.close()
        with pytest.raises(ConnectionResetError):
            async with asyncio.timeout(5):
                await loop.sock_recv(client, 1)


async def test_a_handshake_for_which_no_descriptor_is_left_is_recorded(
    few_descriptors: ExitStack,
) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        async with start_service(ROUTES, tls=True) as service:
            one = os.dup(2)
            take_all_descriptors(few_descriptors)
            os.close(one)
            await loop.sock_connect(client, ("127.0.0.1", service.url.port))
            async with asyncio.timeout(5):
                assert await loop.sock_recv(client, 1) == b""
            few_descriptors.close()
            (record,) = service.connections
            assert record.handshake_error == (
                "no handshake was begun: [Errno 24] Too many open files"
            )
            assert record.closed_by == "server"


@pytest.mark.parametrize("tls", [False, True])
def test_a_loop_without_readers_serves_too(*, tls: bool) -> None:
    async def main() -> None:
        tasks = asyncio.all_tasks()
        async with start_service(ROUTES, tls=tls) as service:
            service.register("fact", JsonResponse({"fact": "Meow."}))
            verify = service.tls.client_context() if tls else True
            async with httpx.AsyncClient(verify=verify) as client:
                for _ in range(2):
                    answer = await client.get(str(service.url / "fact"))
                    assert answer.json() == {"fact": "Meow."}
            await service.down()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", service.url.port or 0)).close()
            await service.up()
            async with httpx.AsyncClient(verify=verify) as client:
                assert (await client.get(str(service.url / "fact"))).status_code == 200
        assert asyncio.all_tasks() == tasks

    run_without_readers(main())


@pytest.mark.parametrize("make_loop", [None, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("turns", range(9))
def test_leaving_while_clients_come(
    turns: int,
    make_loop: Callable[[], asyncio.AbstractEventLoop] | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> list[socket.socket]:
        tasks = asyncio.all_tasks()
        clients = []
        async with start_service(ROUTES) as service:
            service.register("fact", JsonResponse({}))
            for _ in range(5):
                clients.append(socket.create_connection(("127.0.0.1", service.url.port or 0)))
                clients[-1].sendall(GET)
            for _ in range(turns):
                await asyncio.sleep(0)
        assert asyncio.all_tasks() == tasks
        assert [item for item in service.connections if item.is_open] == []
        assert all(exchange.finished_at for exchange in service.exchanges)
        return clients

    with asyncio.Runner(loop_factory=make_loop) as runner:
        clients = runner.run(main())
        for client in clients:
            with client, suppress(ConnectionResetError):
                client.settimeout(5)
                while client.recv(1000):
                    pass
    assert caplog.messages == []


@pytest.mark.parametrize("turns", range(9))
async def test_a_door_is_closed_while_clients_come(turns: int) -> None:
    loop = asyncio.get_running_loop()
    async with start_service(ROUTES) as service:
        door = service.ports.make_door(URL("http://example.com"), tls=False, plain=True)
        await service.ports.open_door(door)
        client = socket.create_connection(("127.0.0.1", door.url.port or 0))
        with client:
            client.setblocking(False)
            for _ in range(turns):
                await asyncio.sleep(0)
            service.ports.halt_door(door)
            with suppress(ConnectionResetError):
                async with asyncio.timeout(5):
                    assert await loop.sock_recv(client, 1) == b""


async def test_many_that_come_at_once_are_all_served() -> None:
    async with start_service(ROUTES) as service:
        service.register("fact", JsonResponse({}))

        async def fetch() -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", service.url.port)
            writer.write(GET)
            answer = await reader.read()
            writer.close()
            return answer

        answers = await asyncio.gather(*(fetch() for _ in range(300)))
        assert all(answer.startswith(b"HTTP/1.1 200 OK\r\n") for answer in answers)
        assert len(service.connections) == 300
