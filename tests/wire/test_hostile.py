"""What a mock server of tests meets: clients and responses that do everything wrong."""

from __future__ import annotations

import asyncio
import logging
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from asyncly.srvmocker import (
    BaseMockResponse,
    CallbackResponse,
    JsonResponse,
    Match,
    MockRoute,
    MockService,
    start_proxy,
    start_service,
)
from asyncly.srvmocker.report import render_trouble

from ..versions import AIOHTTP
from .conftest import connect

if TYPE_CHECKING:
    from aiohttp import web

    from asyncly.srvmocker.server.host import Host

GET = b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class SilentError(Exception):
    """Cannot even say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Deaf(BaseException):
    """Is no Exception."""


def raising(error: BaseException) -> CallbackResponse:
    def callback(request: web.Request) -> None:
        raise error

    return CallbackResponse(callback)


class Cancelled(BaseMockResponse):
    """Waits for something that somebody else cancels."""

    async def response(self, request: web.Request) -> web.StreamResponse:
        other = asyncio.create_task(asyncio.sleep(3600))
        other.cancel()
        await other
        raise AssertionError


class Plain(BaseMockResponse):
    """Forgot the async."""

    def response(self, request: web.Request) -> Any:
        return JsonResponse({})


def _itself() -> CallbackResponse:
    found: list[CallbackResponse] = []
    found.append(CallbackResponse(lambda request: found[0]))
    return found[0]


@pytest.mark.parametrize(
    ("response", "line"),
    [
        (raising(SilentError()), "SilentError: (its __str__ raised RuntimeError)"),
        (raising(Deaf("no Exception")), "Deaf: no Exception"),
        (raising(SystemExit(3)), "SystemExit: 3"),
        (raising(asyncio.CancelledError()), "CancelledError"),
        (raising(TimeoutError()), "TimeoutError"),
        (raising(ValueError("x" * 1_000_000)), "ValueError: " + "x" * 999 + "…"),
        (raising(pytest.fail.Exception("as a test fails")), "Failed: as a test fails"),
        (Cancelled(), "CancelledError"),
        (
            Plain(),
            "TypeError: Plain.response() is a plain function: write `async def response`",
        ),
        (_itself(), "RecursionError: maximum recursion depth exceeded"),
        (
            CallbackResponse(lambda request: JsonResponse({}, headers={"X": "\udc80"})),
            "ValueError: the header 'X' is no text in UTF-8: '\\udc80'",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
async def test_whatever_a_response_raises_is_told_and_kept(
    service: MockService, response: BaseMockResponse, line: str
) -> None:
    service.register("fact", response)
    async with connect(service.url) as raw:
        await raw.send(GET % b"/fact")
        answer = (await raw.rest()).decode()

    assert answer.startswith("HTTP/1.1 500")
    assert f"\r\n500: the response registered for 'fact' raised {line}" in answer
    assert len(answer) < 3000
    (exchange,) = service.exchanges
    assert service.errors == (exchange.error,)
    assert exchange.outcome == "500"
    assert len(render_trouble(service)) < 1000


async def test_a_failure_of_pytest_in_a_predicate_is_a_difference() -> None:
    def refuse(request: object) -> None:
        pytest.fail("in the predicate")

    routes = [MockRoute("GET", "/fact", "fact", Match(predicate=refuse))]
    async with start_service(routes) as service, connect(service.url) as raw:
        await raw.send(GET % b"/fact")
        answer = (await raw.rest()).decode()

        assert answer.startswith("HTTP/1.1 404")
        assert "raised Failed('in the predicate') for GET /fact" in answer
        assert len(service.unmatched) == 1


async def test_an_async_predicate_never_passes() -> None:
    async def accept(request: object) -> bool:
        raise AssertionError

    routes = [
        MockRoute("GET", "/fact", "fact", Match(predicate=accept)),
        MockRoute("GET", "/fact", "tenant", Match(headers={"Host": accept})),
    ]
    async with start_service(routes) as service, connect(service.url) as raw:
        await raw.send(GET % b"/fact")
        answer = (await raw.rest()).decode()

    assert answer.startswith("HTTP/1.1 404")
    assert answer.count("is async: it is not awaited, so write a plain function") == 2


@pytest.mark.parametrize(
    "target", [b"/" + b"a" * 200_000, b"/fact?" + b"a=1&" * 50_000, b"/b%0Ac%00%1b[31m"]
)
@pytest.mark.parametrize("method", [b"GET", b"PUT"])
async def test_messages_about_a_huge_target_stay_short(
    service: MockService, caplog: pytest.LogCaptureFixture, target: bytes, method: bytes
) -> None:
    caplog.set_level(logging.WARNING)
    service.register("fact", raising(ValueError("wrong")))
    async with connect(service.url) as raw:
        await raw.send((GET % target).replace(b"GET", method, 1))
        answer = (await raw.rest()).decode()

    (exchange,) = service.exchanges
    assert exchange.request.target == target.decode()
    notes = getattr(exchange.error, "__notes__", [])
    said = [answer, repr(exchange), repr(exchange.request), render_trouble(service), *notes]
    said += [record.getMessage() for record in caplog.records]
    for text in said:
        assert len(text) < 1200
        assert "\x1b" not in text


async def test_a_path_with_one_handler_on_many_routes_is_named_in_short() -> None:
    routes = [MockRoute("GET", f"/{number}", "all") for number in range(1000)]
    async with start_service(routes) as service:
        with pytest.raises(AssertionError) as caught:
            service.assert_called("all")
    assert str(caught.value) == (
        "'all' (GET /0 | GET /1 | GET /2 | GET /3 | GET /4 | … 995 more): "
        "expected a call, got none: it was never called"
    )


async def _answer_to(service: Host, data: bytes) -> tuple[bytes, bytes]:
    async with asyncio.timeout(5), connect(service.url) as raw:
        await raw.send(data)
        head, _, body = (await raw.rest()).partition(b"\r\n\r\n")
        return head, body


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_request_without_any_header_needs_none_in_http_1_0(
    service: MockService, version: bytes
) -> None:
    refused = version == b"1.1" and AIOHTTP >= (3, 14)  # RFC 9112 §3.2
    async with asyncio.timeout(5), connect(service.url) as raw:
        await raw.send(b"GET /fact HTTP/%b\r\n\r\n" % version)
        head, _ = await raw.answer()
    assert head.split()[1] == (b"400" if refused else b"200")
    (exchange,) = service.exchanges
    assert exchange.request.path == "/fact"
    assert len(exchange.request.headers) == 0
    if refused:
        assert exchange.outcome == "400, malformed: Missing 'Host' header in request."


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://elsewhere/fact", 200),  # RFC 9112 §3.2.2
        (b"/fact?", 200),
        (b"/%66act", 200),
        (b"/fact/", 404),
        (b"//fact", 404),
        (b"/x/../fact", 404),
        (b"/FACT", 404),
    ],
)
async def test_a_target_is_taken_as_it_is(service: MockService, target: bytes, status: int) -> None:
    head, body = await _answer_to(service, GET % target)
    assert head.startswith(b"HTTP/1.1 %d" % status), body
    assert service.history[0].target == target.decode()


@pytest.mark.parametrize("method", [b"HEAD", b"OPTIONS", b"TRACE", b"PATCH"])
async def test_every_other_method_is_told_the_right_one(
    service: MockService, method: bytes
) -> None:
    head, body = await _answer_to(service, (GET % b"/fact").replace(b"GET", method))
    assert head.startswith(b"HTTP/1.1 405")
    assert b"\r\nAllow: GET\r\n" in head
    assert (body == b"") == (method == b"HEAD")
    assert service.unmatched[0].request.method == method.decode()


async def test_trailers_end_a_chunked_body(service: MockService) -> None:
    chunked = (
        b"POST /orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        b'8;ext=1\r\n{"a": 1}\r\n0\r\nX-Sum: 1\r\n\r\n'
    )
    async with connect(service.url) as raw:
        await raw.send(chunked + GET % b"/fact")
        assert (await raw.answer())[0].startswith(b"HTTP/1.1 201")
        assert (await raw.rest()).startswith(b"HTTP/1.1 200")
    service.assert_called("create", json={"a": 1}, times=1)


async def test_many_and_huge_headers_are_recorded(service: MockService) -> None:
    head = b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(5000)) + b"Big: " + b"b" * 200_000
    async with connect(service.url) as raw:
        await raw.send(b"GET /fact HTTP/1.1\r\nHost: x\r\nX-1: again\r\n" + head + b"\r\n\r\n")
        assert (await raw.answer())[0].startswith(b"HTTP/1.1 200")
    headers = service.last_call("fact").headers
    assert len(headers) == 5003
    assert headers.getall("x-1") == ["again", "1"]
    assert len(headers["big"]) == 200_000


async def test_a_head_that_is_too_large_is_recorded_from_its_beginning(
    service: MockService,
) -> None:
    async with connect(service.url) as raw:
        await raw.send(b"GET /fact HTTP/1.1\r\nHost: x\r\nBig: " + b"b" * 1_000_000)
        with suppress(ConnectionError):  # bytes that nobody read may cost the client its answer
            await raw.rest()
    request = service.unmatched[0].request
    assert (request.method, request.path) == ("GET", "/fact")
    assert request.body.startswith(b"GET /fact HTTP/1.1\r\nHost: x\r\nBig: bbb")
    assert len(render_trouble(service)) < 700


async def test_curl_waits_for_100_continue(service: MockService) -> None:
    process = await asyncio.create_subprocess_exec(
        *("curl", "-sS", "--verbose", "--expect100-timeout", "60", "-H", "Expect: 100-continue"),
        *("--data-binary", "@-", str(service.url / "orders")),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    said, told = await process.communicate(b"x" * 100_000)
    assert (process.returncode, said) == (0, b'{"id": 1}')
    assert b"< HTTP/1.1 100 Continue" in told
    assert len(service.last_call("create").body) == 100_000


async def test_a_response_may_be_swapped_while_a_request_is_under_way() -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> dict[str, int]:
        arrived.set()
        await go.wait()
        return {"n": 1}

    async with (
        start_service([MockRoute("GET", "/fact", "fact")]) as service,
        aiohttp.ClientSession(service.url) as session,
    ):
        service.register("fact", CallbackResponse(slow))

        async def fetch() -> Any:
            async with session.get("/fact") as answer:
                return await answer.json()

        first = asyncio.create_task(fetch())
        await arrived.wait()
        service.register("fact", JsonResponse({"n": 2}))
        assert await fetch() == {"n": 2}
        service.reset(responses=True)
        go.set()
        assert await first == {"n": 1}
        assert service.exchanges == ()


async def test_a_service_that_is_entered_twice_goes_on(service: MockService) -> None:
    with pytest.raises(RuntimeError, match="is already started"):
        async with service:
            raise AssertionError
    head, _ = await _answer_to(service, GET % b"/fact")
    assert head.startswith(b"HTTP/1.1 200")


async def test_a_service_that_is_started_twice_at_once_serves_once() -> None:
    service = MockService([MockRoute("GET", "/fact", "fact")])
    both = await asyncio.gather(service.start(), service.start(), return_exceptions=True)
    assert [type(item) for item in both] == [type(None), RuntimeError]
    await asyncio.gather(service.stop(), service.stop())
    await service.start()
    await service.stop()


async def test_two_services_do_not_share_a_port(service: MockService) -> None:
    with pytest.raises(OSError, match="use port=0 for a free one"):
        async with start_service([], port=service.url.port or 0):
            raise AssertionError


async def test_messages_of_the_proxy_about_a_huge_target_stay_short() -> None:
    async with start_proxy() as proxy:
        for target in (b"/", b"http://127.0.0.1:1/", b"http://%b/" % proxy.url.authority.encode()):
            async with connect(proxy.url) as raw:
                await raw.send(GET % (target + b"a" * 200_000))
                answer = await raw.rest()
            assert b"aaa\xe2\x80\xa6" in answer
            assert len(answer) < 700
        for text in (render_trouble(proxy), *map(repr, proxy.exchanges)):
            assert len(text) < 1200


@pytest.mark.parametrize("target", [b"http://xn--a/fact", b"http://xn--a:80/fact?x=1"])
async def test_a_host_that_can_be_decoded_by_nobody(service: MockService, target: bytes) -> None:
    head, _ = await _answer_to(service, GET % target)
    assert head.startswith(b"HTTP/1.1 200")
    assert service.last_call("fact").target == target.decode()
    async with start_proxy() as proxy:
        for line in (
            GET % target,
            b"CONNECT xn--a:80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        ):
            head, _ = await _answer_to(proxy, line)
            assert head.startswith(b"HTTP/1.1 502 ")
        proxy.assert_called(target="xn--a", times=2)
        with pytest.raises(AssertionError, match="target host: expected 'x', got 'xn--a"):
            proxy.assert_called(target="x")


async def test_a_target_that_cannot_be_one_is_named(service: MockService) -> None:
    head, body = await _answer_to(service, GET % b"*")
    if AIOHTTP < (3, 14, 4):  # it takes it for a path, which no route has
        assert head.startswith(b"HTTP/1.1 404")
        return
    assert head.startswith(b"HTTP/1.0 400")
    assert body.startswith(
        b"400: this is no HTTP/1.1 request: '*' cannot be the target of this method\n"
    )


async def test_an_upgrade_that_nobody_offers_is_ignored(service: MockService) -> None:
    async with connect(service.url) as raw:
        await raw.send(
            b"GET /fact HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"
        )
        assert (await raw.answer())[0].startswith(b"HTTP/1.1 200")  # RFC 9110 §7.8
        await raw.send(GET % b"/fact")
        assert (await raw.rest()).startswith(b"HTTP/1.1 200")
    service.assert_called("fact", times=2)
