"""HTTPS with a context of the user's own."""

from __future__ import annotations

import asyncio
import socket
import ssl

import aiohttp
import httpx
import pytest
import requests
import trustme

from asyncly.srvmocker import JsonResponse, LiveStream, start_service

from .conftest import ROUTES


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def client_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


async def test_clients_over_https(
    authority: trustme.CA, server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    async with start_service(ROUTES, ssl_context=server_context) as service:
        service.register("fact", JsonResponse({"fact": "Meow."}))
        assert service.url.scheme == "https"
        url = str(service.url / "fact")
        connector = aiohttp.TCPConnector(ssl=client_context)
        async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as got:
            assert await got.json() == {"fact": "Meow."}
        async with httpx.AsyncClient(verify=client_context) as client:
            assert (await client.get(url)).json() == {"fact": "Meow."}
        with authority.cert_pem.tempfile() as path:
            answer = await asyncio.to_thread(requests.get, url, verify=path, timeout=10)
            assert answer.json() == {"fact": "Meow."}
            process = await asyncio.create_subprocess_exec(
                "curl", "-sS", "--cacert", path, url, stdout=asyncio.subprocess.PIPE
            )
            out, _ = await process.communicate()
            assert out == b'{"fact": "Meow."}'
        service.assert_called("fact", times=4)
        assert service.last_call("fact").url.scheme == "https"


async def test_a_client_that_does_not_trust_or_speaks_plain_http_does_no_harm(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    async with start_service(ROUTES, ssl_context=server_context) as service:
        service.register("fact", JsonResponse({}))
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.get(service.url / "fact")
            with pytest.raises(aiohttp.ClientError):
                await session.get(service.url.with_scheme("http") / "fact")
        connector = aiohttp.TCPConnector(ssl=client_context)
        url = service.url / "fact"
        async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as got:
            assert got.status == 200


async def test_leaving_ends_handshakes_under_way(server_context: ssl.SSLContext) -> None:
    loop = asyncio.get_running_loop()
    tasks = asyncio.all_tasks()
    with socket.socket() as silent:
        silent.setblocking(False)
        async with start_service(ROUTES, ssl_context=server_context) as service:
            await loop.sock_connect(silent, ("127.0.0.1", service.url.port))
            async with asyncio.timeout(5):
                while asyncio.all_tasks() == tasks:
                    await asyncio.sleep(0)
        assert asyncio.all_tasks() == tasks
        with pytest.raises(ConnectionResetError):
            if await loop.sock_recv(silent, 1) == b"":
                raise ConnectionResetError


async def test_leaving_at_once(server_context: ssl.SSLContext) -> None:
    tasks = asyncio.all_tasks()
    async with start_service(ROUTES, ssl_context=server_context):
        pass
    assert asyncio.all_tasks() == tasks


def test_a_path_in_place_of_a_context_is_told_what_is_taken() -> None:
    with pytest.raises(TypeError) as caught:
        start_service(ROUTES, ssl_context="cert.pem")  # type: ignore[arg-type]
    assert str(caught.value) == "ssl_context takes an ssl.SSLContext, got 'cert.pem'"


async def test_a_live_stream_over_https_is_sent_and_reset(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    live = LiveStream("ndjson")
    connector = aiohttp.TCPConnector(ssl=client_context)
    async with (
        start_service(ROUTES, ssl_context=server_context) as service,
        aiohttp.ClientSession(service.url, connector=connector) as session,
    ):
        service.register("fact", live)
        async with session.get("/fact") as answer:
            conn = await live.accept()
            await conn.send({"n": 1})
            assert await answer.content.readline() == b'{"n": 1}\n'
            conn.reset()
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()
        assert (await conn.closed()).by == "test"
        async with session.get("/fact") as answer:
            conn = await live.accept()
        assert (await conn.closed()).by == "client"
