"""Requests that stand at a gate until the test lets them through, whoever sends them."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import aiohttp
import httpx
import pytest
import requests
import trio
from aiohttp import web

from asyncly.srvmocker import (
    Barrier,
    BaseMockResponse,
    DisconnectResponse,
    Gate,
    GatedResponse,
    JsonResponse,
    LatencyResponse,
    MockService,
    RawResponse,
    SequenceResponse,
    SrvMockerError,
    run_service,
    start_service,
)

from .conftest import ROUTES, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

GET = b"GET /fact?page=%d HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def gated(service: MockService, gate: Gate) -> MockService:
    service.register("fact", GatedResponse(JsonResponse({"fact": "Meow."}), gate))
    return service


@pytest.fixture
def threaded(gate: Gate) -> Iterator[MockService]:
    with run_service(ROUTES) as service:
        service.register("fact", GatedResponse(RawResponse("through"), gate))
        yield service


async def get(session: aiohttp.ClientSession, page: int = 1) -> tuple[int, str]:
    async with session.get("/fact", params={"page": page}) as answer:
        return answer.status, await answer.text()


async def until_none_stands(gate: Gate) -> None:
    assert await gate._changes.wait(lambda: not gate.standing, timeout=5)


async def test_a_request_stands_until_it_is_released(
    gated: MockService, session: aiohttp.ClientSession, gate: Gate
) -> None:
    fetching = asyncio.create_task(get(session))
    (request,) = await gate.waiting()
    assert request is gated.last_call("fact")
    assert gate.standing == (request,)
    assert gated.exchanges[0].outcome == "under way"
    assert not fetching.done()
    assert gate.release() == 1
    assert await fetching == (200, '{"fact": "Meow."}')
    assert not gate.standing


async def test_a_timeout_of_the_client_needs_no_wait_on_the_server(
    gated: MockService, gate: Gate
) -> None:
    async with httpx.AsyncClient(base_url=str(gated.url), timeout=0.05) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/fact")
    await gated.wait_for_call("fact")
    await until_none_stands(gate)
    assert gated.exchanges[0].outcome == "the client disconnected"
    assert gate.release() == 0


async def test_so_many_are_released_the_first_ones_first(
    gated: MockService, session: aiohttp.ClientSession, gate: Gate
) -> None:
    fetching = []
    for page in range(1, 4):
        fetching.append(asyncio.create_task(get(session, page)))
        await gate.waiting(page)
    assert gate.release(2) == 2
    await asyncio.gather(*fetching[:2])
    assert [request.query["page"] for request in gate.standing] == ["3"]
    assert not fetching[2].done()
    assert gate.release(1) == 1
    await fetching[2]


async def test_a_release_is_for_those_that_stand_there(
    gated: MockService, session: aiohttp.ClientSession, gate: Gate
) -> None:
    assert gate.release() == 0
    fetching = asyncio.create_task(get(session))
    await gate.waiting()
    assert gate.release() == 1
    await fetching
    fetching = asyncio.create_task(get(session))
    await gate.waiting()
    assert gate.release() == 1
    await fetching


async def test_an_open_gate_lets_all_through_until_it_is_closed(
    gated: MockService, session: aiohttp.ClientSession, gate: Gate
) -> None:
    first = asyncio.create_task(get(session))
    await gate.waiting()
    gate.open()
    assert await first == await get(session)
    gate.close()
    last = asyncio.create_task(get(session))
    await gate.waiting()
    gate.release(1)
    await last


async def test_those_that_stand_there_get_another_answer(
    service: MockService, session: aiohttp.ClientSession, gate: Gate
) -> None:
    async def post() -> tuple[int, str]:  # aiohttp sends a GET again that was cut
        async with session.post("/orders") as answer:
            return answer.status, await answer.text()

    service.register("create", GatedResponse(JsonResponse({}), gate))
    fetching = [asyncio.create_task(post()) for _ in range(3)]
    await gate.waiting(3)
    assert gate.fail(DisconnectResponse(), 1) == 1
    assert gate.fail(RawResponse("busy", 503)) == 2
    results = await asyncio.gather(*fetching, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == [
        "ServerDisconnectedError",
        "tuple",
        "tuple",
    ]
    assert results.count((503, "busy")) == 2
    assert service.errors == ()


async def test_a_failure_that_cannot_be_sent_is_refused(
    gated: MockService, session: aiohttp.ClientSession, gate: Gate
) -> None:
    class OnlyPlain(RawResponse):
        def check_transport(self, *, tls: bool) -> None:
            raise ValueError(f"not with tls={tls}")

    fetching = asyncio.create_task(get(session))
    await gate.waiting()
    with pytest.raises(ValueError, match="not with tls=False"):
        gate.fail(LatencyResponse(OnlyPlain("x"), 0))
    with pytest.raises(TypeError, match=r"gate\.fail\(\.\.\.\) takes a response, got 503"):
        gate.fail(503)  # type: ignore[arg-type]
    assert len(gate.standing) == 1
    gate.release()
    await fetching


async def test_a_client_that_leaves_no_longer_counts(gated: MockService, gate: Gate) -> None:
    async with connect(gated.url) as stays:
        async with connect(gated.url) as leaves:
            await leaves.send(GET % 1)
            await gate.waiting()
            await stays.send(GET % 2)
            await gate.waiting(2)
        assert await gate._changes.wait(lambda: len(gate.standing) == 1, timeout=5)
        assert gate.standing[0].query["page"] == "2"
        with pytest.raises(AssertionError) as caught:
            await gate.waiting(2, timeout=0)
        assert str(caught.value) == (
            "waited 0 s for 2 requests at the gate, got 1\n"
            "  request 1 ('fact')  GET /fact?page=2\n"
            "  before: 0 let through, 1 left"
        )
        gate.release(1)
        head, _ = await stays.answer()
    assert head.startswith(b"HTTP/1.1 200 ")


async def test_a_wait_for_nobody_says_so(gate: Gate) -> None:
    with pytest.raises(AssertionError) as caught:
        await gate.waiting(timeout=0.01)
    assert str(caught.value) == "waited 0.01 s for 1 request at the gate, got none"


async def test_more_than_stand_there_cannot_be_released(
    gated: MockService, session: aiohttp.ClientSession, gate: Gate
) -> None:
    fetching = asyncio.create_task(get(session))
    await gate.waiting()
    with pytest.raises(AssertionError) as caught:
        gate.release(2)
    assert str(caught.value) == (
        "gate.release(n) asked for 2 requests, got 1; await gate.waiting(2) first\n"
        "  request 1 ('fact')  GET /fact?page=1"
    )
    assert not fetching.done()
    assert gate.release(1) == 1
    await fetching


@pytest.mark.parametrize(
    ("n", "error", "text"),
    [
        (0, ValueError, "takes a number of requests from 1 up, got 0"),
        (True, TypeError, "takes a number of requests, got True"),
        ("2", TypeError, "takes a number of requests, got '2'"),
    ],
)
def test_a_number_of_requests_is_one(gate: Gate, n: int, error: type[Exception], text: str) -> None:
    for call in (gate.waiting, gate.release, Barrier, lambda n: gate.fail(RawResponse(), n)):
        with pytest.raises(error, match=text):
            call(n)


async def test_leaving_the_service_ends_all_that_wait_at_once(gate: Gate) -> None:
    async with start_service(ROUTES) as service, start_service(ROUTES) as other:
        response = GatedResponse(RawResponse("never"), gate)
        service.register("fact", response)
        service.register("create", response)
        other.register("fact", response)
        tasks = asyncio.all_tasks()
        async with connect(service.url) as one, connect(service.url) as two:
            async with connect(other.url) as three:
                await one.send(GET % 1)
                await two.send(b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
                await three.send(GET % 3)
                await gate.waiting(3)
                await service.stop()
                assert [request.url.port for request in gate.standing] == [80]
                assert {item.outcome for item in service.exchanges} == {"the service was stopped"}
                gate.release(1)
                _, body = await three.answer()
                assert body == b"never"
            await other.stop()
        assert asyncio.all_tasks() <= tasks


def test_without_a_loop_the_test_blocks_at_the_gate(threaded: MockService, gate: Gate) -> None:
    url = str(threaded.url / "fact")
    with ThreadPoolExecutor() as pool:
        fetching = [pool.submit(requests.get, url, timeout=10) for _ in range(3)]
        standing = gate.waiting(3).block()
        assert {request.path for request in standing} == {"/fact"}
        gate.fail(RawResponse("busy", 503), 1)
        gate.release()
        assert sorted(item.result().status_code for item in fetching) == [200, 200, 503]
    assert threaded.max_in_flight("fact") == 3


def test_trio_waits_at_the_gate(threaded: MockService, gate: Gate) -> None:
    answers = []

    async def fetch() -> None:
        async with httpx.AsyncClient() as client:
            answers.append((await client.get(str(threaded.url / "fact"))).text)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fetch)
            nursery.start_soon(fetch)
            await gate.waiting(2)
            assert answers == []
            gate.release(2)

    trio.run(main)
    assert answers == ["through", "through"]


async def test_many_threads_may_use_a_gate(
    gated: MockService, session: aiohttp.ClientSession, gate: Gate
) -> None:
    fetching = [asyncio.create_task(get(session, page)) for page in range(50)]
    await gate.waiting(50)
    released: list[int] = []
    threads = [threading.Thread(target=lambda: released.append(gate.release())) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert {status for status, _ in await asyncio.gather(*fetching)} == {200}
    for thread in threads:
        thread.join()
    assert sum(released) == 50


async def test_a_barrier_lets_a_crowd_through(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    barrier = Barrier(3)
    service.register("fact", GatedResponse(RawResponse("together"), barrier))
    for _ in range(2):
        early = [asyncio.create_task(get(session)) for _ in range(2)]
        await barrier.waiting(2)
        assert not any(task.done() for task in early)
        answers = [await get(session), *await asyncio.gather(*early)]
        assert answers == [(200, "together")] * 3
    assert service.max_in_flight("fact") == 3
    last = asyncio.create_task(get(session))
    await barrier.waiting()
    barrier.release()
    await last


def test_a_barrier_never_holds_its_crowd() -> None:
    with pytest.raises(ValueError, match=r"Barrier\(3\).*wait_for_call\(name, times=3\)"):
        Barrier(3).waiting(3)


async def test_gates_stand_anywhere_in_a_tree(
    service: MockService, session: aiohttp.ClientSession, gate: Gate
) -> None:
    steps: list[BaseMockResponse] = [
        GatedResponse(LatencyResponse(RawResponse("late"), 0), gate),
        RawResponse("at once"),
    ]
    service.register("fact", GatedResponse(SequenceResponse(steps), gate))
    fetching = asyncio.create_task(get(session))
    for _ in range(2):
        await gate.waiting()
        gate.release(1)
    assert await fetching == (200, "late")
    gate.open()
    assert await get(session) == (200, "at once")


def test_what_is_no_gate_and_no_response_is_refused(gate: Gate) -> None:
    with pytest.raises(TypeError, match=r"takes a Gate\(\) or a Barrier\(n\), got 5"):
        GatedResponse(RawResponse(), 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="GatedResponse takes a response"):
        GatedResponse({}, gate)  # type: ignore[arg-type]


def test_a_gated_response_is_a_value(gate: Gate) -> None:
    one, same = (GatedResponse(RawResponse("a"), gate) for _ in range(2))
    assert one == same
    assert one != GatedResponse(RawResponse("a"), Gate())
    assert "gate=<Gate, closed, 0 requests standing>" in repr(one)
    gate.open()
    assert repr(gate) == "<Gate, open, 0 requests standing>"


async def test_a_request_from_elsewhere_is_refused(gate: Gate) -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        with pytest.raises(SrvMockerError, match="came from no service"):
            await GatedResponse(RawResponse(), gate).response(request)  # type: ignore[arg-type]
        return web.Response(text="refused")

    server = web.Server(handle)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}/") as answer:
        assert await answer.text() == "refused"
    listening.close()
    await server.shutdown()
