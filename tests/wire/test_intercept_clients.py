"""What a network gives to aiohttp, httpx, requests and urllib3: as if the real host answered."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import aiohttp
import httpx
import pytest
import requests
import urllib3
from requests.adapters import HTTPAdapter
from yarl import URL

from asyncly.srvmocker import (
    JsonResponse,
    MockRoute,
    MockService,
    RawResponse,
    Tls,
    TlsFault,
    WebSocketResponse,
    intercept,
    run_service,
    ws,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asyncly.srvmocker import MockNetwork

ROUTES = [
    MockRoute("GET", "/user", "user"),
    MockRoute("GET", "/old", "old"),
    MockRoute("GET", "/away", "away"),
    MockRoute("POST", "/orders", "create"),
    MockRoute("GET", "/feed", "feed"),
]
API, SHOP, ANY = "https://api.shop.test", "http://shop.test:8080", "https://*.wild.test:8443"
LISTED = f"listed in intercept(): {API!r}, {SHOP!r}, {ANY!r}"


@pytest.fixture(scope="module")
def running() -> Iterator[MockService]:
    with run_service(ROUTES) as service:
        yield service


@pytest.fixture
def service(running: MockService) -> MockService:
    running.reset(responses=True)
    running.register("user", JsonResponse({"login": "cat"}, headers={"Set-Cookie": "id=5"}))
    running.register("old", RawResponse(status=302, headers={"Location": f"{API}/user"}))
    running.register("away", RawResponse(status=302, headers={"Location": "https://else.test/"}))
    running.register("create", JsonResponse({"id": 1}, 201))
    return running


@pytest.fixture
def net(service: MockService) -> Iterator[MockNetwork]:
    with intercept({API: service, SHOP: service, ANY: service}) as net:
        yield net


class Answer(NamedTuple):
    status: int
    text: str
    url: str
    cookies: dict[str, str]


Call: TypeAlias = "Callable[..., list[Answer]]"


async def _aiohttp(net: MockNetwork, urls: tuple[str, ...], options: Any) -> list[Answer]:
    connector = net.aiohttp_connector(**options)
    answers = []
    async with aiohttp.ClientSession(connector=connector) as session:
        for url in urls:
            async with session.get(url) as got:
                cookies = {key: item.value for key, item in got.cookies.items()}
                answers.append(Answer(got.status, await got.text(), str(got.url), cookies))
    return answers


async def _httpx(net: MockNetwork, urls: tuple[str, ...], options: Any) -> list[Answer]:
    transport = net.httpx_transport(**options)
    async with httpx.AsyncClient(transport=transport, follow_redirects=True) as client:
        return [_of_httpx(await client.get(url)) for url in urls]


def _of_httpx(got: httpx.Response) -> Answer:
    assert got.request.url == got.url
    return Answer(got.status_code, got.text, str(got.url), dict(got.cookies))


def call_aiohttp(net: MockNetwork, *urls: str, **options: Any) -> list[Answer]:
    return asyncio.run(_aiohttp(net, urls, options))


def call_httpx_async(net: MockNetwork, *urls: str, **options: Any) -> list[Answer]:
    return asyncio.run(_httpx(net, urls, options))


def call_httpx(net: MockNetwork, *urls: str, **options: Any) -> list[Answer]:
    transport = net.httpx_sync_transport(**options)
    with httpx.Client(transport=transport, follow_redirects=True) as client:
        return [_of_httpx(client.get(url)) for url in urls]


def call_requests(net: MockNetwork, *urls: str, **options: Any) -> list[Answer]:
    answers = []
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, net.requests_adapter(**options))
        for url in urls:
            got = session.get(url, timeout=5)
            assert got.request.url == got.url
            cookies = dict(got.cookies.items())
            answers.append(Answer(got.status_code, got.text, got.url, cookies))
    return answers


def call_urllib3(net: MockNetwork, *urls: str, **options: Any) -> list[Answer]:
    answers = []
    with net.urllib3_pool(**options) as pool:
        for url in urls:
            got = pool.request("GET", url)
            name, _, value = got.headers.get("Set-Cookie", "").partition("=")
            cookies = {name: value} if name else {}
            final = str(URL(url).join(URL(got.geturl() or url)))
            answers.append(Answer(got.status, got.data.decode(), final, cookies))
    return answers


CLIENTS = [call_aiohttp, call_httpx_async, call_httpx, call_requests, call_urllib3]
each_client = pytest.mark.parametrize(
    "call", CLIENTS, ids=[call.__name__.removeprefix("call_") for call in CLIENTS]
)


@each_client
@pytest.mark.parametrize(
    "url",
    [
        f"{API}/user",
        f"{API}/user?page=2",
        f"{SHOP}/user",
        "https://a.wild.test:8443/user",
        "https://b.a.wild.test:8443/user?q=%C3%BC",
    ],
)
def test_the_client_and_the_service_see_the_real_url(
    call: Call, url: str, net: MockNetwork, service: MockService
) -> None:
    (got,) = call(net, url)
    assert (got.status, got.text, got.cookies) == (200, '{"login": "cat"}', {"id": "5"})
    assert URL(got.url) == URL(url)
    recorded = service.last_call("user")
    assert recorded.url == URL(url)
    assert recorded.headers.getall("Host") == [URL(url).authority.removesuffix(":443")]


@each_client
def test_a_redirect_to_another_listed_host_is_followed(
    call: Call, net: MockNetwork, service: MockService
) -> None:
    (got,) = call(net, f"{SHOP}/old")
    assert (got.status, got.url) == (200, f"{API}/user")
    assert [str(request.url) for request in service.history] == [f"{SHOP}/old", f"{API}/user"]


REFUSED = {
    "aiohttp": aiohttp.ClientConnectorError,
    "httpx_async": httpx.ConnectError,
    "httpx": httpx.ConnectError,
    "requests": requests.exceptions.ConnectionError,
    "urllib3": urllib3.exceptions.MaxRetryError,
}


REFUSING = (
    aiohttp.ClientConnectorCertificateError,
    httpx.ConnectError,
    requests.exceptions.SSLError,
    urllib3.exceptions.MaxRetryError,
)


def refusal(call: Call, net: MockNetwork, url: str) -> str:
    """Call a host that is not listed. Return the text of the refusal itself."""
    with pytest.raises(REFUSED[call.__name__.removeprefix("call_")]) as caught:
        call(net, url)
    error: Any = caught.value
    if isinstance(error, aiohttp.ClientConnectorError):
        assert error.os_error.errno == errno.ECONNREFUSED
        assert str(error).endswith(f"[{error.os_error.strerror}]")
        return str(error.os_error.strerror)
    if isinstance(error, urllib3.exceptions.MaxRetryError):
        assert isinstance(error.reason, urllib3.exceptions.NewConnectionError)
        return str(error.reason).partition(": ")[2]
    assert str(error.request.url).startswith(url)
    return str(error)


@each_client
@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://else.test/user", "else.test:443"),
        ("http://else.test/user", "else.test:80"),
        ("http://api.shop.test/user", "api.shop.test:80"),
        ("https://api.shop.test:8443/user", "api.shop.test:8443"),
        ("https://wild.test:8443/user", "wild.test:8443"),
        ("http://127.0.0.1:9/user", "127.0.0.1:9"),
        ("http://[::1]:9/user", "[::1]:9"),
        ("https://10.0.0.1/user", "10.0.0.1:443"),
        ("http://localhost/user", "localhost:80"),
    ],
)
def test_a_host_that_is_not_listed_is_refused_by_name(
    call: Call, url: str, asked: str, net: MockNetwork, service: MockService
) -> None:
    assert refusal(call, net, url) == f"{asked} is not intercepted; {LISTED}"
    assert service.history == ()


@each_client
def test_so_is_a_redirect_to_one(call: Call, net: MockNetwork) -> None:
    with pytest.raises(REFUSED[call.__name__.removeprefix("call_")]) as caught:
        call(net, f"{API}/away")
    assert f"else.test:443 is not intercepted; {LISTED}" in str(caught.value)


@each_client
def test_hosts_of_one_pattern_share_no_connection(
    call: Call, net: MockNetwork, service: MockService
) -> None:
    """The certificate that was checked for one of them says nothing of the other."""
    hosts = ("https://a.wild.test:8443/user", "https://b.wild.test:8443/user")
    call(net, *hosts, *hosts)
    numbers = [request.connection for request in service.history]
    assert numbers[:2] == numbers[2:]
    assert numbers[0] != numbers[1]


@each_client
def test_the_certificate_is_checked_for_the_real_name(call: Call) -> None:
    with run_service(ROUTES, tls=Tls(fault=TlsFault.wrong_host)) as service:
        service.register("user", JsonResponse({"login": "cat"}))
        with intercept({API: service}) as net, pytest.raises(REFUSING) as caught:
            call(net, f"{API}/user")
        assert "certificate is not valid for 'api.shop.test'" in str(caught.value)
        assert service.history == ()


@each_client
def test_proxies_of_the_environment_are_passed_by(
    call: Call, net: MockNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:9")
    assert [got.status for got in call(net, f"{API}/user", f"{SHOP}/user")] == [200, 200]


@each_client
def test_an_option_that_there_is_not_is_refused_at_once(call: Call, net: MockNetwork) -> None:
    with pytest.raises(TypeError, match="no_such_option"):
        call(net, f"{API}/user", no_such_option=1)


@pytest.mark.parametrize(
    ("call", "options"),
    [
        (call_aiohttp, {"limit": 1, "force_close": True}),
        (call_httpx_async, {"limits": httpx.Limits(max_keepalive_connections=0)}),
        (call_httpx, {"limits": httpx.Limits(max_keepalive_connections=0)}),
    ],
)
def test_options_of_the_client_pass_on(
    call: Call, options: dict[str, Any], net: MockNetwork, service: MockService
) -> None:
    # Plain HTTP: aiohttp does not wait for the end of TLS when it closes a single connection.
    call(net, f"{SHOP}/user", f"{SHOP}/user", **options)
    first, second = service.history
    assert first.connection != second.connection


# --- aiohttp ------------------------------------------------------------------------------


async def test_a_websocket_to_the_real_name(net: MockNetwork, service: MockService) -> None:
    service.register("feed", WebSocketResponse([ws.Expect("hello"), ws.Send({"price": 9.5})]))
    async with (
        aiohttp.ClientSession(connector=net.aiohttp_connector()) as session,
        session.ws_connect("wss://api.shop.test/feed") as feed,
    ):
        await feed.send_str("hello")
        assert await feed.receive_json() == {"price": 9.5}
        socket = feed.get_extra_info("socket")
    while socket.fileno() >= 0:  # aiohttp does not wait for the end of TLS
        await asyncio.sleep(0)
    assert service.errors == ()
    assert str(service.last_call("feed").url) == f"{API}/feed"


async def test_a_context_of_its_own_decides_whom_aiohttp_trusts(net: MockNetwork) -> None:
    connector = net.aiohttp_connector(ssl=True)  # aiohttp's default
    async with aiohttp.ClientSession(connector=connector) as session:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(f"{API}/user")


@pytest.mark.parametrize("name", ["resolver", "socket_factory"])
async def test_what_the_connector_is_made_of_cannot_be_given(net: MockNetwork, name: str) -> None:
    with pytest.raises(TypeError) as caught:
        net.aiohttp_connector(**{name: None})
    assert str(caught.value) == (
        f"net.aiohttp_connector() brings its own {name}: leave {name}= out, or make an "
        "aiohttp.TCPConnector of your own and use intercept(..., patch=True)"
    )


# --- httpx --------------------------------------------------------------------------------


def test_a_body_that_is_streamed_comes_whole(net: MockNetwork, service: MockService) -> None:
    with httpx.Client(transport=net.httpx_sync_transport()) as client:
        client.post(f"{API}/orders", content=iter([b'{"qty":', b" 3}"]))
    service.assert_called("create", json={"qty": 3})


def test_a_client_of_httpx_with_a_base_url_and_cookies(
    net: MockNetwork, service: MockService
) -> None:
    with httpx.Client(transport=net.httpx_sync_transport(), base_url=API) as client:
        client.get("/user")
        client.get("/user")
    service.assert_called("user", times=1, cookies={"id": "5"})


# --- requests -----------------------------------------------------------------------------


def test_requests_verifies_whatever_it_is_told(net: MockNetwork, service: MockService) -> None:
    with net.mount(requests.Session()) as session:
        session.verify = False
        assert session.get(f"{API}/user", timeout=5).ok  # urllib3 would warn, and warnings fail
        assert session.get(f"{API}/user", timeout=5, verify="/no/such/file").ok
        assert session.get(f"{API}/user", timeout=5, proxies={"https": "http://127.0.0.1:9"}).ok
    service.assert_called("user", times=3)


def test_a_mounted_session_tries_again_as_before(net: MockNetwork) -> None:
    session = requests.Session()
    session.mount("https://", HTTPAdapter(max_retries=3))
    session.mount(f"{API}/v2", HTTPAdapter(max_retries=5))
    session.mount("file://", files := HTTPAdapter())
    assert net.mount(session) is session
    retries = {
        prefix: adapter.max_retries.total
        for prefix, adapter in session.adapters.items()
        if isinstance(adapter, HTTPAdapter)
    }
    assert retries == {f"{API}/v2": 5, "https://": 3, "http://": 0, "file://": 0}
    assert session.adapters["file://"] is files


def test_an_adapter_takes_its_own_options(net: MockNetwork) -> None:
    assert net.requests_adapter(max_retries=2).max_retries.total == 2


@pytest.mark.parametrize("wrong", [None, "session", requests.Session])
def test_what_is_no_session_is_not_mounted(net: MockNetwork, wrong: Any) -> None:
    with pytest.raises(TypeError) as caught:
        net.mount(wrong)
    assert str(caught.value).startswith("net.mount() takes a requests.Session, got ")


# --- urllib3 ------------------------------------------------------------------------------


def test_urllib3_without_retries_raises_the_refusal_itself(net: MockNetwork) -> None:
    with net.urllib3_pool() as pool, pytest.raises(urllib3.exceptions.NewConnectionError) as caught:
        pool.request("GET", "https://else.test/", retries=False)
    assert str(caught.value) == (
        f"HTTPSConnection(host='else.test', port=443): else.test:443 is not intercepted; {LISTED}"
    )


def test_headers_and_retries_of_a_pool(net: MockNetwork, service: MockService) -> None:
    with net.urllib3_pool(headers={"X-Tenant": "acme"}, retries=False) as pool:
        assert pool.request("POST", f"{API}/orders", json={"qty": 3}).status == 201
    service.assert_called("create", headers={"X-Tenant": "acme"}, json={"qty": 3})
