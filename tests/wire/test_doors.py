"""A service that is reached at further ports, under other names."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import aiohttp
import pytest
import requests
from yarl import URL

from asyncly.srvmocker import JsonResponse, MockService, RawResponse, StallResponse, start_service
from asyncly.srvmocker.server.listener import Listener
from asyncly.srvmocker.server.thread import ServingThread

from .conftest import ROUTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NAME = URL("http://api.example.com")


@pytest.fixture
async def service() -> AsyncIterator[MockService]:
    async with start_service(ROUTES) as service:
        service.register("fact", JsonResponse({"fact": "Meow."}))
        yield service


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def make_door() -> Listener:
    return Listener("127.0.0.1", 0, known_as=NAME)


async def test_a_request_by_a_door_is_recorded_under_its_name(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    door = make_door()
    await service.ports.open_door(door)
    headers = {"Host": "api.example.com"}
    async with session.get(door.url / "fact", headers=headers) as answer:
        assert await answer.json() == {"fact": "Meow."}
    async with session.get(service.url / "fact") as answer:
        assert answer.status == 200
    by_door, by_port = service.history
    assert by_door.url == NAME / "fact"
    assert by_port.url == service.url / "fact"
    assert [by_door.connection, by_port.connection] == [1, 2]
    assert len(service.connections) == 2


async def test_without_a_host_header_the_name_of_the_door_counts(service: MockService) -> None:
    door = make_door()
    await service.ports.open_door(door)
    reader, writer = await asyncio.open_connection("127.0.0.1", door.url.port)
    writer.write(b"GET /fact HTTP/1.0\r\n\r\n")
    assert (await reader.read()).endswith(b'{"fact": "Meow."}')
    writer.close()
    assert service.last_call("fact").url == NAME / "fact"


async def test_an_outage_closes_the_doors_too(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    door = make_door()
    await service.ports.open_door(door)
    async with service.outage():
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(door.url / "fact")
    async with session.get(door.url / "fact") as answer:
        assert answer.status == 200


async def test_a_door_of_a_service_that_is_down_is_down(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    await service.down()
    door = make_door()
    await service.ports.open_door(door)
    with pytest.raises(aiohttp.ClientConnectorError):
        await session.get(door.url / "fact")
    await service.up()
    async with session.get(door.url / "fact") as answer:
        assert answer.status == 200


async def test_closing_a_door_ends_what_came_in_by_it_and_nothing_else(
    service: MockService,
) -> None:
    service.register("fact", StallResponse())
    door = make_door()
    await service.ports.open_door(door)
    tasks = asyncio.all_tasks()
    by_door = await asyncio.open_connection("127.0.0.1", door.url.port)
    by_port = await asyncio.open_connection("127.0.0.1", service.url.port)
    for _, writer in (by_door, by_port):
        writer.write(b"GET /fact HTTP/1.1\r\nHost: a\r\n\r\n")
    await service.wait_for_call("fact", times=2)
    await service.ports.close_door(door)
    assert await by_door[0].read() == b""
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", door.url.port)
    assert [connection.is_open for connection in service.connections] == [False, True]
    await service.ports.close_door(door)  # nothing is left to do
    for _, writer in (by_door, by_port):
        writer.close()
    await service.connections[1].closed()
    assert asyncio.all_tasks() == tasks


async def test_the_doors_end_with_the_service() -> None:
    tasks = asyncio.all_tasks()
    async with start_service(ROUTES) as service:
        door = make_door()
        await service.ports.open_door(door)
        url = door.url
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", url.port)
    await service.ports.close_door(door)
    assert asyncio.all_tasks() == tasks


async def test_a_service_that_does_not_run_has_no_doors() -> None:
    service = MockService(ROUTES)
    with pytest.raises(RuntimeError) as caught:
        await service.ports.open_door(make_door())
    assert str(caught.value) == (
        "the door at http://api.example.com: the service does not run: it is not started yet"
    )


def test_a_door_on_a_thread() -> None:
    service = MockService(ROUTES)
    service.bind()
    thread = ServingThread(service)
    try:
        service.register("fact", RawResponse("Meow."))
        door = make_door()
        service.ports.open_door(door).block()
        assert requests.get(f"{door.url}/fact", timeout=5).text == "Meow."
        service.ports.close_door(door).block()
        with socket.socket() as late, pytest.raises(ConnectionRefusedError):
            late.connect(("127.0.0.1", door.url.port))
    finally:
        service.close()
        thread.stop()


async def test_doors_that_are_opened_at_once_all_open(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    doors = [make_door() for _ in range(5)]
    await asyncio.gather(*map(service.ports.open_door, doors))
    for door in doors:
        async with session.get(door.url / "fact") as answer:
            assert answer.status == 200


async def test_a_door_waits_for_the_end_of_another_change(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    door = make_door()
    await asyncio.gather(service.down(), service.ports.open_door(door))
    with pytest.raises(aiohttp.ClientConnectorError):
        await session.get(door.url / "fact")
    await service.up()
    async with session.get(door.url / "fact") as answer:
        assert answer.status == 200
