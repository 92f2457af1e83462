"""One server for the load to hit: `python servers.py KIND`. It prints its port.

Runs in our environment and in the peers', where the same import is another package.
KIND is one of: service (the mock server under this import name), canned (a bare asyncio
protocol with canned bytes), aiohttp (aiohttp's low-level server with canned bytes).
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable

CANNED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 30\r\n"
    b"Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nServer: canned\r\n\r\n"
    b'{"fact": "Meow.", "length": 5}'
)
ORDER = {
    "customer": {"name": "Whiskers", "email": "whiskers@example.com", "vip": False},
    "items": [{"sku": f"sku-{n:04}", "qty": n + 2, "price": 9.5 + n} for n in range(18)],
}
"""About 1 kB of JSON: the body that a match decides on."""


async def serve_service() -> None:
    from asyncly.srvmocker import BaseMockResponse, JsonResponse, Match, MockRoute, start_service

    class Own(BaseMockResponse):
        async def response(self, request: web.Request) -> web.StreamResponse:
            return web.json_response({"path": request.path})

    routes = [
        MockRoute("GET", "/fact", "fact"),
        MockRoute("GET", "/items/{id}", "item"),
        MockRoute("POST", "/orders", "create", match=Match(json=ORDER)),
        MockRoute("POST", "/orders", "other"),
        MockRoute("GET", "/own", "own"),
    ]
    async with start_service(routes) as service:
        for name in ("fact", "item", "create", "other"):
            service.register(name, JsonResponse({"fact": "Meow.", "length": 5}))
        service.register("own", Own())
        print(service.url.port, flush=True)
        await asyncio.Event().wait()


class Canned(asyncio.Protocol):
    """Answers whatever arrives: nothing in Python can be faster."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(CANNED)


class CannedResponse(web.StreamResponse):
    """What aiohttp's own server costs when its answer costs nothing."""

    @property
    def keep_alive(self) -> bool:
        return True

    async def prepare(self, request: web.BaseRequest) -> None:
        assert request.transport is not None
        request.transport.write(CANNED)

    async def write_eof(self, data: bytes = b"") -> None:
        pass


async def serve_canned(factory: Callable[[], asyncio.Protocol]) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(factory, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


async def main(kind: str) -> None:
    if kind == "service":
        await serve_service()
    elif kind == "canned":
        await serve_canned(Canned)
    elif kind == "aiohttp":
        answer = CannedResponse()

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return answer

        await serve_canned(web.Server(handle, access_log=None, handler_cancellation=True))
    else:
        sys.exit(f"unknown server {kind!r}")


if __name__ == "__main__":
    if sys.argv[1:] == ["order"]:
        print(json.dumps(ORDER))
    else:
        asyncio.run(main(sys.argv[1]))
