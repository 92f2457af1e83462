"""One port: plain HTTP, proxy requests, CONNECT, and TLS around all of them."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import pytest
import requests
from yarl import URL

from asyncly.srvmocker import (
    JsonResponse,
    MockProxyService,
    MockRoute,
    MockService,
    Tls,
    start_proxy,
    start_service,
)

from .conftest import Raw, assert_no_noise, connect, every_run
from .test_leaving import nothing_is_left
from .test_tunnel import (
    Target,
    ask,
    both_loops,
    ended,
    is_reset,
    listen,
    read,
    reset,
    serve,
    transport_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["nothing_is_left"]  # a fixture: no test here leaves a socket behind

ROUTES = [MockRoute("*", "/fact", "fact")]
NAME = "api.github.com"
FACT = {"fact": "Meow."}
PLACES = [f"https://{NAME}/fact", f"http://{NAME}/fact"]


@asynccontextmanager
async def intercepting(**options: Any) -> AsyncIterator[tuple[MockService, MockProxyService]]:
    async with start_service(ROUTES) as service:
        service.register("fact", JsonResponse(FACT))
        async with start_proxy(intercept={NAME: service}, **options) as proxy:
            yield service, proxy


def resolved(proxy: MockProxyService) -> list[str]:
    """Return curl's options by which it takes the proxy for the host itself."""
    place = f"127.0.0.1:{proxy.url.port}"
    return ["--connect-to", f"{NAME}:443:{place}", "--connect-to", f"{NAME}:80:{place}"]


async def curl(proxy: MockProxyService, *options: str) -> Any:
    return json.loads(await run_curl(proxy, *options))


async def run_curl(proxy: MockProxyService, *options: str) -> bytes:
    trust = proxy.tls.ca_pem
    process = await asyncio.create_subprocess_exec(
        *["curl", "-sS", "--noproxy", "", "--cacert", trust, "--proxy-cacert", trust, *options],
        stdout=asyncio.subprocess.PIPE,
    )
    return (await process.communicate())[0]


# --- an https proxy -----------------------------------------------------------------------


@pytest.mark.parametrize("url", PLACES)
async def test_clients_that_speak_tls_with_the_proxy(url: str) -> None:
    async with intercepting() as (service, proxy):
        secure = proxy.url.with_scheme("https")
        context = proxy.tls.client_context()

        assert await curl(proxy, "--proxy", str(secure), url) == FACT

        connector = aiohttp.TCPConnector(ssl=context)
        async with (
            aiohttp.ClientSession(connector=connector, proxy=secure) as session,
            session.get(url) as answer,
        ):
            assert await answer.json() == FACT

        by_way = httpx.Proxy(str(secure), ssl_context=context)
        async with httpx.AsyncClient(proxy=by_way, verify=context) as client:
            assert (await client.get(url)).json() == FACT

        def fetch() -> Any:
            with requests.Session() as session:
                session.trust_env, session.verify = False, proxy.tls.ca_pem
                session.proxies = {"https": str(secure), "http": str(secure)}
                return session.get(url, timeout=10).json()

        if url.startswith("https"):  # for http:// requests does not verify an https proxy
            assert await asyncio.to_thread(fetch) == FACT
        count = len(proxy.exchanges)
        service.assert_called("fact", times=count)
        proxy.assert_called(target=NAME, times=count)
        assert [record.handshake_error for record in proxy.connections] == [None] * count


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_a_websocket_over_tls_with_the_proxy(scheme: str) -> None:
    async with serve() as service, start_proxy(intercept={NAME: service}) as proxy:
        connector = aiohttp.TCPConnector(ssl=proxy.tls.client_context())
        secure = proxy.url.with_scheme("https")
        async with (
            aiohttp.ClientSession(connector=connector, proxy=secure) as session,
            session.ws_connect(f"{scheme}://{NAME}/feed") as socket,
        ):
            assert await socket.receive_str() == "hello"
            await socket.send_str("bye")
            assert (await socket.receive()).data == 4000
        exchange = await ended(proxy)
        assert exchange.status == (101 if scheme == "ws" else 200)
        assert exchange.fault in (None, "the client disconnected")  # aiohttp cuts TLS short
        service.assert_called("feed", times=1)


@asynccontextmanager
async def tunnel_in_tls(proxy: MockProxyService, target: Target) -> AsyncIterator[tuple[Raw, Raw]]:
    """Open a tunnel over TLS; yield what the client and what the target hold of it."""
    assert proxy.url.port is not None
    context = proxy.tls.client_context()
    client = Raw(*await asyncio.open_connection("127.0.0.1", proxy.url.port, ssl=context))
    try:
        await client.send(ask(target.url))
        assert await client.reader.readuntil(b"\r\n\r\n") == (
            b"HTTP/1.1 200 Connection established\r\n\r\n"
        )
        yield client, await target.accept()
    finally:
        client.writer.transport.abort()
        await asyncio.wait([asyncio.ensure_future(client.writer.wait_closed())])


@both_loops
async def test_what_is_on_its_way_to_the_target_arrives_when_the_client_has_closed() -> None:
    """TLS ends both directions at once, and the target reads slowly."""
    sent = b"x" * 2**22
    async with listen() as target, start_proxy() as proxy:
        async with tunnel_in_tls(proxy, target) as (client, far):
            read(far, on=False)
            onward: Any = transport_of(proxy).get_protocol()
            onward.other.transport.set_write_buffer_limits(high=len(sent))  # it takes all
            client.writer.write(sent)
            client.writer.close()
            await client.writer.wait_closed()
            while proxy.connections[0].is_open:
                await asyncio.sleep(0)
            read(far, on=True)
            assert len(await far.rest()) == len(sent)
        assert (await ended(proxy)).fault is None
        record = proxy.connections[0]
        assert (record.closed_by, record.was_reset) == ("client", False)
        assert sys.platform != "linux" or (record.bytes_in or 0) > len(sent)


@both_loops
async def test_leaving_while_the_last_of_a_client_is_on_its_way() -> None:
    tasks = asyncio.all_tasks()
    async with listen() as target, start_proxy() as proxy:
        async with tunnel_in_tls(proxy, target) as (client, far):
            read(far, on=False)
            onward: Any = transport_of(proxy).get_protocol()
            onward.other.transport.set_write_buffer_limits(high=2**24)
            client.writer.write(b"x" * 2**24)
            client.writer.close()
            await client.writer.wait_closed()
            while proxy.connections[0].is_open:
                await asyncio.sleep(0)
            assert proxy.exchanges[0].finished_at is None
        await proxy.stop()
        assert asyncio.all_tasks() == tasks
        assert proxy.exchanges[0].fault == "the service was stopped"
        read(far, on=True)
        assert len(await far.rest()) < 2**24


@both_loops
async def test_what_is_on_its_way_to_the_client_arrives_when_the_target_has_closed() -> None:
    async with listen() as target, start_proxy() as proxy:
        async with tunnel_in_tls(proxy, target) as (client, far):
            far.writer.write(b"x" * 2**20)
            far.writer.close()
            assert len(await client.rest()) == 2**20
        assert (await ended(proxy)).fault is None
        record = proxy.connections[0]
        assert (record.closed_by, record.was_reset) == ("server", False)


@both_loops
async def test_resets_pass_a_tunnel_in_tls() -> None:
    async with listen() as target, start_proxy() as proxy:
        async with tunnel_in_tls(proxy, target) as (client, far):
            reset(far)
            assert await is_reset(client)
        assert (await ended(proxy)).fault == "the target broke off: ConnectionResetError"
        record = proxy.connections[0]
        assert (record.closed_by, record.was_reset) == ("server", True)

        async with tunnel_in_tls(proxy, target) as (client, far):
            reset(client)
            assert await is_reset(far)
        assert (await ended(proxy)).fault == "the client disconnected"
        record = proxy.connections[1]
        assert (record.closed_by, record.was_reset) == ("client", True)

        async with tunnel_in_tls(proxy, target) as (client, far):
            await proxy.down()
            assert await is_reset(client)
            assert await is_reset(far)
        assert (await ended(proxy)).fault == "the service went down"
        await proxy.up()

        async with tunnel_in_tls(proxy, target) as (client, far):
            await proxy.stop()
            assert await far.rest() == b""
        assert (await ended(proxy)).fault == "the service was stopped"


# --- without a proxy in mind --------------------------------------------------------------


@pytest.mark.parametrize("url", PLACES)
async def test_a_client_that_takes_the_port_for_the_host_itself(url: str) -> None:
    """As one does whose /etc/hosts says so."""
    async with intercepting() as (service, proxy):
        assert await curl(proxy, *resolved(proxy), url) == FACT
        service.assert_called("fact", times=1)
        assert service.last_call("fact").url == URL(url)
        proxy.assert_called(target=URL(url), method="GET", times=1)


async def test_it_is_the_host_for_a_service_that_has_a_certificate_for_that_alone() -> None:
    spec = Tls(hostnames=[NAME])
    async with start_service(ROUTES, tls=spec) as service:
        service.register("fact", JsonResponse(FACT))
        async with start_proxy(intercept={NAME: service}) as proxy:
            assert await curl(proxy, *resolved(proxy), f"https://{NAME}/fact") == FACT
            await service.down()
            said = await run_curl(proxy, *resolved(proxy), f"https://{NAME}/fact")
            assert said.startswith(f"502: https://{NAME}/fact could not be reached: ".encode())


@pytest.mark.parametrize("tls", [False, True])
async def test_a_host_that_is_not_listed_is_refused_there_too(tls: bool) -> None:
    async with intercepting() as (service, proxy), aiohttp.ClientSession() as session:
        headers, context = {"Host": "httpbin.org"}, proxy.tls.client_context()
        url = proxy.url.with_scheme("https" if tls else "http") / "get"
        async with session.get(url, headers=headers, ssl=context) as answer:
            assert answer.status == 403
            port = 443 if tls else 80
            assert (await answer.text()).startswith(f"403: httpbin.org:{port} is not intercepted")
        async with session.get(url, ssl=context) as answer:
            assert answer.status == 400
            assert (await answer.text()).startswith("400: GET /get does not name a host")
        assert service.history == ()
        assert len(proxy.unmatched) == 2


async def test_a_url_that_goes_by_connect_is_told_so() -> None:
    async with intercepting() as (service, proxy), connect(proxy.url) as client:
        for scheme in ("https", "wss"):
            url = f"{scheme}://{NAME}/fact"
            await client.send(f"GET {url} HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
            head, body = await client.answer()
            assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
            assert body.decode() == (
                f"400: {url} would have the proxy speak TLS with the target; a client asks for an "
                f"{scheme}:// URL by CONNECT\n"
            )
        assert service.history == ()


# --- who may come -------------------------------------------------------------------------


def own_address() -> str:
    """Return an address of this machine that others may reach it by."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))  # nothing is sent (RFC 5737)
        except OSError:
            pytest.skip("this machine has no address but its loopback")
        return str(asking.getsockname()[0])


@both_loops
async def test_a_proxy_that_intercepts_turns_clients_of_other_machines_away() -> None:
    address = own_address()
    async with intercepting(host="0.0.0.0") as (service, proxy):
        port = proxy.url.port
        reader, writer = await asyncio.open_connection(address, port)
        assert await is_reset(Raw(reader, writer))
        writer.close()
        (record,) = proxy.connections
        assert (record.closed_by, record.was_reset, record.requests) == ("server", True, 0)
        assert record.refusal == f"turned away: {address} is not of this machine's loopback"
        assert record.refusal in str(record)
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{NAME}/fact", proxy=proxy.url) as answer,
        ):
            assert answer.status == 200
        assert proxy.connections[1].refusal is None
        service.assert_called("fact", times=1)


async def test_a_proxy_that_only_passes_on_is_for_whom_the_test_lets_in() -> None:
    address = own_address()
    async with start_service(ROUTES) as service, start_proxy(host="0.0.0.0") as proxy:
        service.register("fact", JsonResponse(FACT))
        async with (
            aiohttp.ClientSession() as session,
            session.get(service.url / "fact", proxy=proxy.url.with_host(address)) as answer,
        ):
            assert answer.status == 200


async def test_only_this_machine_reaches_a_proxy_that_was_told_nothing() -> None:
    address = own_address()
    async with intercepting() as (_, proxy):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(address, proxy.url.port)


# --- without the extra --------------------------------------------------------------------


async def test_a_proxy_that_only_passes_on_needs_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["asyncly.srvmocker.tls.authority"], "_made", [])
    monkeypatch.setitem(sys.modules, "trustme", None)
    missing = "tls= needs the package 'trustme': pip install 'asyncly[tls]'"
    async with start_service(ROUTES) as service, start_proxy() as proxy:
        service.register("fact", JsonResponse(FACT))
        async with aiohttp.ClientSession() as session:
            async with session.get(service.url / "fact", proxy=proxy.url) as answer:
                assert answer.status == 200
            with pytest.raises(aiohttp.ClientError):
                await session.get(
                    service.url / "fact", proxy=proxy.url.with_scheme("https"), ssl=False
                )
        assert proxy.connections[1].handshake_error == missing
        assert proxy.env().keys() >= {"HTTP_PROXY", "https_proxy"}
        with pytest.raises(ImportError) as caught:
            start_proxy(intercept={NAME: service})
        assert str(caught.value) == (
            "start_proxy(intercept=...) of a host that speaks TLS needs the package 'trustme': "
            "pip install 'asyncly[tls]'"
        )


# --- nothing is said where nobody asks ----------------------------------------------------

NOISE_FREE = """
import asyncio, ssl
import aiohttp
from asyncly.srvmocker import JsonResponse, MockRoute, start_proxy, start_service

async def main():
    asyncio.get_running_loop().slow_callback_duration = 60  # the authority takes its time
    async with start_service([MockRoute("GET", "/fact", "fact")]) as service:
        service.register("fact", JsonResponse({}))
        async with start_proxy(intercept={"api.example.com": service}) as proxy:
            context = proxy.tls.client_context()
            connector = aiohttp.TCPConnector(ssl=context)
            async with aiohttp.ClientSession(connector=connector) as session:
                for outer in (proxy.url, proxy.url.with_scheme("https")):
                    for scheme in ("http", "https"):
                        url = f"{scheme}://api.example.com/fact"
                        async with session.get(url, proxy=outer) as answer:
                            assert answer.status == 200
                    try:
                        await session.get("https://example.org", proxy=outer)
                    except aiohttp.ClientHttpProxyError as error:
                        assert error.status == 403
            ends = []
            for secure in (None, context):
                for abort in (True, False):
                    reader, writer = await asyncio.open_connection(
                        "127.0.0.1", proxy.url.port, ssl=secure
                    )
                    writer.write(b"CONNECT api.example.com:80 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
                    await reader.readuntil(b"\\r\\n\\r\\n")
                    if abort:
                        writer.transport.abort()
                        await proxy.connections[-1].closed()
                    ends.append(writer)
    for writer in ends:
        writer.transport.abort()
    await asyncio.sleep(0)

{run}
print("done")
"""


@every_run
def test_nothing_is_logged_and_nothing_warns(run: str) -> None:
    assert_no_noise(NOISE_FREE, run)
