"""Whatever a socket brings: the next honest client is served, and what came is in the journal."""

from __future__ import annotations

import asyncio
import logging

import aiohttp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncly.srvmocker import JsonResponse, MockRoute, start_service

from .conftest import connect

ROUTES = [MockRoute("GET", "/fact", "fact"), MockRoute("POST", "/orders", "create")]

_LINES = [
    b"GET /fact HTTP/1.1\r\n",
    b"POST /orders HTTP/1.1\r\n",
    b"GET  /  HTTP/1.1\r\n",
    b"CONNECT a:1 HTTP/1.1\r\n",
    b"OPTIONS * HTTP/1.0\r\n",
    b"GET http://[::1/ HTTP/1.1\r\n",
    b"GET /%zz%00 HTTP/1.1\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"Host: x\r\n",
    b"Host: [\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: -1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Content-Type: multipart/form-data; boundary=\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: websocket\r\nConnection: upgrade\r\n",
    b"\r\n",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"ffffffffffffffffff\r\n",
    b"\x00",
    b"\n",
]
pieces = st.lists(st.sampled_from(_LINES) | st.binary(max_size=40), min_size=1, max_size=12)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=150)
@given(st.lists(pieces, min_size=1, max_size=4))
def test_random_bytes_harm_nobody_else(conversations: list[list[bytes]]) -> None:
    asyncio.run(talk(conversations))


async def talk(conversations: list[list[bytes]]) -> None:
    failures: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: failures.append(context))
    tasks = asyncio.all_tasks()
    async with start_service(ROUTES) as service:
        service.register("fact", JsonResponse({"fact": "Meow."}))
        service.register("create", JsonResponse({}, 201))
        for conversation in conversations:
            async with connect(service.url) as raw:
                try:
                    for piece in conversation:
                        await raw.send(piece)
                    raw.writer.write_eof()
                    await raw.rest()
                except ConnectionError:
                    pass  # the server may end what is no HTTP
        async with aiohttp.ClientSession(service.url) as session, session.get("/fact") as answer:
            assert await answer.json() == {"fact": "Meow."}
        assert service.last_call("fact").headers["User-Agent"].startswith("Python/")
        for exchange in service.exchanges:
            assert exchange.finished_at is not None, exchange
            assert repr(exchange)
            assert exchange.request.path
            assert isinstance(exchange.request.query.get("a", ""), str)
        assert service.errors == ()
    assert asyncio.all_tasks() == tasks
    assert failures == []


logging.getLogger("asyncly.srvmocker").addHandler(logging.NullHandler())
