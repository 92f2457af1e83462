"""What a target gets of a request and a client of an answer, byte by byte, where they are odd."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import aiohttp
import pytest

from asyncly.srvmocker import (
    DisconnectResponse,
    MockProxyService,
    MockRoute,
    ResetResponse,
    start_proxy,
    start_service,
)

from .conftest import Raw, connect
from .test_leaving import nothing_is_left
from .test_tunnel import Target, listen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asyncly.srvmocker import BaseMockResponse

__all__ = ["nothing_is_left"]  # a fixture: no test here leaves a socket behind

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@asynccontextmanager
async def through() -> AsyncIterator[tuple[MockProxyService, Target, Raw]]:
    """Yield a proxy, a target, and a client of the proxy."""
    async with listen() as target, start_proxy() as proxy, connect(proxy.url) as client:
        yield proxy, target, client


async def pass_on(
    client: Raw, target: Target, request: bytes, answer: bytes = ANSWER
) -> tuple[bytes, bytes]:
    """Send a request to the proxy; return what the target got, and the head of the answer."""
    where = f"{target.url.host}:{target.url.port}".encode()
    await client.send(request.replace(b"@TARGET", where))
    far = await target.accept()
    async with asyncio.timeout(5):
        got = await far.reader.readuntil(b"\r\n\r\n")
        await far.send(answer)
        far.writer.close()
        return got, await client.reader.readuntil(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (b"/fact?", b"/fact?"),
        (b"/fact??", b"/fact??"),
        (b"/a/../b/./c//d", b"/a/../b/./c//d"),
        (b"//a", b"//a"),
        (b'/a%2fb%7E?x=%20y+z&&a;b=|"<>{}^`', b'/a%2fb%7E?x=%20y+z&&a;b=|"<>{}^`'),
        (b"/a:b@c", b"/a:b@c"),
        (b"/a?b#c", b"/a?b"),  # a fragment is the client's own (RFC 9110 §4.2.5)
        (b"", b"/"),
        (b"?b", b"/?b"),
    ],
)
async def test_path_and_query_are_those_that_the_client_wrote(asked: bytes, sent: bytes) -> None:
    async with through() as (_, target, client):
        request = b"GET http://@TARGET" + asked + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        got, _ = await pass_on(client, target, request)
        assert got.split(b" ")[1] == sent


@pytest.mark.parametrize("own", [b"", b"Authorization: Bearer x\r\n"])
async def test_credentials_in_the_url_become_no_header(own: bytes) -> None:
    async with through() as (proxy, target, client):
        request = b"GET http://cat:s3cret@@TARGET/ HTTP/1.1\r\nHost: x\r\n" + own + b"\r\n"
        got, head = await pass_on(client, target, request)
        assert got == b"GET / HTTP/1.1\r\nHost: x\r\n" + own + b"Connection: close\r\n\r\n"
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert proxy.last_call().url.password == "s3cret"


@pytest.mark.parametrize("response", [DisconnectResponse(), ResetResponse()], ids=str)
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_request_is_sent_once_also_if_the_target_breaks_off(
    response: BaseMockResponse, method: str
) -> None:
    async with start_service([MockRoute("*", "/fact", "fact")]) as service, start_proxy() as proxy:
        service.register("fact", response)
        async with aiohttp.ClientSession() as session:
            url = service.url / "fact"
            async with session.request(method, url, proxy=proxy.url) as answer:
                assert answer.status == 502
                text = f"502: {service.url}/fact broke off before it answered: "
                assert (await answer.text()).startswith(text)
        service.assert_called("fact", times=1)
        proxy.assert_called(times=1)
        (error,) = proxy.errors
        assert isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
        assert proxy.exchanges[0].error is error


async def test_headers_of_an_answer_come_as_they_were_written() -> None:
    answer = (
        b"HTTP/1.1 200 caf\xe9\r\nETag: x\r\nX-Name: caf\xe9\r\nx-utf: \xc3\xa9\r\n"
        b"Www-authenticate: Basic\r\nCONTENT-LENGTH: 2\r\n\r\nhi"
    )
    async with through() as (proxy, target, client):
        _, head = await pass_on(
            client, target, b"GET http://@TARGET/ HTTP/1.1\r\nHost: x\r\n\r\n", answer
        )
        assert head + await client.reader.readexactly(2) == answer
        assert proxy.exchanges[0].outcome == "200"


async def test_headers_of_a_request_arrive_as_they_were_written() -> None:
    request = "GET {} HTTP/1.1\r\nHost: x\r\ndnt: 1\r\naccept: é\r\nX-Two: 1\r\nX-Two: 2\r\n{}\r\n"
    async with through() as (_, target, client):
        asked = request.format("http://@TARGET/", "").encode()
        got, _ = await pass_on(client, target, asked)
        assert got == request.format("/", "Connection: close\r\n").encode()


async def test_a_header_that_comes_in_two_spellings_arrives_twice() -> None:
    async with through() as (_, target, client):
        request = b"GET http://@TARGET/ HTTP/1.1\r\nHost: x\r\nX-Two: 1\r\nx-two: 2\r\n\r\n"
        got, _ = await pass_on(client, target, request)
        assert b"X-Two: 1\r\nX-Two: 2\r\n" in got


async def test_a_header_that_is_no_utf_8_is_refused_rather_than_changed() -> None:
    async with through() as (proxy, target, client):
        request = f"GET {target.url}/ HTTP/1.1\r\nHost: x\r\nX-Name: caf".encode() + b"\xe9\r\n\r\n"
        await client.send(request)
        head, body = await client.answer()
        assert head.startswith(b"HTTP/1.1 400 ")
        assert body.decode() == (
            "400: the header X-Name is no UTF-8, which is all that this proxy can send on\n"
        )
        assert proxy.unmatched == proxy.exchanges


async def test_an_answer_may_have_many_headers() -> None:
    lines = b"".join(b"X-%d: 1\r\n" % number for number in range(1000))
    answer = b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 2\r\n\r\nhi"
    async with through() as (_, target, client):
        _, head = await pass_on(
            client, target, b"GET http://@TARGET/ HTTP/1.1\r\nHost: x\r\n\r\n", answer
        )
        assert head.startswith(b"HTTP/1.1 200 OK\r\n" + lines)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "http://TARGET/ answered what is no HTTP: "),
        (b"", "http://TARGET/ broke off before it answered: ServerDisconnectedError"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
            "http://TARGET/ answered 101, and nobody has asked it to change the protocol",
        ),
    ],
)
async def test_what_a_target_says_that_no_client_could_use_is_502(
    answer: bytes, reason: str
) -> None:
    async with through() as (proxy, target, client):
        where = f"{target.url.host}:{target.url.port}"
        await client.send(f"GET http://{where}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        far = await target.accept()
        await far.reader.readuntil(b"\r\n\r\n")
        await far.send(answer)
        far.writer.close()
        head, body = await client.answer()
        assert head.startswith(b"HTTP/1.1 502 ")
        assert body.decode().startswith("502: " + reason.replace("TARGET", where))
        assert body.count(b"\n") == 1
        assert proxy.errors == (proxy.exchanges[0].error,)


@pytest.mark.parametrize("target", ["ftp://x/", "mailto://x"])
async def test_another_scheme_is_told_so(target: str) -> None:
    async with start_proxy() as proxy, connect(proxy.url) as client:
        await client.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        _, body = await client.answer()
        assert (
            body.decode() == f"400: {target} is no http:// URL; this proxy sends on nothing else\n"
        )


@pytest.mark.parametrize("scheme", ["basic", "BASIC", "Basic "])
async def test_the_scheme_of_credentials_is_known_in_any_case(scheme: str) -> None:
    async with start_proxy(auth=("cat", "s3cret")) as proxy, connect(proxy.url) as client:
        await client.send(
            f"GET {proxy.url}/ HTTP/1.1\r\nHost: x\r\n"
            f"Proxy-Authorization: {scheme} Y2F0OnMzY3JldA==\r\n\r\n".encode()
        )
        head, _ = await client.answer()
        assert head.startswith(b"HTTP/1.1 421 ")  # it got past the 407


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.0.0.1", "0", "0177.1"])
async def test_a_tunnel_to_the_proxy_itself_is_refused_however_its_address_is_written(
    host: str,
) -> None:
    async with start_proxy() as proxy, connect(proxy.url) as client:
        await client.send(f"CONNECT {host}:{proxy.url.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head, _ = await client.answer()
        assert head.startswith(b"HTTP/1.1 421 ")


@pytest.mark.parametrize("expects", [b"", b"Expect: 100-continue\r\n"])
async def test_an_answer_that_comes_before_the_body_is_the_last_of_its_connection(
    expects: bytes,
) -> None:
    """The head is sent on by itself, and a next request would be the rest of a body."""
    async with through() as (proxy, target, client):
        request = (
            b"POST http://@TARGET/ HTTP/1.1\r\nHost: x\r\n" + expects + b"Content-Length: 9\r\n\r\n"
        )
        answer = b"HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno"
        _, head = await pass_on(client, target, request, answer)
        assert head == b"HTTP/1.1 417 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
        assert proxy.last_call().body == b""


async def test_a_target_that_never_says_continue_is_504() -> None:
    async with listen() as target, start_proxy(timeout=0.1) as proxy, connect(proxy.url) as client:
        await client.send(
            f"POST {target.url}/ HTTP/1.1\r\nHost: x\r\n"
            "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nab".encode()
        )
        far = await target.accept()
        await far.reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(5):
            head, body = await client.answer()
        assert head.startswith(b"HTTP/1.1 504 ")
        assert body.decode() == f"504: {target.url}/ did not answer within 0.1 s\n"
        assert proxy.last_call().body == b"ab"


async def test_a_body_that_takes_longer_than_the_timeout_is_waited_for() -> None:
    async with listen() as target, start_proxy(timeout=0.1) as proxy, connect(proxy.url) as client:
        await client.send(
            f"POST {target.url}/ HTTP/1.1\r\nHost: x\r\n"
            "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n".encode()
        )
        far = await target.accept()
        await far.reader.readuntil(b"\r\n\r\n")
        await far.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await asyncio.sleep(0.2)  # longer than the proxy waits for an answer
        await client.send(b"ab")
        assert await far.reader.readexactly(2) == b"ab"
        await far.send(ANSWER)
        assert (await client.answer())[1] == b"hi"


def own_address() -> str:
    """Return an address of this machine that is none of its loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked, suppress(OSError):
        asked.connect(("192.0.2.254", 9))  # nothing is sent: it is a datagram's socket
        if not (address := asked.getsockname()[0]).startswith("127."):
            return str(address)
    pytest.skip("this machine has no other address")


@pytest.mark.parametrize("method", ["CONNECT", "GET"])
async def test_a_proxy_for_everyone_knows_itself_by_every_address(method: str) -> None:
    async with start_proxy(host="0.0.0.0") as proxy, connect(proxy.url) as client:
        place = f"{own_address()}:{proxy.url.port}"
        target = place if method == "CONNECT" else f"http://{place}/"
        await client.send(f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head, _ = await client.answer()
        assert head.startswith(b"HTTP/1.1 421 ")
