"""Which route takes a request, what the others are told, and what is written down."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from typing import TYPE_CHECKING
from unittest.mock import patch

import aiohttp
import pytest
from aiohttp import web

from asyncly.srvmocker import (
    BaseMockResponse,
    CallbackResponse,
    JsonResponse,
    Match,
    MissingResponseError,
    MockRoute,
    MockService,
    start_service,
)

from .conftest import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROUTES = [
    MockRoute("POST", "/pay", "in euros", Match(json={"currency": "EUR"})),
    MockRoute("POST", "/pay", "for acme", Match(headers={"X-Tenant": re.compile("acme|ACME")})),
    MockRoute("POST", "/pay", "any pay"),
    MockRoute("GET", "/users/me", "me"),
    MockRoute("GET", "/users/{id}", "user", Match(query={"full": "1"})),
    MockRoute("GET", "/{kind}/{id:[0-9]+}", "thing"),
]


@pytest.fixture
async def service() -> AsyncIterator[MockService]:
    async with start_service(ROUTES) as service:
        for route in ROUTES:
            service.register(route.handler_name, JsonResponse(route.handler_name))
        yield service


@pytest.mark.parametrize(
    ("method", "path", "options", "handler_name", "path_params"),
    [
        ("POST", "/pay", {"json": {"currency": "EUR"}}, "in euros", {}),
        ("POST", "/pay", {"headers": {"X-Tenant": "ACME"}}, "for acme", {}),
        ("POST", "/pay", {"json": {"currency": "USD"}}, "any pay", {}),
        ("GET", "/users/me", {}, "me", {}),
        ("GET", "/users/5?full=1", {}, "user", {"id": "5"}),
        ("GET", "/users/5", {}, "thing", {"kind": "users", "id": "5"}),
        ("GET", "/caf%C3%A9/5", {}, "thing", {"kind": "café", "id": "5"}),
    ],
)
async def test_the_first_route_whose_match_fits_takes_the_request(
    service: MockService,
    session: aiohttp.ClientSession,
    method: str,
    path: str,
    options: dict[str, object],
    handler_name: str,
    path_params: dict[str, str],
) -> None:
    async with session.request(method, path, **options) as answer:  # type: ignore[arg-type]
        assert await answer.json() == handler_name
    (exchange,) = service.exchanges
    assert exchange.route is not None
    assert exchange.route.handler_name == handler_name
    assert exchange.request.path_params == path_params
    assert (exchange.status, exchange.fault, exchange.nearest) == (200, None, ())
    service.assert_called(handler_name, times=1)


async def test_a_request_that_no_match_fits_is_told_what_differed(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    async with session.get("/users/anna?full=0") as answer:
        assert answer.status == 404
        text = await answer.text()
    assert text == (
        "404: no route takes GET /users/anna?full=0\n"
        "\n"
        "nearest routes:\n"
        "  GET /users/{id} ('user')\n"
        "    query.full: expected '1', got '0'\n"
        "\n"
        "to take it: MockRoute('GET', '/users/anna', 'a_name')\n"
    )
    (exchange,) = service.unmatched
    assert exchange.status == 404
    assert [route.handler_name for route, _ in exchange.nearest] == ["user"]
    assert service.history[0].handler_name is None


async def test_a_response_that_raises_elsewhere_is_shown_by_its_own_line(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    async def parse(request: web.Request) -> object:
        return await request.json()

    service.register("me", CallbackResponse(parse))
    async with session.get("/users/me") as answer:
        text = await answer.text()
    assert re.search(r"raised at  .*test_dispatch\.py:\d+ in parse\n", text)

    service.register("me", CallbackResponse(lambda request: {1}))
    async with session.get("/users/me") as answer:
        assert "raised at" not in await answer.text()  # in none of the user's lines


@pytest.mark.parametrize("name", ["<id>", "<int:id>", ":id"])
async def test_a_name_written_as_elsewhere_is_told_how_it_is_written_here(name: str) -> None:
    async with (
        start_service([MockRoute("GET", f"/users/{name}", "user")]) as service,
        aiohttp.ClientSession(service.url) as session,
        session.get("/users/7") as answer,
    ):
        text = await answer.text()
    line = f"    path: expected '/users/{name}', got '/users/7' (a name is written {{id}})\n"
    assert line in text


async def test_a_wrong_method_is_told_the_right_ones(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    async with session.delete("/users/me") as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET"
        assert await answer.text() == (
            "405: /users/me takes GET, not DELETE\n"
            "\n"
            "to take it: MockRoute('DELETE', '/users/me', 'a_name')\n"
        )
    assert [exchange.status for exchange in service.unmatched] == [405]


async def test_a_route_without_a_response_says_which_call_is_missing(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    service.reset(responses=True)
    async with session.get("/users/me") as answer:
        assert answer.status == 500
        text = await answer.text()
    assert "service.register('me'" in text
    (error,) = service.errors
    assert isinstance(error, MissingResponseError)
    assert service.exchanges[0].error is error
    service.assert_called("me", times=1)


async def test_a_response_that_raises_is_a_500_that_names_it(
    service: MockService, session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    cause = KeyError("price")

    async def fail(request: web.Request) -> object:
        raise LookupError("no such order") from cause

    service.register("me", CallbackResponse(fail))
    with caplog.at_level(logging.ERROR, "asyncly.srvmocker"):
        async with session.get("/users/me") as answer:
            assert answer.status == 500
            text = await answer.text()
    head, _, rest = text.partition("\n")
    assert head == "500: the response registered for 'me' raised LookupError: no such order"
    assert "raised at  " in rest
    assert "test_dispatch.py" in rest
    (error,) = service.errors
    assert isinstance(error, LookupError)
    assert error.__cause__ is cause
    assert "'me'" in error.__notes__[0]
    assert service.exchanges[0].error is error
    assert "no such order" in caplog.text
    async with session.get("/users/me") as answer:  # the connection and the service live on
        assert answer.status == 500
    assert len(service.errors) == 2


async def test_what_aiohttp_raises_as_an_answer_is_one(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    async def refuse(request: web.Request) -> object:
        raise web.HTTPForbidden(text="not you")

    service.register("me", CallbackResponse(refuse))
    async with session.get("/users/me") as answer:
        assert (answer.status, await answer.text()) == (403, "not you")
    assert service.errors == ()
    assert service.exchanges[0].status == 403


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            None,
            "raised TypeError: the lambda returned None: return a response or data",
        ),
        (object(), "raised TypeError: JsonResponse: the body cannot be sent as application/json"),
    ],
)
async def test_a_callback_that_returns_what_cannot_be_sent_is_told_so(
    service: MockService, session: aiohttp.ClientSession, wrong: object, said: str
) -> None:
    service.register("me", CallbackResponse(lambda request: wrong))
    async with session.get("/users/me") as answer:
        assert answer.status == 500
        assert said in await answer.text()


async def test_a_class_of_a_users_own_that_returns_nothing_is_told_so(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    class Broken(BaseMockResponse):
        async def response(self, request: web.Request) -> web.StreamResponse:
            return None  # type: ignore[return-value]

    class Reused(BaseMockResponse):
        answer = web.Response(text="once")

        async def response(self, request: web.Request) -> web.StreamResponse:
            return self.answer

    service.register("me", Broken())
    async with session.get("/users/me") as answer:
        assert "Broken.response() returned None; it must return an aiohttp.web" in (
            await answer.text()
        )
    service.register("me", Reused())
    async with session.get("/users/me") as answer:
        assert await answer.text() == "once"
    async with session.get("/users/me") as answer:
        assert answer.status == 500
        assert "already sent to another request; make a new one" in await answer.text()


async def test_a_response_that_breaks_off_within_its_answer_is_noted(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    class Half(BaseMockResponse):
        async def response(self, request: web.Request) -> web.StreamResponse:
            answer = web.StreamResponse()
            await answer.prepare(request)
            await answer.write(b"half")
            raise RuntimeError("lost the thread")

    service.register("me", Half())
    async with session.get("/users/me") as answer:
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    assert service.exchanges[0].fault == "the answer broke off: its response raised"
    assert [str(error) for error in service.errors] == ["lost the thread"]


async def test_a_users_response_gets_a_real_request(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    seen: dict[str, object] = {}

    class Look(BaseMockResponse):
        async def response(self, request: web.Request) -> web.StreamResponse:
            seen.update(
                params=dict(request.match_info),
                query=request.query["full"],
                path=request.path,
                body=await request.read(),
                cookies=dict(request.cookies),
                user=request.get("user", None),
                clone=(await request.clone(method="PUT").json()),
            )
            with pytest.raises(RuntimeError, match="no aiohttp Application"):
                request.app  # noqa: B018
            return web.json_response({}, status=202)

    service.register("user", Look())
    cookies = {"Cookie": "a=1"}
    async with session.get("/users/7?full=1", json=[1], headers=cookies) as answer:
        assert answer.status == 202, await answer.text()
    assert seen == {
        "params": {"id": "7"},
        "query": "1",
        "path": "/users/7",
        "body": b"[1]",
        "cookies": {"a": "1"},
        "user": None,
        "clone": [1],
    }


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "malformed"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", "malformed"),
        (b"POST /pay HTTP/1.1\r\nHost: x\r\nContent-Length: nine\r\n\r\n", "malformed"),
        (b"GET / HTTP/9.9.9\r\n\r\n", "malformed"),
    ],
)
async def test_what_is_no_request_is_answered_400_and_kept(
    service: MockService, sent: bytes, reason: str
) -> None:
    async with connect(service.url) as raw:
        await raw.send(sent)
        answer = await raw.rest()
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert b"400: this is no HTTP/1.1 request" in answer
    (exchange,) = service.unmatched
    assert exchange.status == 400
    assert exchange.request.body == sent
    assert reason in exchange.outcome


async def test_a_log_line_names_what_no_route_took(
    service: MockService, session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "asyncly.srvmocker"):
        async with session.get("/none"):
            pass
    assert caplog.messages == ["no route takes GET /none"]


async def test_registering_again_changes_the_answer(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    for number in range(3):
        service.register("me", JsonResponse(number))
        async with session.get("/users/me") as answer:
            assert await answer.json() == number
    assert service.handlers["me"] == JsonResponse(2)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="aiohttp begins such tasks at once there")
async def test_a_request_runs_in_the_task_of_its_connection(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    """It depends on how aiohttp makes its tasks, so that may move."""
    before = asyncio.all_tasks()
    service.register("me", CallbackResponse(lambda _: len(asyncio.all_tasks() - before)))
    for _ in range(2):
        async with session.get("/users/me") as answer:
            assert await answer.json() == 1
    assert len({call.connection for call in service.history}) == 1


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="connections know the bare loop there")
async def test_a_connection_sets_no_timer(service: MockService) -> None:
    """It depends on which timers aiohttp sets, so that may move."""
    loop = asyncio.get_running_loop()
    service.register("me", JsonResponse({}))
    with patch.object(loop, "call_at", wraps=loop.call_at) as call_at:
        async with connect(service.url) as raw:
            await raw.send(b"GET /users/me HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await raw.answer()
    assert call_at.mock_calls == []
