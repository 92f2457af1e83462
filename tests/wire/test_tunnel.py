"""CONNECT and upgrades: what passes through a tunnel, how it ends, and what is noted of it."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import sys
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import httpx
import pytest
import requests
import trustme
import urllib3
import uvloop
import websockets
from yarl import URL

from asyncly.srvmocker import (
    JsonResponse,
    MockProxyService,
    MockRoute,
    WebSocketResponse,
    start_proxy,
    start_service,
    ws,
)

from .conftest import Raw, connect
from .test_leaving import nothing_is_left

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from asyncly.srvmocker import Exchange, MockService

__all__ = ["nothing_is_left"]  # a fixture: no test here leaves a socket behind

CA = trustme.CA()
ROUTES = [
    MockRoute("*", "/fact", "fact"),
    MockRoute("GET", "/feed", "feed"),
]
CHAT = WebSocketResponse([ws.Send("hello"), ws.Expect("bye"), ws.Close(4000, "done")])
RST = struct.pack("ii", 1, 0)
linux = pytest.mark.skipif(sys.platform != "linux", reason="a black hole needs Linux")


def both_loops(story: Callable[[], Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a test of a story, told in asyncio's own loop and in uvloop's."""

    @pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
    def test(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        run(story())

    test.__name__, test.__doc__ = story.__name__, story.__doc__
    return cast("Callable[..., None]", test)


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


def client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    CA.configure_trust(context)
    return context


@asynccontextmanager
async def serve(*, tls: bool = False) -> AsyncIterator[MockService]:
    """Serve a target that the proxy knows nothing of."""
    context = server_context() if tls else None
    async with start_service(ROUTES, ssl_context=context) as service:
        service.register("fact", JsonResponse({"fact": "Meow."}))
        service.register("feed", CHAT)
        yield service


class Target:
    """A server that does what the test says to each connection, byte by byte."""

    def __init__(self) -> None:
        self._accepted: asyncio.Queue[Raw] = asyncio.Queue()
        self._writers: list[asyncio.StreamWriter] = []
        self.url = URL()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._accepted.put_nowait(Raw(reader, writer))

    async def accept(self) -> Raw:
        async with asyncio.timeout(10):
            return await self._accepted.get()

    def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def listen() -> AsyncIterator[Target]:
    target = Target()
    server = await asyncio.start_server(target.take, "127.0.0.1", 0)
    target.url = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield target
    finally:
        target.close()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0)


@asynccontextmanager
async def tunnel(
    proxy: MockProxyService, target: Target, early: bytes = b""
) -> AsyncIterator[tuple[Raw, Raw]]:
    """Open a tunnel; yield what the client and what the target hold of it."""
    async with connect(proxy.url) as client:
        await client.send(ask(target.url) + early)
        assert await client.reader.readuntil(b"\r\n\r\n") == (
            b"HTTP/1.1 200 Connection established\r\n\r\n"
        )
        yield client, await target.accept()


def ask(url: URL) -> bytes:
    place = f"{url.host}:{url.port}"
    return f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode()


async def ended(proxy: MockProxyService) -> Exchange:
    """Wait for the end of the latest tunnel."""
    await proxy.connections[-1].closed()
    return proxy.exchanges[-1]


def transport_of(proxy: MockProxyService) -> asyncio.Transport:
    """Return the proxy's side of its only connection."""
    assert proxy._serving is not None
    (connection,) = proxy._serving._server.connections
    assert connection.transport is not None
    return connection.transport


def read(peer: Raw, *, on: bool) -> None:
    """Let a peer read, or not."""
    transport = cast("asyncio.Transport", peer.writer.transport)
    if on:
        transport.resume_reading()
    else:
        transport.pause_reading()


def reset(peer: Raw) -> None:
    raw = peer.writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
    peer.writer.transport.abort()


async def is_reset(peer: Raw) -> bool:
    async with asyncio.timeout(10):
        try:
            await peer.reader.read()
        except ConnectionResetError:
            return True
        return False


# --- clients ------------------------------------------------------------------------------


async def ask_with_aiohttp(proxy: str, url: str, trust: str) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(trust)
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector, proxy=proxy) as session:
        for _ in range(2):
            async with session.get(url) as answer:
                said = await answer.json()
    return said


async def ask_with_httpx(proxy: str, url: str, trust: str) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(trust)
    async with httpx.AsyncClient(proxy=proxy, verify=context) as client:
        await client.get(url)
        return (await client.get(url)).json()


async def ask_with_requests(proxy: str, url: str, trust: str) -> Any:
    def fetch() -> Any:
        with requests.Session() as session:
            session.trust_env = False
            session.proxies, session.verify = {"https": proxy, "http": proxy}, trust
            session.get(url, timeout=10)
            return session.get(url, timeout=10).json()

    return await asyncio.to_thread(fetch)


async def ask_with_urllib3(proxy: str, url: str, trust: str) -> Any:
    def fetch() -> Any:
        with urllib3.ProxyManager(proxy, ca_certs=trust, retries=False, timeout=10) as pool:
            pool.request("GET", url)
            return pool.request("GET", url).json()

    return await asyncio.to_thread(fetch)


async def ask_with_curl(proxy: str, url: str, trust: str) -> Any:
    options = ["-sS", "--proxy", proxy, "--noproxy", "", "--cacert", trust]
    process = await asyncio.create_subprocess_exec(
        "curl", *options, "-o", "/dev/null", url, "-o", "-", url, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return json.loads(out)


CLIENTS = {
    "aiohttp": ask_with_aiohttp,
    "httpx": ask_with_httpx,
    "requests": ask_with_requests,
    "urllib3": ask_with_urllib3,
    "curl": ask_with_curl,
}


@pytest.mark.parametrize("name", CLIENTS)
async def test_https_through_a_tunnel(name: str) -> None:
    async with serve(tls=True) as service, start_proxy() as proxy:
        with CA.cert_pem.tempfile() as trust:
            said = await CLIENTS[name](str(proxy.url), str(service.url / "fact"), trust)
        assert said == {"fact": "Meow."}
        place = service.url.authority
        proxy.assert_called(target=place, method="CONNECT", times=1)
        proxy.assert_called(target="127.0.0.1", method="connect", times=1)
        proxy.assert_not_called(target=service.url)  # what passes inside is not for the proxy
        service.assert_called("fact", times=2)
        assert len(service.connections) == 1
        exchange = await ended(proxy)
        assert (exchange.status, exchange.error) == (200, None)
        # A client that closes before it has read the last of TLS resets by that, now and then.
        assert exchange.fault in (None, "the client disconnected")
        assert exchange.request.body == b""
        assert (await service.connections[0].closed()).closed_by == "client"
        assert proxy.connections[0].closed_by == "client"
        assert (proxy.unmatched, proxy.errors) == ((), ())


# --- bytes and ends -----------------------------------------------------------------------


@both_loops
async def test_bytes_pass_as_they_come_also_those_sent_too_early() -> None:
    early = b"\x16\x03 too early\r\n\r\n"
    async with (
        listen() as target,
        start_proxy() as proxy,
        tunnel(proxy, target, early) as (client, far),
    ):
        assert await far.reader.readuntil(b"\r\n\r\n") == early
        await far.send(b"HTTP? \x00\xff")
        assert await client.reader.readexactly(8) == b"HTTP? \x00\xff"
        await client.send(b"GET / HTTP/1.1\r\n\r\n")
        assert await far.reader.readexactly(18) == b"GET / HTTP/1.1\r\n\r\n"
        (exchange,) = proxy.exchanges
        assert (exchange.status, exchange.finished_at) == (200, None)
        assert exchange.request.url.host == "127.0.0.1"
        assert exchange.request.url.port == target.url.port
        (record,) = proxy.connections
        assert (record.is_open, record.requests) == (True, 1)


@both_loops
async def test_what_the_target_sends_first_comes_behind_the_answer() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com\r\n" * 1000)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server, start_proxy() as proxy, connect(proxy.url) as client:
        port = server.sockets[0].getsockname()[1]
        await client.send(ask(URL(f"http://127.0.0.1:{port}")))
        head, _, rest = (await client.rest()).partition(b"\r\n\r\n")
        assert head == b"HTTP/1.1 200 Connection established"
        assert rest == b"220 mail.example.com\r\n" * 1000


@both_loops
async def test_a_client_that_ends_its_direction_still_gets_the_answer() -> None:
    async with listen() as target, start_proxy() as proxy:
        async with tunnel(proxy, target) as (client, far):
            await client.send(b"a question")
            client.writer.write_eof()
            assert await far.rest() == b"a question"
            await far.send(b"a late answer")
            assert await client.reader.readexactly(13) == b"a late answer"
            assert proxy.connections[0].is_open
            far.writer.close()
            assert await client.rest() == b""
        exchange = await ended(proxy)
        assert exchange.fault is None
        record = proxy.connections[0]
        assert (record.closed_by, record.was_reset) == ("client", False)


@both_loops
async def test_a_target_that_ends_its_direction_still_gets_what_comes() -> None:
    async with listen() as target, start_proxy() as proxy:
        async with tunnel(proxy, target) as (client, far):
            await far.send(b"all I say")
            far.writer.write_eof()
            assert await client.rest() == b"all I say"
            await client.send(b"one more")
            assert await far.reader.readexactly(8) == b"one more"
            assert proxy.connections[0].is_open
            client.writer.close()
            assert await far.rest() == b""
        exchange = await ended(proxy)
        assert exchange.fault is None
        record = proxy.connections[0]
        assert (record.closed_by, record.was_reset) == ("server", False)


@both_loops
async def test_a_reset_of_the_target_is_one_for_the_client_behind_what_came() -> None:
    async with listen() as target, start_proxy() as proxy:
        async with tunnel(proxy, target) as (client, far):
            await far.send(b"the last words")
            assert await client.reader.readexactly(14) == b"the last words"
            reset(far)
            assert await is_reset(client)
        exchange = await ended(proxy)
        assert (exchange.status, exchange.fault) == (
            200,
            "the target broke off: ConnectionResetError",
        )
        record = proxy.connections[0]
        assert (record.closed_by, record.was_reset) == ("server", True)


@both_loops
async def test_a_reset_of_the_client_is_one_for_the_target() -> None:
    async with listen() as target, start_proxy() as proxy:
        async with tunnel(proxy, target) as (client, far):
            reset(client)
            assert await is_reset(far)
        exchange = await ended(proxy)
        assert (exchange.status, exchange.fault) == (200, "the client disconnected")
        record = proxy.connections[0]
        assert (record.closed_by, record.was_reset) == ("client", True)


@both_loops
async def test_a_client_that_closes_and_then_refuses_what_comes_late_has_closed_in_order() -> None:
    """Its FIN waits unread when the reset arrives: the proxy meets it as it writes (EPIPE)."""
    async with listen() as target, start_proxy() as proxy:
        async with tunnel(proxy, target) as (client, far):
            transport_of(proxy).pause_reading()
            gone = client.writer.get_extra_info("socket")
            client.writer.close()
            while gone.fileno() >= 0:  # what comes before that makes its close a reset
                await asyncio.sleep(0)
            with suppress(ConnectionError):
                while proxy.connections[0].is_open:
                    await far.send(b"too late")
                    await asyncio.sleep(0)
            assert await is_reset(far)
        assert (await ended(proxy)).fault is None
        record = proxy.connections[0]
        assert (record.closed_by, record.was_reset) == ("client", False)


@both_loops
async def test_what_the_proxy_holds_when_the_target_resets_goes_before_the_reset() -> None:
    sent = b"x" * 2**24
    async with listen() as target, start_proxy() as proxy:
        async with tunnel(proxy, target) as (client, far):
            read(client, on=False)
            transport = transport_of(proxy)
            transport.set_write_buffer_limits(high=len(sent))
            await far.send(sent)
            while transport.get_write_buffer_size() < len(sent) / 2:
                await asyncio.sleep(0)
            reset(far)
            while not transport.is_closing():
                await asyncio.sleep(0)
            read(client, on=True)
            got = 0
            with pytest.raises(ConnectionResetError):
                while got <= len(sent):
                    got += len(await client.reader.readexactly(1024))
            assert got > len(sent) / 2  # a system may drop what its own buffers hold
        assert (await ended(proxy)).fault == "the target broke off: ConnectionResetError"


@both_loops
async def test_an_outage_resets_both_sides_and_the_end_closes_them() -> None:
    tasks = asyncio.all_tasks()
    async with listen() as target, start_proxy() as proxy:
        async with tunnel(proxy, target) as (client, far):
            await proxy.down()
            assert await is_reset(client)
            assert await is_reset(far)
            assert (await ended(proxy)).fault == "the service went down"
            record = proxy.connections[0]
            assert (record.closed_by, record.was_reset) == ("server", True)
            await proxy.up()
        async with tunnel(proxy, target) as (client, far):
            await proxy.stop()
            assert asyncio.all_tasks() - tasks == set()
            assert await client.rest() == await far.rest() == b""
            assert (await ended(proxy)).fault == "the service was stopped"
            record = proxy.connections[1]
            assert (record.closed_by, record.was_reset) == ("server", False)


class Flow:
    """Counts and checks the bytes of a direction: a pattern that no lost or doubled piece fits."""

    PIECE = bytes(range(251)) * 1024

    def __init__(self, size: int) -> None:
        self.size = size

    async def send(self, peer: Raw) -> None:
        for start in range(0, self.size, len(self.PIECE)):
            await peer.send(self.PIECE[: self.size - start])
        peer.writer.write_eof()

    async def receive(self, peer: Raw) -> None:
        at = 0
        while piece := await peer.reader.read(2**18):
            begin = at % len(self.PIECE)
            assert piece == (self.PIECE * 3)[begin : begin + len(piece)]
            at += len(piece)
            await asyncio.sleep(0)
        assert at == self.size


@both_loops
async def test_100_mb_pass_both_ways_and_are_not_held_for_a_slow_reader() -> None:
    down, up = Flow(60 * 2**20), Flow(40 * 2**20)
    async with listen() as target, start_proxy() as proxy:
        async with tunnel(proxy, target) as (client, far):
            transport = transport_of(proxy)
            read(client, on=False)
            sending = asyncio.create_task(down.send(far))
            while transport.get_write_buffer_size() == 0:
                await asyncio.sleep(0)
            for _ in range(1000):  # turns in which the proxy could go on reading
                await asyncio.sleep(0)
            assert 0 < transport.get_write_buffer_size() < 2**20
            read(client, on=True)
            await asyncio.gather(sending, down.receive(client), up.send(client), up.receive(far))
        exchange = await ended(proxy)
        assert (exchange.status, exchange.fault) == (200, None)


@both_loops
async def test_many_tunnels_at_once_and_leaving_them_all() -> None:
    tasks = asyncio.all_tasks()
    async with listen() as target, AsyncExitStack() as tunnels:
        async with start_proxy() as proxy:
            opened = [await tunnels.enter_async_context(tunnel(proxy, target)) for _ in range(100)]
            for number, (client, _) in enumerate(opened):
                await client.send(b"%03d" % number)
            for number, (client, far) in enumerate(opened):
                assert await far.reader.readexactly(3) == b"%03d" % number
                await far.send(b"%03d!" % number)
                assert await client.reader.readexactly(4) == b"%03d!" % number
            assert len(proxy.exchanges) == 100
        assert asyncio.all_tasks() - tasks == set()
        for client, far in opened:
            assert await client.rest() == await far.rest() == b""
        assert {exchange.fault for exchange in proxy.exchanges} == {"the service was stopped"}


# --- refusals and failures ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("api.example.com", "it has no port"),
        ("[::1]", "it has no port"),
        ("api.example.com:", "its port is no number from 1 to 65535"),
        ("api.example.com:http", "its port is no number from 1 to 65535"),
        ("api.example.com:0", "its port is no number from 1 to 65535"),
        ("api.example.com:65536", "its port is no number from 1 to 65535"),
        (":443", "it names no host"),
        ("::1:443", "it names no host"),
        ("cat:s3cret@api.example.com:443", "it holds credentials, which belong into Proxy-Author"),
        ("https://api.example.com:443", "it is a URL"),
        ("api.example.com:443/fact", "it is a URL"),
        ("/fact", "it is a URL"),
    ],
)
async def test_a_target_that_is_no_host_and_port_is_told_what_is_taken(
    target: str, reason: str
) -> None:
    async with start_proxy() as proxy, connect(proxy.url) as client:
        await client.send(f"CONNECT {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head, body = await client.answer()
        text = f"CONNECT takes a host and a port, such as api.example.com:443; {reason}"
        assert body.startswith(f"400: {text}".encode())
        assert f" 400 {text}".encode() in head.partition(b"\r\n")[0]  # all that clients show
        assert b"s3cret" not in body
        (exchange,) = proxy.unmatched
        assert (exchange.request.method, exchange.request.target) == ("CONNECT", target)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "LOCALHOST", "127.0.0.2", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"],
)
async def test_a_tunnel_to_the_proxy_itself_is_refused(host: str) -> None:
    async with start_proxy() as proxy, connect(proxy.url) as client:
        target = f"{host}:{proxy.url.port}"
        await client.send(f"CONNECT {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head, body = await client.answer()
        assert head.startswith(b"HTTP/1.1 421 ")
        assert body.decode() == (
            f"421: {target} is the proxy itself; it forwards to other servers only\n"
        )
        (record,) = proxy.connections
        assert proxy.unmatched == proxy.exchanges
        assert record.requests == 1


@both_loops
async def test_a_target_that_cannot_be_reached_is_502() -> None:
    with socket.socket() as bound:  # bound, but nobody listens
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        async with start_proxy() as proxy, connect(proxy.url) as client:
            await client.send(ask(URL(f"http://127.0.0.1:{port}")))
            head, body = await client.answer()
            text = f"127.0.0.1:{port} could not be reached: ConnectionRefusedError: "
            assert head.startswith(f"HTTP/1.1 502 {text}".encode())
            assert body.startswith(f"502: {text}".encode())
            long = b"a" * 64 + b".example.com:443"
            await client.send(b"CONNECT " + long + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            head, body = await client.answer()  # the same connection takes the next request
            assert head.startswith(b"HTTP/1.1 502 ")
            assert body.startswith(b"502: " + long + b" could not be reached: ")
            assert proxy.errors == tuple(exchange.error for exchange in proxy.exchanges)
            assert proxy.unmatched == ()


@linux
@both_loops
async def test_a_target_that_does_not_accept_is_504() -> None:
    async with serve() as service, start_proxy(timeout=0.1) as proxy:
        async with service.outage("blackhole"), connect(proxy.url) as client:
            await client.send(ask(service.url))
            head, body = await client.answer()
            text = f"{service.url.authority} did not answer within 0.1 s"
            assert head.startswith(f"HTTP/1.1 504 {text}\r\n".encode())
            assert body.decode() == f"504: {text}\n"
        assert isinstance(proxy.exchanges[0].error, TimeoutError)


@linux
@both_loops
async def test_a_client_that_leaves_before_the_tunnel_is_open() -> None:
    async with serve() as service, start_proxy() as proxy:
        async with service.outage("blackhole"):
            async with connect(proxy.url) as client:
                await client.send(ask(service.url))
                await proxy.wait_for_call(method="CONNECT")
                reset(client)
            assert (await ended(proxy)).fault == "the client disconnected"
            assert proxy.exchanges[0].status is None
        assert service.connections == ()


async def test_what_is_sent_behind_a_refused_tunnel_is_no_request() -> None:
    async with start_proxy(auth=("cat", "s3cret")) as proxy, connect(proxy.url) as client:
        await client.send(b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n\x16\x03\x01\x02")
        head, _, rest = (await client.rest()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 407 ")
        assert rest == b"407: no Proxy-Authorization; this proxy was started with auth=\n"
        assert len(proxy.exchanges) == 1


async def test_credentials_for_a_tunnel() -> None:
    async with serve(tls=True) as service, start_proxy(auth=("cat", "s3cret")) as proxy:
        connector = aiohttp.TCPConnector(ssl=client_context())
        async with aiohttp.ClientSession(connector=connector) as session:
            for user in (None, "cat:wrong"):
                url = URL(str(proxy.url).replace("//", f"//{user}@" if user else "//"))
                with pytest.raises(aiohttp.ClientHttpProxyError) as caught:
                    await session.get(service.url / "fact", proxy=url)
                assert caught.value.status == 407
            url = proxy.url.with_user("cat").with_password("s3cret")
            async with session.get(service.url / "fact", proxy=url) as answer:
                assert answer.status == 200
        service.assert_called("fact", times=1)
        assert [exchange.status for exchange in proxy.exchanges] == [407, 407, 200]
        assert len(proxy.unmatched) == 2


async def test_a_client_asked_for_credentials_may_send_them_on_the_same_connection() -> None:
    async with serve(tls=True) as service, start_proxy(auth=("cat", "s3cret")) as proxy:
        with CA.cert_pem.tempfile() as trust:
            options = ["--proxy-anyauth", "--proxy-user", "cat:s3cret", "--cacert", trust]
            process = await asyncio.create_subprocess_exec(
                *["curl", "-sS", "--proxy", str(proxy.url), "--noproxy", "", *options],
                str(service.url / "fact"),
                stdout=asyncio.subprocess.PIPE,
            )
            out, _ = await process.communicate()
        assert json.loads(out) == {"fact": "Meow."}
        assert [exchange.status for exchange in proxy.exchanges] == [407, 200]
        assert [record.requests for record in proxy.connections] == [2]


# --- WebSockets and other upgrades --------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
async def test_a_websocket_of_aiohttp(tls: bool) -> None:
    """A ws:// URL is asked for as it is, a wss:// one through CONNECT."""
    async with serve(tls=tls) as service, start_proxy() as proxy:
        connector = aiohttp.TCPConnector(ssl=client_context())
        url = service.url.with_scheme("wss" if tls else "ws") / "feed"
        async with (
            aiohttp.ClientSession(connector=connector, proxy=proxy.url) as session,
            session.ws_connect(url) as socket,
        ):
            assert await socket.receive_str() == "hello"
            await socket.send_str("bye")
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
            assert socket.close_code == 4000
        exchange = await ended(proxy)
        assert exchange.fault is None
        if tls:
            assert (exchange.request.method, exchange.status) == ("CONNECT", 200)
        else:
            assert (exchange.request.method, exchange.status) == ("GET", 101)
            proxy.assert_called(target=url, headers={"Upgrade": "websocket"})
            sent = service.last_call("feed")
            assert sent.target == "/feed"
            assert sent.headers["Connection"] == "Upgrade"
            assert "Proxy-Connection" not in sent.headers


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
async def test_a_websocket_of_websockets(tls: bool) -> None:
    """It asks for a tunnel in both cases."""
    async with serve(tls=tls) as service, start_proxy() as proxy:
        url = service.url.with_scheme("wss" if tls else "ws") / "feed"
        context = client_context() if tls else None
        async with websockets.connect(str(url), proxy=str(proxy.url), ssl=context) as socket:
            assert await socket.recv() == "hello"
            await socket.send("bye")
            with pytest.raises(websockets.ConnectionClosed) as caught:
                await socket.recv()
            assert caught.value.rcvd is not None
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4000, "done")
        assert (await ended(proxy)).fault is None
        proxy.assert_called(target=service.url.authority, method="CONNECT", times=1)
        service.assert_called("feed", times=1)


UPGRADE = (
    b"GET %b/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, X-Hop\r\nUpgrade: %b\r\nX-Hop: 1\r\n\r\n"
)
SWITCHING = (
    b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: cat/1\r\n"
    b"X-Two: 1\r\nX-Two: 2\r\n\r\n"
)


@both_loops
async def test_any_protocol_that_the_target_agrees_to() -> None:
    async with listen() as target, start_proxy() as proxy, connect(proxy.url) as client:
        await client.send(UPGRADE % (str(target.url).encode(), b"cat/1"))
        far = await target.accept()
        head = await far.reader.readuntil(b"\r\n\r\n")
        assert head == b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: cat/1\r\n\r\n"
        await far.send(SWITCHING + b"meow")
        assert await client.reader.readexactly(len(SWITCHING)) == (
            b"HTTP/1.1 101 Switching\r\nX-Two: 1\r\nX-Two: 2\r\n"
            b"Connection: Upgrade\r\nUpgrade: cat/1\r\n\r\n"
        )
        assert await client.reader.readexactly(4) == b"meow"
        assert proxy.exchanges[0].status == 101
        await client.send(b"GET /not-http HTTP/1.1\r\n\r\n")
        assert await far.reader.readuntil(b"\r\n\r\n") == b"GET /not-http HTTP/1.1\r\n\r\n"
        reset(far)
        assert await is_reset(client)
        assert (await ended(proxy)).fault == "the target broke off: ConnectionResetError"


@both_loops
async def test_a_target_that_agrees_and_leaves() -> None:
    async with listen() as target, start_proxy() as proxy, connect(proxy.url) as client:
        await client.send(UPGRADE % (str(target.url).encode(), b"cat/1"))
        far = await target.accept()
        await far.reader.readuntil(b"\r\n\r\n")
        far.writer.write(SWITCHING + b"meow")
        far.writer.close()
        assert (await client.rest()).endswith(b"\r\n\r\nmeow")
        client.writer.close()
        exchange = await ended(proxy)
        assert (exchange.status, exchange.fault) == (101, None)


async def test_a_target_that_does_not_agree_is_answered_as_ever() -> None:
    async with serve() as service, start_proxy() as proxy, connect(proxy.url) as client:
        url = str(service.url).encode()
        for protocol in (b"websocket", b"cat/1"):
            await client.send((UPGRADE % (url, protocol)).replace(b"/ HTTP", b"/fact HTTP"))
            head, body = await client.answer()
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert body == b'{"fact": "Meow."}'
        assert [record.requests for record in proxy.connections] == [2]
        service.assert_called("fact", times=2)
