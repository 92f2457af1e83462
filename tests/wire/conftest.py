"""What the tests over the socket share: a client session and a raw connection."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest

from asyncly.srvmocker import JsonResponse, MockRoute, MockService, start_service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from yarl import URL

ROUTES = [
    MockRoute("GET", "/fact", "fact"),
    MockRoute("POST", "/orders", "create"),
    MockRoute("PUT", "/blobs/{name}", "blob"),
]


@pytest.fixture
async def service() -> AsyncIterator[MockService]:
    async with start_service(ROUTES) as service:
        service.register("fact", JsonResponse({"fact": "Meow."}))
        service.register("create", JsonResponse({"id": 1}, 201))
        service.register("blob", JsonResponse(None, 201))
        yield service


@pytest.fixture
async def session(service: MockService) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(service.url) as session:
        yield session


class Raw:
    """A client that sends just the bytes it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[bytes, bytes]:
        """Read one answer with a Content-Length: its head and its body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        sizes = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
        size = int(sizes[0].partition(b":")[2]) if sizes else 0
        return head, await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        """Read until the server closes."""
        return await self.reader.read()


@asynccontextmanager
async def connect(url: URL) -> AsyncIterator[Raw]:
    assert url.host is not None
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()
        await asyncio.wait([asyncio.ensure_future(writer.wait_closed())])


every_run = pytest.mark.parametrize(
    "run",
    [
        "asyncio.run(main())",
        "import uvloop; uvloop.run(main())",
        "asyncio.run(main(), debug=True)",
    ],
)
"""How a script runs its `main()`."""


def assert_no_noise(script: str, run: str) -> None:
    """Expect that a script says nothing but "done" where warnings are errors."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", script.replace("{run}", run)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("done\n", "", 0)
