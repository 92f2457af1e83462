"""`intercept(..., patch=True)`: what it reaches, what not, and that nothing of it stays."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import ssl
import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import aiohttp
import aiohttp.connector
import anyio
import anyio.streams.tls
import certifi
import httpx
import httpx2
import pytest
import requests
import trio
import trustme
import urllib3
import uvloop
import websockets.sync.client
from websockets.asyncio.client import connect as connect_websocket
from yarl import URL

from asyncly.srvmocker import (
    JsonResponse,
    MockRoute,
    MockService,
    RawResponse,
    Tls,
    WebSocketResponse,
    intercept,
    run_service,
    start_service,
    ws,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from asyncly.srvmocker import MockNetwork

ROUTES = [MockRoute("GET", "/fact", "fact"), MockRoute("GET", "/feed", "feed")]
HOST = "api.shop.test"
ORIGIN = f"https://{HOST}"
FACT_URL = f"{ORIGIN}/fact"
RAW = f"GET /fact HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode()
FACT = {"fact": "Meow."}
VARIABLES = (
    "AWS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
)


@contextmanager
def run_on_thread(**options: Any) -> Iterator[MockService]:
    with run_service(ROUTES, **options) as service:
        service.register("fact", JsonResponse(FACT))
        service.register("feed", WebSocketResponse([ws.Send(FACT)]))
        yield service


@pytest.fixture
def service() -> Iterator[MockService]:
    with run_on_thread() as service:
        yield service


# --- what is reached ----------------------------------------------------------------------


@contextmanager
def within(net: MockNetwork, before: bool, make: Callable[[], Any]) -> Iterator[Any]:
    """Enter the block, and a client that is made before it or in it."""
    if before:
        with make() as client, net:
            yield client
    else:
        with net, make() as client:
            yield client


@asynccontextmanager
async def awithin(net: MockNetwork, before: bool, make: Callable[[], Any]) -> AsyncIterator[Any]:
    if before:
        async with make() as client, net:
            yield client
    else:
        async with net, make() as client:
            yield client


async def call_aiohttp(net: MockNetwork, before: bool) -> Any:
    async with (
        awithin(net, before, aiohttp.ClientSession) as session,
        session.get(FACT_URL) as answer,
    ):
        return await answer.json()


async def call_aiohttp_context(net: MockNetwork, before: bool) -> Any:
    def make() -> aiohttp.ClientSession:
        context = ssl.create_default_context(cafile=certifi.where())
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))

    async with awithin(net, before, make) as session, session.get(FACT_URL) as answer:
        return await answer.json()


async def call_httpx_async(net: MockNetwork, before: bool) -> Any:
    async with awithin(net, before, httpx.AsyncClient) as client:
        return (await client.get(FACT_URL)).json()


async def call_httpx2_async(net: MockNetwork, before: bool) -> Any:
    async with awithin(net, before, httpx2.AsyncClient) as client:
        return (await client.get(FACT_URL)).json()


def call_httpx(net: MockNetwork, before: bool) -> Any:
    with within(net, before, httpx.Client) as client:
        return client.get(FACT_URL).json()


def call_requests(net: MockNetwork, before: bool) -> Any:
    with within(net, before, requests.Session) as session:
        return session.get(FACT_URL, timeout=5).json()


def call_requests_verify(net: MockNetwork, before: bool) -> Any:
    with within(net, before, requests.Session) as session:
        return session.get(FACT_URL, timeout=5, verify=certifi.where()).json()


def call_urllib3(net: MockNetwork, before: bool) -> Any:
    with within(net, before, urllib3.PoolManager) as pool:
        return pool.request("GET", FACT_URL, retries=False).json()


def call_urllib(net: MockNetwork, before: bool) -> Any:
    """Its opener is made before, as by its first call, in a fixture of all tests here."""
    with net, urllib.request.urlopen(FACT_URL, timeout=5) as answer:
        return json.load(answer)


def call_http_client(net: MockNetwork, before: bool) -> Any:
    @contextmanager
    def make() -> Iterator[http.client.HTTPSConnection]:
        connection = http.client.HTTPSConnection(HOST, timeout=5)
        yield connection
        connection.close()

    with within(net, before, make) as connection:
        connection.request("GET", "/fact")
        return json.load(connection.getresponse())


async def call_websockets(net: MockNetwork, before: bool) -> Any:
    async with net, connect_websocket(f"wss://{HOST}/feed") as client:
        return json.loads(await client.recv())


def call_websockets_sync(net: MockNetwork, before: bool) -> Any:
    with net:
        # Asked of a connection that nobody ends: the feed's own may be closed by now.
        with (
            socket.create_connection((HOST, 443), timeout=5) as raw,
            ssl.create_default_context().wrap_socket(raw, server_hostname=HOST) as probe,
        ):
            assert probe.version() == "TLSv1.2"
        with websockets.sync.client.connect(f"wss://{HOST}/feed") as client:
            return json.loads(client.recv(timeout=5))


async def call_asyncio(net: MockNetwork, before: bool) -> Any:
    async with net:
        reader, writer = await asyncio.open_connection(HOST, 443, ssl=True)
        assert names_in(writer.get_extra_info("peercert")) == {HOST}
        writer.write(RAW)
        answer = await reader.read()
        writer.transport.abort()
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def names_in(certificate: Any) -> set[str]:
    return {name for _, name in certificate["subjectAltName"]}


async def call_anyio(net: MockNetwork, before: bool) -> Any:
    async with net:
        stream = await anyio.connect_tcp(HOST, 443, tls=True, tls_standard_compatible=False)
        async with stream:
            assert names_in(stream.extra(anyio.streams.tls.TLSAttribute.peer_certificate)) == {HOST}
            await stream.send(RAW)
            answer = b"".join([part async for part in stream])
    return json.loads(answer.partition(b"\r\n\r\n")[2])


async def call_trio(net: MockNetwork, before: bool) -> Any:
    async with net:
        stream = await trio.open_ssl_over_tcp_stream(HOST, 443, https_compatible=True)
        async with stream:
            await stream.send_all(RAW)
            answer = b"".join([part async for part in stream])
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def call_curl(net: MockNetwork, before: bool) -> Any:
    with net:
        done = subprocess.run(["curl", "-sS", FACT_URL], capture_output=True, check=False)
    if done.returncode:
        raise OSError(done.stderr.decode())
    return json.loads(done.stdout)


def call_address(net: MockNetwork, before: bool) -> Any:
    with within(net, before, requests.Session) as session:
        return session.get(FACT_URL.replace(HOST, "127.0.0.2"), timeout=5).json()


def directly(call: Callable[[], Any]) -> Any:
    return call()


def on_asyncio(call: Callable[[], Any]) -> Any:
    return asyncio.run(call())


def on_uvloop(call: Callable[[], Any]) -> Any:
    return uvloop.run(call())


def on_trio(call: Callable[[], Any]) -> Any:
    return trio.run(call)


class Row(NamedTuple):
    """A row of the table in docs/hard-coded-urls.md: what is said there is tried here."""

    before: str
    within: str
    call: Callable[[MockNetwork, bool], Any]
    run: Callable[[Callable[[], Any]], Any] = directly


YES, CERTIFICATE, NOT_RESOLVED, NOT_HERE = "yes", "no: certificate", "no: name", "no: address"
TABLE = {
    "aiohttp on asyncio": Row(YES, YES, call_aiohttp, on_asyncio),
    "aiohttp on uvloop": Row(YES, YES, call_aiohttp, on_uvloop),
    "httpx, async, on asyncio": Row(CERTIFICATE, YES, call_httpx_async, on_asyncio),
    "httpx, async, on uvloop": Row(CERTIFICATE, YES, call_httpx_async, on_uvloop),
    "httpx, async, on trio": Row(CERTIFICATE, YES, call_httpx_async, on_trio),
    "httpx, sync": Row(CERTIFICATE, YES, call_httpx),
    "httpx2, async, on asyncio": Row(CERTIFICATE, YES, call_httpx2_async, on_asyncio),
    "requests": Row(YES, YES, call_requests),
    "urllib3": Row(YES, YES, call_urllib3),
    "urllib.request.urlopen": Row(YES, YES, call_urllib),
    "http.client": Row(CERTIFICATE, YES, call_http_client),
    "websockets on asyncio": Row("", YES, call_websockets, on_asyncio),
    "websockets on uvloop": Row("", YES, call_websockets, on_uvloop),
    "websockets, sync": Row("", YES, call_websockets_sync),
    "asyncio.open_connection": Row("", YES, call_asyncio, on_asyncio),
    "asyncio.open_connection on uvloop": Row("", YES, call_asyncio, on_uvloop),
    "anyio.connect_tcp on asyncio": Row("", YES, call_anyio, on_asyncio),
    "anyio.connect_tcp on trio": Row("", YES, call_anyio, on_trio),
    "trio.open_ssl_over_tcp_stream": Row("", YES, call_trio, on_trio),
    "aiohttp with ssl=context": Row(CERTIFICATE, CERTIFICATE, call_aiohttp_context, on_asyncio),
    "requests with verify=path": Row(CERTIFICATE, CERTIFICATE, call_requests_verify),
    "a URL with an IP address": Row(NOT_HERE, NOT_HERE, call_address),
    "another process, such as curl": Row("", NOT_RESOLVED, call_curl),
}
WORDS = {
    CERTIFICATE: "certificate verify failed",
    NOT_RESOLVED: "Could not resolve host",
    NOT_HERE: "Connection refused",
}


def everything_said(error: BaseException | None) -> str:
    """Return the texts of an error and of all that led to it: httpx under trio says nothing."""
    said = ""
    while error is not None:
        said += f"{error}\n"
        error = error.__cause__ or error.__context__
    return said


@pytest.mark.parametrize(
    ("name", "before"),
    [
        (name, before)
        for name, row in TABLE.items()
        for before in (True, False)
        if (row.before if before else row.within)
    ],
)
def test_what_is_reached_and_what_not(name: str, before: bool) -> None:
    row = TABLE[name]
    expected = row.before if before else row.within
    # The client for threads reads while it writes: with TLS 1.3 it rarely hangs (docs/tls.md).
    options = {"tls": Tls(max_version="1.2")} if name == "websockets, sync" else {}
    with run_on_thread(**options) as service:
        net = intercept({ORIGIN: service}, patch=True)
        if expected == YES:
            assert row.run(lambda: row.call(net, before)) == FACT
            assert service.history[-1].url.origin() == URL(ORIGIN)
        else:
            with pytest.raises((OSError, httpx.HTTPError, httpx2.HTTPError)) as caught:
                row.run(lambda: row.call(net, before))
            assert WORDS[expected] in everything_said(caught.value)
            assert service.history == ()


async def test_plain_http_needs_no_trust(service: MockService) -> None:
    async with httpx.AsyncClient() as client:
        before = trusted_files()
        async with intercept({"http://api.shop.test:8080": service}, patch=True):
            assert trusted_files() == before
            answer = await client.get("http://api.shop.test:8080/fact")
    assert answer.json() == FACT
    assert str(service.last_call("fact").url) == "http://api.shop.test:8080/fact"


async def test_a_client_with_certificates_of_its_own_may_be_given_ours(
    service: MockService,
) -> None:
    async with intercept({HOST: service}, patch=True) as net:
        connector = aiohttp.TCPConnector(ssl=net.client_context())
        session = aiohttp.ClientSession(connector=connector)
        async with session, session.get(FACT_URL) as answer:
            assert await answer.json() == FACT
        got = await asyncio.to_thread(requests.get, FACT_URL, timeout=5, verify=net.ca_pem)
        assert got.json() == FACT


# --- what stays as it was -----------------------------------------------------------------


def trusted_files() -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in VARIABLES}


def patched() -> tuple[object, ...]:
    """Return everything that a block replaces."""
    return (
        socket.getaddrinfo,
        anyio.connect_tcp,
        "create_connection" in vars(uvloop.Loop),
        aiohttp.ThreadedResolver.resolve,
        aiohttp.AsyncResolver.resolve,
        "connect" in vars(aiohttp.TCPConnector),
        aiohttp.connector._SSL_CONTEXT_VERIFIED,
        urllib.request._opener,  # type: ignore[attr-defined]
        trusted_files(),
    )


@pytest.fixture(autouse=True)
def all_is_put_back() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as replacing:
        replacing.setattr(urllib.request, "_opener", urllib.request.build_opener())
        before = patched()
        yield
        assert patched() == before


def test_blocks_may_be_left_in_any_order(service: MockService) -> None:
    first = intercept({"a.shop.test": service}, patch=True)
    second = intercept({"b.shop.test": service}, patch=True)
    before = patched()
    first.__enter__()
    during = patched()
    assert all(one != other for one, other in zip(before, during, strict=True))
    second.__enter__()
    assert patched() == during
    first.__exit__(None, None, None)
    assert patched() == during
    assert httpx.get("https://b.shop.test/fact").json() == FACT
    with pytest.raises(httpx.ConnectError):
        httpx.get("https://a.shop.test/fact")
    second.__exit__(None, None, None)
    assert patched() == before


def test_blocks_on_several_threads(service: MockService) -> None:
    def call(number: int) -> object:
        host = f"number-{number}.shop.test"
        with intercept({host: service}, patch=True):
            return requests.get(f"https://{host}/fact", timeout=5).json()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(call, range(8))) == [FACT] * 8
    hosts = {request.url.host for request in service.history}
    assert hosts == {f"number-{number}.shop.test" for number in range(8)}


def test_of_two_blocks_with_one_host_the_later_one_answers(service: MockService) -> None:
    with run_on_thread() as other, intercept({HOST: service}, patch=True):
        other.register("fact", RawResponse("Woof."))
        with intercept({HOST: other}, patch=True):
            assert requests.get(FACT_URL, timeout=5).text == "Woof."
        assert requests.get(FACT_URL, timeout=5).json() == FACT


def test_a_block_that_fails_puts_all_back(service: MockService) -> None:
    with pytest.raises(LookupError), intercept({HOST: service}, patch=True):
        raise LookupError


def test_the_environment_is_put_back_exactly(
    service: MockService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    before = dict(os.environ)
    with intercept({HOST: service}, patch=True):
        changed = {name for name in os.environ if os.environ[name] != before.get(name)}
        assert changed == {*VARIABLES, "NO_PROXY", "no_proxy"}
        assert len({os.environ[name] for name in VARIABLES}) == 1
    assert dict(os.environ) == before


def test_what_others_have_replaced_meanwhile_stays(service: MockService) -> None:
    original = socket.getaddrinfo
    asked = []

    def asking(host: str, *args: Any, **options: Any) -> Any:
        asked.append(host)
        return ours(host, *args, **options)

    try:
        with intercept({HOST: service}, patch=True):
            ours = socket.getaddrinfo
            socket.getaddrinfo = asking  # type: ignore[assignment]
            assert requests.get(FACT_URL, timeout=5).json() == FACT
        assert socket.getaddrinfo is asking
        assert socket.getaddrinfo("127.0.0.1", 80) == original("127.0.0.1", 80)
    finally:
        socket.getaddrinfo = original
    assert asked == [HOST, "127.0.0.1"]


CALLS: dict[str, Callable[[str], Any]] = {
    "requests": lambda url: requests.get(url, timeout=5).json(),
    "httpx": lambda url: httpx.get(url).json(),
    "urllib3": lambda url: urllib3.request("GET", url, retries=False).json(),
    "urllib": lambda url: json.load(urllib.request.urlopen(url, timeout=5)),
    "aiohttp": lambda url: asyncio.run(get_by_aiohttp(url)),
}


async def get_by_aiohttp(url: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.json()


@pytest.mark.parametrize("client", CALLS)
def test_other_hosts_are_reached_and_trusted_as_before(
    client: str, service: MockService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As with the certificates of a company, which the environment names."""
    company = trustme.CA()
    path = tmp_path / "company.pem"
    company.cert_pem.write_to_path(str(path))
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    company.issue_cert("localhost").configure_cert(context)
    with run_on_thread(ssl_context=context) as other, intercept({HOST: service}, patch=True):
        url = f"https://localhost:{other.url.port}/fact"
        assert CALLS[client](url) == FACT
        other.assert_called("fact", times=1)
    service.assert_not_called("fact")


def test_the_bundle_holds_what_is_trusted_by_default(service: MockService) -> None:
    def certificates() -> set[bytes]:
        return set(ssl.create_default_context().get_ca_certs(binary_form=True))

    before = certificates()
    with intercept({HOST: service}, patch=True):
        assert certificates() - before
        assert before <= certificates()


# --- a client that outlives a block -------------------------------------------------------


async def test_a_session_of_aiohttp_goes_through_several_blocks(service: MockService) -> None:
    """It remembers addresses for ten seconds, and each block has doors of its own."""
    async with aiohttp.ClientSession() as session:
        for _ in range(2):
            async with intercept({HOST: service}, patch=True), session.get(FACT_URL) as answer:
                assert await answer.json() == FACT
        with pytest.raises(aiohttp.ClientConnectorDNSError):
            await session.get(FACT_URL)
    service.assert_called("fact", times=2)


async def test_a_session_forgets_where_a_host_was_before_the_block(service: MockService) -> None:
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session, start_service(ROUTES) as real:
        real.register("fact", RawResponse("Woof."))
        url = f"http://localhost:{real.url.port}/fact"
        async with session.get(url) as answer:
            assert await answer.text() == "Woof."
        origin = url.removesuffix("/fact")
        async with intercept({origin: service}, patch=True), session.get(url) as answer:
            assert await answer.json() == FACT
        async with session.get(url) as answer:
            assert await answer.text() == "Woof."


async def test_many_requests_at_once_of_one_session(service: MockService) -> None:
    async with aiohttp.ClientSession() as session, intercept({HOST: service}, patch=True):

        async def call() -> int:
            async with session.get(FACT_URL) as answer:
                return answer.status

        assert await asyncio.gather(*(call() for _ in range(50))) == [200] * 50


def test_clients_that_stay_go_through_several_blocks(service: MockService) -> None:
    with requests.Session() as session, urllib3.PoolManager() as pool:
        for _ in range(2):
            with intercept({HOST: service}, patch=True):
                assert session.get(FACT_URL, timeout=5).json() == FACT
                assert pool.request("GET", FACT_URL, retries=False).json() == FACT
    service.assert_called("fact", times=4)


# --- the private names --------------------------------------------------------------------


def test_aiohttp_keeps_its_default_context_where_we_replace_it() -> None:
    """If it moves, sessions without a context of their own trust nothing of ours any more."""
    context = aiohttp.connector._SSL_CONTEXT_VERIFIED
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_urllib_keeps_its_opener_where_we_look_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "_opener", None)  # to be put back
    opener = urllib.request.build_opener()
    urllib.request.install_opener(opener)
    assert urllib.request._opener is opener  # type: ignore[attr-defined]


def test_an_opener_with_handlers_of_ones_own_stays(
    service: MockService, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.create_default_context()

    class Noting(urllib.request.BaseHandler):
        asked: ClassVar[list[str]] = []

        def https_request(self, request: urllib.request.Request) -> urllib.request.Request:
            self.asked.append(request.full_url)
            return request

    with intercept({HOST: service}, patch=True) as net:
        context.load_verify_locations(net.ca_pem)
        handlers = (Noting(), urllib.request.HTTPSHandler(context=context))
    opener = urllib.request.build_opener(*handlers)
    monkeypatch.setattr(urllib.request, "_opener", opener)
    for _ in range(2):
        with intercept({HOST: service}, patch=True):
            assert json.load(urllib.request.urlopen(FACT_URL, timeout=5)) == FACT
    assert Noting.asked == [FACT_URL] * 2
    assert urllib.request._opener is opener  # type: ignore[attr-defined]
