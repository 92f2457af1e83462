"""What a server says before its answer: early hints, and no to a body that waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from bench.faults.clients import outcomes

from asyncly.srvmocker import (
    CallbackResponse,
    DripResponse,
    EarlyHints,
    ExpectationFailed,
    JsonResponse,
    LatencyResponse,
    Match,
    MockRoute,
    MockService,
    RawResponse,
    SequenceResponse,
    StaleConnection,
    start_service,
)

from .conftest import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import aiohttp

    from asyncly.srvmocker import BaseMockResponse

WAITING = b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def test_what_clients_make_of_early_hints(service: MockService) -> None:
    service.register("fact", EarlyHints(["</a.css>; rel=preload"], RawResponse("page")))
    assert await outcomes(service.url / "fact") == (
        "200 page",
        "200 page",
        "103",
        "103",
        "200 page",
    )
    assert {exchange.outcome for exchange in service.exchanges} == {"200"}


async def test_early_hints_come_before_the_answer_is_made(service: MockService) -> None:
    made = asyncio.Event()

    async def answer(request: object) -> object:
        await made.wait()
        return {}

    service.register("fact", EarlyHints(["</a>; rel=preload", "</b>"], CallbackResponse(answer)))
    async with connect(service.url) as raw:
        await raw.send(b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await raw.reader.readuntil(b"\r\n\r\n") == (
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nLink: </b>\r\n\r\n"
        )
        made.set()
        head, body = await raw.answer()
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert body == b"{}"


async def test_an_old_client_gets_no_hints(service: MockService) -> None:
    service.register("fact", EarlyHints("</a>", RawResponse("page")))
    async with connect(service.url) as raw:
        await raw.send(b"GET /fact HTTP/1.0\r\n\r\n")
        assert (await raw.rest()).startswith(b"HTTP/1.0 200 OK\r\n")


async def test_an_error_behind_early_hints_is_answered(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    service.register("fact", EarlyHints("</a>", CallbackResponse(lambda request: None)))
    async with session.get("/fact") as answer:
        assert answer.status == 500


@pytest.mark.parametrize(
    "response",
    [
        ExpectationFailed("too large"),
        LatencyResponse(ExpectationFailed("too large"), 0.001),
        SequenceResponse([ExpectationFailed("too large"), JsonResponse({})]),
        SequenceResponse([ExpectationFailed("too large")], on_exhausted="last"),
        DripResponse(ExpectationFailed("too large"), bytes_per_second=5000),
        StaleConnection(ExpectationFailed("too large")),
    ],
    ids=lambda item: type(item).__name__,
)
async def test_a_body_that_waits_is_refused(
    service: MockService, response: BaseMockResponse
) -> None:
    service.register("create", response)
    async with connect(service.url) as raw:
        await raw.send(WAITING)
        head, body = await raw.answer()
    assert head.startswith(b"HTTP/1.1 417 Expectation Failed\r\n")
    assert b"\r\nConnection: close\r\n" in head
    assert body == b"too large"
    service.assert_called("create", times=1, body=b"", headers={"Expect": "100-continue"})
    assert service.exchanges[0].outcome == "417"


async def test_the_next_in_a_sequence_takes_the_body(service: MockService) -> None:
    service.register("create", SequenceResponse([ExpectationFailed(), JsonResponse({"id": 1})]))
    for number in range(4):
        async with connect(service.url) as raw:
            await raw.send(WAITING)
            if number == 0:
                assert (await raw.answer())[0].startswith(b"HTTP/1.1 417 ")
                continue
            assert await raw.reader.readexactly(len(CONTINUE)) == CONTINUE
            await raw.send(b"body")
            head, _ = await raw.answer()
            assert head.startswith(b"HTTP/1.1 200 " if number == 1 else b"HTTP/1.1 500 ")
    assert [call.body for call in service.get_calls("create")] == [b"", b"body", b"body", b"body"]


@pytest.mark.parametrize(
    "response",
    [JsonResponse({}), CallbackResponse(lambda request: {}), LatencyResponse(JsonResponse({}), 0)],
)
async def test_others_ask_for_the_body(service: MockService, response: BaseMockResponse) -> None:
    service.register("create", response)
    async with connect(service.url) as raw:
        await raw.send(WAITING)
        assert await raw.reader.readexactly(len(CONTINUE)) == CONTINUE
        await raw.send(b"body")
        assert (await raw.answer())[1] == b"{}"
    assert service.last_call("create").body == b"body"


async def test_without_a_route_or_a_response_the_body_is_asked_for(service: MockService) -> None:
    service.reset(responses=True)
    for path in (b"/orders", b"/nowhere"):
        async with connect(service.url) as raw:
            await raw.send(WAITING.replace(b"/orders", path))
            assert await raw.reader.readexactly(len(CONTINUE)) == CONTINUE
            await raw.send(b"body")
            assert (await raw.answer())[0].startswith((b"HTTP/1.1 500 ", b"HTTP/1.1 404 "))


async def test_the_route_is_found_by_the_head() -> None:
    routes = [
        MockRoute("POST", "/orders", "by_body", Match(body=b"body")),
        MockRoute("POST", "/orders", "by_header", Match(headers={"X-Size": "4"})),
        MockRoute("POST", "/orders", "any"),
    ]
    async with start_service(routes) as service:
        for name in ("by_body", "by_header"):
            service.register(name, ExpectationFailed(name))
        service.register("any", JsonResponse("any"))
        async with connect(service.url) as raw:
            await raw.send(WAITING.replace(b"Host: x", b"Host: x\r\nX-Size: 4"))
            assert (await raw.answer())[1] == b"by_header"
        async with connect(service.url) as raw:  # "any" takes the head, and "by_body" the whole
            await raw.send(WAITING)
            assert await raw.reader.readexactly(len(CONTINUE)) == CONTINUE
            await raw.send(b"body")
            assert (await raw.answer())[1] == b"by_body"


async def test_a_body_that_came_is_recorded(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    service.register("create", ExpectationFailed())
    async with session.post("/orders", data=b"body") as answer:
        assert answer.status == 417
    service.assert_called("create", times=1, body=b"body")


async def test_aiohttp_does_not_send_a_refused_body(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    asked = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal asked
        asked = True
        yield b"body"

    service.register("create", ExpectationFailed("no"))
    async with session.post("/orders", data=body(), expect100=True) as answer:
        assert answer.status == 417
        assert await answer.text() == "no"
    assert not asked


async def test_a_client_that_does_not_wait_is_refused_too(service: MockService) -> None:
    service.register("create", ExpectationFailed())
    async with connect(service.url) as raw:
        await raw.send(WAITING + b"bo")
        assert (await raw.answer())[0].startswith(b"HTTP/1.1 417 ")
        await raw.send(
            b"dy"
        )  # read and thrown away, so that the answer is not lost (RFC 9112 §9.6)
        assert await raw.rest() == b""


async def test_curl_does_not_send_a_refused_body(service: MockService) -> None:
    service.register("create", ExpectationFailed("no"))
    process = await asyncio.create_subprocess_exec(
        *["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{size_upload}"],
        *["-H", "Expect: 100-continue", "--data-binary", "@-", str(service.url / "orders")],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(b"x" * 100_000)
    assert out == b"417 0"
    assert [call.body for call in service.get_calls("create")] == [b""]


async def test_leaving_while_the_refused_client_stays() -> None:
    tasks = asyncio.all_tasks()
    async with start_service([MockRoute("POST", "/orders", "create")]) as service:
        service.register("create", ExpectationFailed())
        async with connect(service.url) as raw:
            await raw.send(WAITING)
            await raw.answer()
            await service.stop()
    assert asyncio.all_tasks() == tasks


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda: EarlyHints([], RawResponse()),
            ValueError,
            "EarlyHints takes at least one link, got none",
        ),
        (
            lambda: EarlyHints(1, RawResponse()),  # type: ignore[arg-type]
            TypeError,
            "links takes texts, such as '</a.css>; rel=preload', got 1",
        ),
        (
            lambda: EarlyHints(["a\r\nb"], RawResponse()),
            ValueError,
            r"the header 'Link' holds a line break or a NUL: 'a\r\nb' (RFC 9110 §5.5)",
        ),
        (
            lambda: EarlyHints("</a>", "x"),  # type: ignore[arg-type]
            TypeError,
            "EarlyHints: then takes a response, got 'x'; wrap data in JsonResponse(...), bytes or "
            "text in RawResponse(...)",
        ),
        (
            lambda: ExpectationFailed(1),  # type: ignore[arg-type]
            TypeError,
            "ExpectationFailed takes text or bytes, got 1",
        ),
    ],
)
def test_what_they_do_not_take(make: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == text


def test_the_repr_shows_what_is_done_on_the_wire() -> None:
    hints = EarlyHints("</a.css>", RawResponse("page"))
    assert repr(hints).startswith("EarlyHints(('</a.css>',), RawResponse(body='page', ")
    assert repr(hints).endswith(
        r"script=[Send(b'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n')])"
    )
    assert repr(ExpectationFailed("no")) == (
        r"ExpectationFailed('no', script=[Send(b'HTTP/1.1 417 Expectation Failed\r\n\r\nno'), "
        "Fin()])"
    )
