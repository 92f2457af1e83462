"""Doors for names: which service answers for which host, over TLS and plain."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest

from asyncly.srvmocker import JsonResponse, MockService, RawResponse, TlsFault, start_service
from asyncly.srvmocker.doors import Doors
from asyncly.srvmocker.tls.authority import authority

from .conftest import ROUTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def service() -> AsyncIterator[MockService]:
    async with start_service(ROUTES) as service:
        service.register("fact", RawResponse("Meow."))
        yield service


async def ask(doors: Doors, host: str, port: int, *, tls: bool) -> bytes:
    found = doors.find(host, port)
    assert found is not None
    context = authority().client_context() if tls else None
    name = host if tls else None
    reader, writer = await asyncio.open_connection(*found, ssl=context, server_hostname=name)
    writer.write(f"GET /fact HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    ("pattern", "host", "port", "tls", "url"),
    [
        ("https://api.example.com", "api.example.com", 443, True, "https://api.example.com/fact"),
        ("http://api.example.com", "api.example.com", 80, False, "http://api.example.com/fact"),
        ("api.example.com", "api.example.com", 443, True, "https://api.example.com/fact"),
        ("api.example.com", "api.example.com", 80, False, "http://api.example.com/fact"),
        ("*.example.com", "a.b.example.com", 443, True, "https://a.b.example.com/fact"),
    ],
)
async def test_a_name_is_answered_for(
    service: MockService, pattern: str, host: str, port: int, url: str, *, tls: bool
) -> None:
    doors = Doors({pattern: service}, "intercept()")
    await doors.open()
    assert await ask(doors, host, port, tls=tls) == b"Meow."
    assert str(service.last_call("fact").url) == url
    await doors.close()


async def test_each_name_has_its_own_service(service: MockService) -> None:
    async with start_service(ROUTES) as other:
        other.register("fact", JsonResponse("Woof."))
        doors = Doors({"cats.test": service, "dogs.test": other}, "intercept()")
        await doors.open()
        assert await ask(doors, "cats.test", 443, tls=True) == b"Meow."
        assert await ask(doors, "dogs.test", 443, tls=True) == b'"Woof."'
        await doors.close()


async def test_the_tls_of_the_service_is_that_of_its_doors() -> None:
    async with start_service(ROUTES, tls=True) as service:
        doors = Doors({"cats.test": service}, "intercept()")
        await doors.open()
        service.tls.fault = TlsFault.expired
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            await ask(doors, "cats.test", 443, tls=True)
        await doors.close()


async def test_a_name_that_is_not_listed(service: MockService) -> None:
    doors = Doors({"cats.test": service, "https://*.dogs.test": service}, "intercept()")
    assert doors.find("dogs.test", 443) is None
    assert doors.refusal("dogs.test", 443) == (
        "dogs.test:443 is not intercepted; listed in intercept(): "
        "'cats.test', 'https://*.dogs.test'"
    )


async def test_what_stands_for_no_service() -> None:
    with pytest.raises(TypeError) as caught:
        Doors({"cats.test": "http://127.0.0.1"}, "intercept()")  # type: ignore[dict-item]
    assert str(caught.value) == (
        "intercept() takes a running service for 'cats.test', got 'http://127.0.0.1'"
    )
    with pytest.raises(TypeError) as caught:
        Doors(["cats.test"], "intercept()")  # type: ignore[arg-type]
    assert str(caught.value) == (
        "intercept() takes a mapping such as {'api.github.com': service}, got ['cats.test']"
    )


async def test_a_service_that_does_not_run(service: MockService) -> None:
    late = MockService(ROUTES)
    doors = Doors({"cats.test": service, "dogs.test": late}, "intercept()")
    with pytest.raises(RuntimeError) as caught:
        await doors.open()
    assert str(caught.value) == (
        "intercept(): the service for 'dogs.test' does not run: <MockService not started, "
        f"{len(ROUTES)} routes, 0 exchanges>. "
        "Enter its `async with start_service(...)` first, and leave it last"
    )


async def test_a_client_that_leaves_without_a_word_and_one_that_says_nothing(
    service: MockService,
) -> None:
    tasks = asyncio.all_tasks()
    doors = Doors({"cats.test": service}, "intercept()")
    await doors.open()
    found = doors.find("cats.test", 443)
    assert found is not None
    _, gone = await asyncio.open_connection(*found)
    gone.close()
    reader, silent = await asyncio.open_connection(*found)
    assert await ask(doors, "cats.test", 443, tls=True) == b"Meow."
    await doors.close()
    with pytest.raises(ConnectionResetError):
        if await reader.read() == b"":
            raise ConnectionResetError
    silent.close()
    assert asyncio.all_tasks() <= tasks
