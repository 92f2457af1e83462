"""The check that users run on their own responses: it passes good ones and names what is bad."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from asyncly.srvmocker import (
    BaseMockResponse,
    CallbackResponse,
    ChanceResponse,
    DisconnectResponse,
    JsonResponse,
    LatencyResponse,
    RawResponse,
    SequenceResponse,
    TruncatedResponse,
)
from asyncly.srvmocker.testing import check_response

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
async def nothing_is_left() -> Any:
    before = asyncio.all_tasks()
    yield
    assert asyncio.all_tasks() <= before | {asyncio.current_task()}


class Named(BaseMockResponse):
    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Echo(Named):
    async def response(self, request: web.Request) -> web.StreamResponse:
        data = {"id": request.match_info["id"], "sent": await request.text()}
        return web.json_response(data, headers={"X-Tenant": request.headers["X-Tenant"]})


class Ticker(Named):
    async def response(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for number in range(3):
            await answer.write(b"%d\n" % number)
            await asyncio.sleep(0.01)
        return answer


class Gone(Named):
    async def response(self, request: web.Request) -> web.StreamResponse:
        raise web.HTTPGone(text="gone")


@pytest.mark.parametrize(
    "response",
    [
        JsonResponse({"a": 1}),
        RawResponse(bytes(4 << 20)),
        RawResponse(status=204),
        Ticker(),
        Gone(),
        DisconnectResponse(),
        TruncatedResponse(b"half"),
        LatencyResponse(Ticker(), 0.02),
        SequenceResponse([RawResponse("a")], "last"),
        CallbackResponse(lambda request: {"path": request.path}),
    ],
    ids=lambda response: type(response).__name__,
)
async def test_good_responses_pass(response: BaseMockResponse) -> None:
    await check_response(response)


async def test_the_request_is_the_users_to_choose() -> None:
    await check_response(
        Echo(),
        method="PUT",
        path="/items/5",
        route="/items/{id}",
        headers={"X-Tenant": "acme"},
        body=b"text",
    )


async def test_answers_may_differ_if_they_are_allowed_to() -> None:
    responses = [RawResponse("a"), RawResponse("b")]
    for response in (
        SequenceResponse(responses, "cycle"),
        ChanceResponse([(1, item) for item in responses], seed=1),
    ):
        await check_response(response, same=False)
        with pytest.raises(AssertionError, match="gives equal answers to equal requests"):
            await check_response(response)


class Raises(Named):
    async def response(self, request: web.Request) -> web.StreamResponse:
        raise ValueError("no bananas")


class ReturnsNone(Named):
    async def response(self, request: web.Request) -> web.StreamResponse:
        return None  # type: ignore[return-value]


class SameObject(Named):
    def __init__(self) -> None:
        self.answer = web.Response(text="again")

    async def response(self, request: web.Request) -> web.StreamResponse:
        return self.answer


class NeverAnswers(Named):
    async def response(self, request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError


class LeaksTask(Named):
    async def response(self, request: web.Request) -> web.StreamResponse:
        self.task = asyncio.create_task(self.forgotten())
        return web.Response(text="ok")

    async def forgotten(self) -> None:
        await asyncio.sleep(3600)


class SwallowsCancel(Named):
    """Answers well, unless the client leaves."""

    def __init__(self) -> None:
        self.hung = asyncio.Event()

    async def response(self, request: web.Request) -> web.StreamResponse:
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            await self.hung.wait()
        return web.Response(text="ok")


class ComplainsOfLeaving(Named):
    async def response(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"first")
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            raise RuntimeError("who left?") from None
        return answer


class OneAtATime(Named):
    busy = False

    async def response(self, request: web.Request) -> web.StreamResponse:
        if self.busy:
            raise RuntimeError("I am busy")
        self.busy = True
        await asyncio.sleep(0.01)
        self.busy = False
        return web.Response(text="ok")


class Counts(Named):
    def __init__(self) -> None:
        self.numbers: Iterator[int] = itertools.count()

    async def response(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text=str(next(self.numbers)))


class NoRepr(BaseMockResponse):
    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    async def response(self, request: web.Request) -> web.StreamResponse:
        return web.Response()


class NoEquality(Named):
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not comparable")

    __hash__ = None  # type: ignore[assignment]

    async def response(self, request: web.Request) -> web.StreamResponse:
        return web.Response()


class Strange(NoEquality):
    def __eq__(self, other: object) -> bool:
        return False


class OnlyOnce(RawResponse):
    def check_transport(self, *, tls: bool) -> None:
        if "used" in vars(self):
            raise ValueError("I am taken")
        vars(self)["used"] = True


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (Raises, "it serves when it is registered as 'first', but it raised ValueError: no ban"),
        (ReturnsNone, "it serves when .* but it raised TypeError: .* returned None"),
        (SameObject, "it serves when .* but it raised RuntimeError: .* already sent"),
        (NeverAnswers, r"that it serves, but no whole answer came in 0\.2 s"),
        (LeaksTask, "leaves no task, but 16 tasks did not end:\n  16 of LeaksTask.forgotten"),
        (
            SwallowsCancel,
            r"survives a client that leaves at once, but its response\(\) still runs 0\.2 s after",
        ),
        (ComplainsOfLeaving, "survives a client that leaves .*, but it raised RuntimeError: who"),
        (OneAtATime, "serves 10 requests at once, but it raised RuntimeError: I am busy"),
        (Counts, r"gives equal answers .*\(pass same=False if they may\)\n  200 .*\n  200 "),
        (
            NoRepr,
            r"<NoRepr instance .*>: expected that it is a value, but its repr raised RuntimeError",
        ),
        (NoEquality, "is a value, but comparing it raised RuntimeError"),
        (Strange, "is a value, but it does not equal itself"),
        (OnlyOnce, r"is a value, but register\('second', \.\.\.\) raised ValueError\('I am taken"),
        (lambda: JsonResponse({1, 2}), r"is a value, but register\('first', \.\.\.\) raised TypeE"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_bad_responses_are_found(make: Any, text: str) -> None:
    response = make()
    begun = time.monotonic()
    with pytest.raises(AssertionError, match=f"(?s){text}") as caught:
        await check_response(response, timeout=0.2)
    assert time.monotonic() - begun < 5
    if not isinstance(response, NoRepr | JsonResponse | OnlyOnce):
        assert str(caught.value).startswith(f"{response!r}: expected that it ")


async def test_the_exception_of_the_response_is_the_cause() -> None:
    with pytest.raises(AssertionError) as caught:
        await check_response(Raises())
    assert isinstance(caught.value.__cause__, ValueError)


async def test_a_request_that_misses_the_route_checks_nothing() -> None:
    with pytest.raises(AssertionError, match="serves, but no request reached it: the client got 4"):
        await check_response(RawResponse(), path="/items", route="/items/{id}")
    await check_response(RawResponse(), path="/a b?c=ü", route="/{x}")


async def test_what_is_no_response_is_a_wrong_argument() -> None:
    with pytest.raises(TypeError, match=r"check_response takes a response, got \{'a': 1\}"):
        await check_response({"a": 1})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"path= takes a path such as '/items/5', got 'items'"):
        await check_response(RawResponse(), path="items")
