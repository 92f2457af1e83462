"""The service in the test's hand: its life, its views, its queries and its waits."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import Any

import aiohttp
import pytest
import requests
import trio
from yarl import URL

from asyncly.srvmocker import (
    CallbackResponse,
    JsonResponse,
    MockService,
    RawResponse,
    RecordedRequest,
    UnknownHandlerError,
    start_service,
)
from asyncly.srvmocker.fixtures import Attachments, FixtureService

from .conftest import ROUTES


async def test_the_url_is_that_of_a_free_port_on_loopback(service: MockService) -> None:
    assert isinstance(service.url, URL)
    assert (service.url.scheme, service.url.host, service.url.path) == ("http", "127.0.0.1", "/")
    assert service.url / "fact" == URL(f"http://127.0.0.1:{service.url.port}/fact")


@pytest.mark.parametrize(
    ("host", "reached_at"),
    [("localhost", {"127.0.0.1", "::1"}), ("::1", {"::1"}), ("0.0.0.0", {"127.0.0.1"})],
)
async def test_a_host_is_the_users_to_choose(host: str, reached_at: set[str]) -> None:
    async with start_service(ROUTES, host=host) as service:
        service.register("fact", JsonResponse({}))
        assert service.url.host in reached_at
        async with aiohttp.ClientSession() as session, session.get(service.url / "fact") as answer:
            assert answer.status == 200


async def test_a_port_is_the_users_to_choose_and_is_given_back() -> None:
    async with start_service(ROUTES) as service:
        port = service.url.port
        assert port is not None
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}: .*; use port=0"):
            async with start_service(ROUTES, port=port):
                pass
    for _ in range(2):
        async with start_service(ROUTES, port=port) as again:
            assert again.url.port == port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


async def test_a_service_is_started_once_at_a_time() -> None:
    async with start_service(ROUTES) as service:
        with pytest.raises(RuntimeError, match="is already started"):
            await service.start()
    async with service:  # again, on a new port
        service.register("fact", JsonResponse({}))
        async with aiohttp.ClientSession(service.url) as session, session.get("/fact") as answer:
            assert answer.status == 200


def test_there_is_no_url_before_the_start() -> None:
    service = MockService(ROUTES)
    with pytest.raises(
        RuntimeError, match="no URL before it is started: its `with` block starts it"
    ):
        service.url  # noqa: B018
    assert repr(service) == "<MockService not started, 3 routes, 0 exchanges>"


async def test_the_views_cannot_be_written(service: MockService) -> None:
    views: list[Any] = [service.history_map, service.handlers]
    for view in views:
        with pytest.raises(TypeError, match="does not support item assignment"):
            view["fact"] = None
    assert isinstance(service.history, tuple)
    with pytest.raises(AttributeError):
        service.history = ()  # type: ignore[misc]


async def test_the_history_has_everything_in_order(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    for method, path in [("GET", "/fact"), ("GET", "/none"), ("POST", "/orders"), ("GET", "/fact")]:
        async with session.request(method, path):
            pass
    names = [call.handler_name for call in service.history]
    assert names == ["fact", None, "create", "fact"]
    assert {name: len(calls) for name, calls in service.history_map.items()} == {
        "blob": 0,
        "create": 1,
        "fact": 2,
    }
    assert service.get_calls("fact") == [service.history[0], service.history[3]]
    assert service.last_call("fact") is service.history[3]
    service.assert_called_in_order("fact", "create", "fact")
    service.assert_not_called("blob")
    with pytest.raises(AssertionError, match=r"1 declared handler never called\n  'blob'"):
        service.assert_all_called()


@pytest.mark.parametrize(
    "ask",
    [
        lambda service: service.register("fcat", JsonResponse({})),
        lambda service: service.get_calls("fcat"),
        lambda service: service.last_call("fcat"),
        lambda service: service.assert_called("fcat", times=0),
        lambda service: service.assert_not_called("fcat"),
        lambda service: service.assert_called_in_order("fcat"),
    ],
)
async def test_an_unknown_name_never_passes(service: MockService, ask: Any) -> None:
    with pytest.raises(UnknownHandlerError, match="Did you mean 'fact'"):
        ask(service)
    with pytest.raises(UnknownHandlerError):
        await service.wait_for_call("fcat")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("/fact", "no route declares the handler name '/fact': it is the path of 'fact'. "),
        ("GET /fact", "no route declares the handler name 'GET /fact': it is the path of 'fact'. "),
        (["fact"], "a handler name is a text, got ['fact']: pass one name after the other"),
        (ROUTES[0], "a handler name is a text, got MockRoute('GET', '/fact', 'fact'): pass 'fact'"),
        (None, "a handler name is a text, the one of its MockRoute, got None"),
        (
            JsonResponse({}),
            "a handler name is a text, the one of its MockRoute, got JsonResponse(body={}, ",
        ),
    ],
)
async def test_what_is_no_name_is_told_what_to_pass(
    service: MockService, name: Any, text: str
) -> None:
    def register(name: Any) -> None:
        service.register(name, JsonResponse({}))

    wait = service.wait_for_call
    for ask in (register, service.last_call, service.assert_called_in_order, wait):
        with pytest.raises((TypeError, UnknownHandlerError)) as caught:
            ask(name)
        assert str(caught.value).startswith(text)


async def test_an_order_of_nothing_is_no_expectation(service: MockService) -> None:
    with pytest.raises(TypeError, match="assert_called_in_order takes handler names, got none"):
        service.assert_called_in_order()


async def test_times_counts_the_calls_that_fit(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    for page in (1, 2, 2):
        async with session.get("/fact", params={"page": page}):
            pass
    service.assert_called("fact", times=3)
    service.assert_called("fact", query={"page": 2}, times=2)
    service.assert_called("fact", query={"page": 3}, times=0)
    service.assert_called("fact", query={"page": re.compile("[12]")}, times=3)
    with pytest.raises(AssertionError, match="expected exactly 1 matching call, got 2 of 3 calls"):
        service.assert_called("fact", query={"page": 2}, times=1)


async def test_a_reset_forgets_what_came(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    service.register("create", CallbackResponse(lambda request: None))
    for method, path in [("GET", "/fact"), ("GET", "/none"), ("POST", "/orders")]:
        async with session.request(method, path):
            pass
    assert service.errors
    service.reset()
    assert not service.history
    assert not service.unmatched
    assert not service.errors
    assert list(service.handlers) == ["fact", "create", "blob"]
    service.reset(responses=True)
    assert dict(service.handlers) == {}


async def test_the_journal_keeps_the_newest_and_counts_the_rest() -> None:
    async with (
        start_service(ROUTES, journal_limit=2) as service,
        aiohttp.ClientSession(service.url) as session,
    ):
        service.register("fact", JsonResponse({}))
        for number in range(5):
            async with session.get("/fact", params={"n": number}):
                pass
        assert [call.query["n"] for call in service.history] == ["3", "4"]
        service.assert_called("fact", times=5)
        with pytest.raises(AssertionError, match="forgotten 3 calls: the journal was full"):
            service.assert_called("fact", query={"n": 0})


async def test_a_wait_ends_at_the_arrival(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    answered = asyncio.Event()

    async def hold(request: Any) -> object:
        await answered.wait()
        return {}

    service.register("fact", CallbackResponse(hold))
    waiting = asyncio.create_task(service.wait_for_call("fact", query={"page": 2}, times=2))
    requests = [
        asyncio.create_task(session.get("/fact", params={"page": page})) for page in (2, 1, 2)
    ]
    calls = await waiting
    assert [call.query["page"] for call in calls] == ["2", "2"]
    assert {exchange.outcome for exchange in service.exchanges} == {"under way"}
    answered.set()
    for answer in await asyncio.gather(*requests):
        answer.release()


async def test_what_came_before_the_wait_counts(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    async with session.get("/fact"):
        pass
    assert await service.wait_for_call("fact", timeout=0) == service.get_calls("fact")


async def test_a_wait_that_ends_says_what_came(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    async with session.get("/fact", params={"page": "1"}):
        pass
    with pytest.raises(AssertionError) as caught:
        await service.wait_for_call("fact", query={"page": 2}, timeout=0.01)
    assert str(caught.value) == (
        "'fact' (GET /fact): waited 0.01 s for 1 matching call, got 0 of 1 call\n"
        "  expected  query={'page': 2}\n"
        "  closest   the only call: GET /fact?page=1\n"
        "    query.page: expected '2', got '1'"
    )


async def test_a_wait_that_is_cancelled_leaves_nothing(service: MockService) -> None:
    waiting = asyncio.create_task(service.wait_for_call("fact"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert service._journal.bell._watchers == []


def test_a_wait_in_trio() -> None:
    service = FixtureService(ROUTES)
    service.bind()
    service.attachments = attachments = Attachments(service, thread=True)
    service.register("fact", JsonResponse({}))

    async def main() -> list[RecordedRequest]:
        url = str(service.url / "fact")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, lambda: requests.get(url, timeout=10))
            calls = await service.wait_for_call("fact")
        with pytest.raises(AssertionError, match=r"waited 0\.01 s for 2 calls, got 1"):
            await service.wait_for_call("fact", times=2, timeout=0.01)
        return calls

    try:
        assert len(trio.run(main)) == 1
    finally:
        attachments.stop()


async def test_services_side_by_side_know_nothing_of_each_other() -> None:
    async with (
        start_service(ROUTES) as one,
        start_service(ROUTES) as two,
        aiohttp.ClientSession() as session,
    ):
        one.register("fact", RawResponse("one"))
        two.register("fact", RawResponse("two"))
        for service, text in [(one, "one"), (two, "two")]:
            async with session.get(service.url / "fact") as answer:
                assert await answer.text() == text
            service.assert_called("fact", times=1)


async def test_an_error_in_the_block_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        async with start_service(ROUTES):
            raise ZeroDivisionError


async def test_the_closest_call_is_the_one_whose_body_is_nearly_right(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    await session.post("/orders", json={"qty": 2, "sku": "b"})
    await session.post("/orders", data=b"no JSON")
    with pytest.raises(AssertionError) as caught:
        service.assert_called("create", json={"qty": 3, "sku": "a"})
    assert str(caught.value).splitlines()[2:] == [
        "  closest   call 1 of 2: POST /orders",
        "    json.qty: expected 3, got 2",
        "    json.sku: expected 'a', got 'b'",
    ]
