"""Waits for something that happens at a service end when it does: nothing more comes there."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest
import requests
import trio
import trio.testing
import websockets.sync.client

from asyncly.srvmocker import (
    CallbackResponse,
    Gate,
    GatedResponse,
    LiveStream,
    MockRoute,
    MockService,
    RawResponse,
    SequenceResponse,
    ServiceThreadError,
    StreamClosedError,
    run_proxy,
    run_service,
    start_proxy,
    start_service,
)
from asyncly.srvmocker.fixtures import Attachments, FixtureService
from asyncly.srvmocker.server import thread as thread_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asyncly.srvmocker.waiting import Bell, Wait

ROUTES = [MockRoute("GET", "/fact", "fact"), MockRoute("POST", "/orders", "create")]
LONG = 60.0
"""Seconds that a wait would take if nothing ended it."""
SOON = 20
"""Seconds that a test may take to see its end."""

NEVER_CALLED = (
    "'fact' (GET /fact): waited for 1 call until the service was stopped, "
    "got none: it was never called"
)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(5) as pool:
        yield pool


def wait_until_heard(bell: Bell, number: int = 1) -> None:
    """Return when so many wait."""
    while len(bell._watchers) < number:
        pass


def get(url: Any) -> int:
    return requests.get(str(url), timeout=SOON).status_code


# --- a call -------------------------------------------------------------------------------


def test_a_call_that_another_thread_waits_for(pool: ThreadPoolExecutor) -> None:
    with run_service(ROUTES) as service:
        waiting = pool.submit(service.wait_for_call("fact", timeout=LONG).block)
        wait_until_heard(service._journal.bell)
    with pytest.raises(AssertionError) as caught:
        waiting.result(SOON)
    assert str(caught.value) == NEVER_CALLED
    assert service._journal.bell._watchers == []


def test_the_diagnosis_is_that_of_any_other_wait(pool: ThreadPoolExecutor) -> None:
    with run_service(ROUTES) as service:
        service.register("create", RawResponse())
        requests.post(f"{service.url}/orders", json={"qty": 2}, timeout=SOON)
        requests.post(f"{service.url}/order", json={"qty": 3}, timeout=SOON)
        waiting = pool.submit(service.wait_for_call("create", json={"qty": 3}, timeout=LONG).block)
        wait_until_heard(service._journal.bell)
    with pytest.raises(AssertionError) as caught:
        waiting.result(SOON)
    assert str(caught.value).startswith(
        "'create' (POST /orders): waited for 1 matching call until the service was stopped, "
        "got 0 of 1 call\n"
        "  expected  json={'qty': 3}\n"
        "  closest   the only call: POST /orders\n"
        "    json.qty: expected 3, got 2\n"
        "  came near, but reached no handler\n"
        "    POST /order → 404\n"
    )


async def test_in_the_loop_of_a_service_that_another_task_leaves() -> None:
    leave = asyncio.Event()
    services: list[MockService] = []

    async def serve() -> None:
        async with start_service(ROUTES) as service:
            services.append(service)
            await leave.wait()

    serving = asyncio.create_task(serve())
    await asyncio.sleep(0)
    (service,) = services
    waiting = asyncio.create_task(service.wait_for_call("fact", timeout=None))
    await asyncio.sleep(0)
    leave.set()
    async with asyncio.timeout(SOON):
        with pytest.raises(AssertionError) as caught:
            await waiting
        await serving
    assert str(caught.value) == NEVER_CALLED


async def test_in_a_thread_beside_the_loop_of_the_service(pool: ThreadPoolExecutor) -> None:
    async with start_service(ROUTES) as service:
        waiting = pool.submit(service.wait_for_call("fact", timeout=LONG).block)
        wait_until_heard(service._journal.bell)
    with pytest.raises(AssertionError, match="until the service was stopped, got none"):
        waiting.result(SOON)


async def test_in_another_loop() -> None:
    with run_service(ROUTES) as service:
        waiting = asyncio.create_task(service.wait_for_call("fact", timeout=LONG))
        await asyncio.sleep(0)
    async with asyncio.timeout(SOON):
        with pytest.raises(AssertionError, match="until the service was stopped, got none"):
            await waiting


def test_in_trio() -> None:
    async def main() -> None:
        with trio.fail_after(SOON):
            async with trio.open_nursery() as nursery:
                with run_service(ROUTES) as service:
                    nursery.start_soon(expect_end, service)
                    await trio.testing.wait_all_tasks_blocked()

    async def expect_end(service: MockService) -> None:
        with pytest.raises(AssertionError, match="until the service was stopped, got none"):
            await service.wait_for_call("fact", timeout=LONG)

    trio.run(main)


def test_calls_that_came_before_are_enough(pool: ThreadPoolExecutor) -> None:
    """Also for one who asks only when the service has been stopped."""
    with run_service(ROUTES) as service:
        service.register("fact", RawResponse())
        waiting = pool.submit(service.wait_for_call("fact", timeout=LONG).block)
        assert get(service.url / "fact") == 200
    assert len(waiting.result(SOON)) == 1
    assert len(service.wait_for_call("fact", timeout=LONG).block()) == 1
    with pytest.raises(AssertionError, match="waited for 2 calls until the service was stopped"):
        service.wait_for_call("fact", times=2, timeout=LONG).block()


def test_a_service_that_is_entered_again_is_waited_for_again(pool: ThreadPoolExecutor) -> None:
    run = run_service(ROUTES)
    for _ in range(2):
        with run as service:
            service.register("fact", RawResponse())
            waiting = pool.submit(service.wait_for_call("fact", timeout=LONG).block)
            assert get(service.url / "fact") == 200
            assert waiting.result(SOON)
            service.reset()


def test_an_outage_is_no_end(pool: ThreadPoolExecutor) -> None:
    with run_service(ROUTES) as service:
        service.register("fact", RawResponse())
        waiting = pool.submit(service.wait_for_call("fact", timeout=LONG).block)
        wait_until_heard(service._journal.bell)
        with service.outage():
            assert not waiting.done()
        get(service.url / "fact")
        assert waiting.result(SOON)


def test_that_of_a_proxy(pool: ThreadPoolExecutor) -> None:
    with run_proxy() as proxy:
        waiting = pool.submit(proxy.wait_for_call(target="http://cats.test", timeout=LONG).block)
        wait_until_heard(proxy._journal.bell)
    with pytest.raises(AssertionError, match="waited for 1 matching call until the service was"):
        waiting.result(SOON)


async def test_that_of_a_proxy_in_the_loop() -> None:
    async with start_proxy() as proxy:
        waiting = asyncio.create_task(proxy.wait_for_call(timeout=LONG))
        await asyncio.sleep(0)
    async with asyncio.timeout(SOON):
        with pytest.raises(AssertionError, match="call until the service was stopped, got none"):
            await waiting


@pytest.mark.parametrize("thread", [True, False])
def test_that_of_the_fixture(pool: ThreadPoolExecutor, *, thread: bool) -> None:
    service = FixtureService(ROUTES)
    service.bind()
    service.attachments = attachments = Attachments(service, thread=thread)

    async def main() -> None:
        service.register("fact", RawResponse())
        await asyncio.to_thread(get, service.url / "fact")

    asyncio.run(main())
    waiting = pool.submit(service.wait_for_call("create", timeout=LONG).block)
    wait_until_heard(service._journal.bell)
    attachments.stop()
    with pytest.raises(AssertionError, match="until the service was stopped"):
        waiting.result(SOON)


def test_a_thread_that_dies_ends_the_wait_and_says_so(pool: ThreadPoolExecutor) -> None:
    def die(request: object) -> object:
        raise KeyboardInterrupt

    with pytest.raises(ServiceThreadError), run_service(ROUTES) as service:
        service.register("fact", CallbackResponse(die))
        waiting = pool.submit(service.wait_for_call("create", timeout=LONG).block)
        with suppress(requests.ConnectionError):
            get(service.url / "fact")
        with pytest.raises(AssertionError) as caught:
            waiting.result(SOON)
    assert "until the thread of the server ended: KeyboardInterrupt, got none" in str(caught.value)


def test_a_thread_that_does_not_end_is_not_waited_for(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And when it ends at last, it does not end the next life of the service."""
    let_go, entered = threading.Event(), threading.Event()

    def block(request: object) -> object:
        entered.set()
        let_go.wait(SOON)
        return {}

    monkeypatch.setattr(thread_module, "_END_TIMEOUT", 0.05)
    run = run_service(ROUTES)
    with pytest.raises(ServiceThreadError), run as service:
        service.register("fact", CallbackResponse(block))
        waiting = pool.submit(service.wait_for_call("create", timeout=LONG).block)
        asking = pool.submit(get, service.url / "fact")
        assert entered.wait(SOON)
        (old,) = [item for item in threading.enumerate() if item.name == "asyncly mock server"]
    with pytest.raises(AssertionError, match="until the service was stopped"):
        waiting.result(SOON)
    monkeypatch.undo()
    with run as service:
        service.register("create", RawResponse())
        let_go.set()
        old.join(SOON)
        asking.exception(SOON)
        waiting = pool.submit(service.wait_for_call("create", timeout=LONG).block)
        requests.post(f"{service.url}/orders", timeout=SOON)
        assert waiting.result(SOON)


# --- a gate, a stream ---------------------------------------------------------------------


def gated(handle: Gate) -> GatedResponse:
    return GatedResponse(RawResponse(), handle)


Handle = tuple["Callable[[], Any]", "Callable[[Any], Any]", "Callable[..., Wait[Any]]"]
HANDLES: dict[str, Handle] = {
    "gate": (Gate, gated, lambda gate, timeout=LONG: gate.waiting(2, timeout=timeout)),
    "inside": (
        Gate,
        lambda gate: SequenceResponse([RawResponse(), gated(gate)]),
        lambda gate, timeout=LONG: gate.waiting(2, timeout=timeout),
    ),
    "live": (
        lambda: LiveStream("sse"),
        lambda live: live,
        lambda live, timeout=LONG: live.accept(timeout=timeout),
    ),
}
TEXTS = {
    "gate": "waited for 2 requests at the gate until the service was stopped, got none",
    "inside": "waited for 2 requests at the gate until the service was stopped, got none",
    "live": (
        "no client came to LiveStream('sse', status=200, headers=None) until the service was "
        "stopped\nregistered for 'fact'\n0 accepted before, 0 open now\n"
        "no request came at all: does the client call service.url?"
    ),
}


@pytest.mark.parametrize("kind", HANDLES)
def test_a_handle_that_another_thread_waits_at(kind: str, pool: ThreadPoolExecutor) -> None:
    make, lead, wait = HANDLES[kind]
    handle = make()
    with run_service(ROUTES) as service:
        waiting = pool.submit(wait(handle).block)  # it may be registered later
        service.register("fact", lead(handle))
    with pytest.raises(AssertionError) as caught:
        waiting.result(SOON)
    assert str(caught.value) == TEXTS[kind]


@pytest.mark.parametrize("kind", HANDLES)
async def test_a_handle_in_the_loop_of_the_service(kind: str) -> None:
    make, lead, wait = HANDLES[kind]
    handle = make()
    async with start_service(ROUTES) as service:
        service.register("fact", lead(handle))
        waiting = asyncio.create_task(wait(handle, None))
        await asyncio.sleep(0)
    async with asyncio.timeout(SOON):
        with pytest.raises(AssertionError) as caught:
            await waiting
    assert str(caught.value) == TEXTS[kind]


@pytest.mark.parametrize("kind", HANDLES)
def test_a_handle_of_two_services_is_waited_at_until_both_are_stopped(
    kind: str, pool: ThreadPoolExecutor
) -> None:
    make, lead, wait = HANDLES[kind]
    handle = make()
    with run_service(ROUTES) as first:
        first.register("fact", lead(handle))
        with run_service(ROUTES) as second:
            second.register("fact", lead(handle))
            waiting = pool.submit(wait(handle).block)
        assert not waiting.done()
        assert handle._lives.end is None
    with pytest.raises(AssertionError, match="until the service was stopped"):
        waiting.result(SOON)


@pytest.mark.parametrize("kind", HANDLES)
def test_a_handle_whose_service_is_forgotten(kind: str) -> None:
    make, lead, wait = HANDLES[kind]
    handle = make()

    def serve() -> None:
        with run_service(ROUTES) as service:
            service.register("fact", lead(handle))

    serve()
    with pytest.raises(AssertionError, match=r"until the service (was stopped|is gone)"):
        wait(handle).block()


@pytest.mark.parametrize("kind", HANDLES)
def test_a_handle_that_is_registered_nowhere_is_waited_at(kind: str) -> None:
    make, _, wait = HANDLES[kind]
    task = wait(make())
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(task, 0.01))


def test_who_stood_at_the_gate_is_told(pool: ThreadPoolExecutor) -> None:
    gate = Gate()
    with run_service(ROUTES) as service:
        service.register("fact", gated(gate))
        waiting = pool.submit(gate.waiting(2, timeout=LONG).block)
        asking = pool.submit(get, service.url / "fact")
        assert len(gate.waiting(timeout=SOON).block()) == 1
    assert isinstance(asking.exception(SOON), requests.ConnectionError)
    with pytest.raises(AssertionError) as caught:
        waiting.result(SOON)
    assert str(caught.value) == (
        "waited for 2 requests at the gate until the service was stopped, got none\n"
        "  before: 0 let through, 1 left"
    )


# --- a connection -------------------------------------------------------------------------


def test_a_websocket_that_is_listened_to(pool: ThreadPoolExecutor) -> None:
    live = LiveStream("websocket")
    with ExitStack() as stack:
        with run_service(ROUTES) as service:
            service.register("fact", live)
            url = str(service.url.with_scheme("ws") / "fact")
            stack.enter_context(websockets.sync.client.connect(url))
            conn = live.accept(timeout=SOON).block()
            receiving = pool.submit(conn.receive(timeout=LONG).block)
            closing = pool.submit(conn.closed(timeout=LONG).block)
            ending = pool.submit(service.connections[0].closed(timeout=LONG).block)
            wait_until_heard(conn._bell, 2)
            wait_until_heard(service._connections._bell)
        with pytest.raises(StreamClosedError, match="has ended: the service was stopped"):
            receiving.result(SOON)
        assert closing.result(SOON).by == "service"
        assert ending.result(SOON).closed_by == "server"


async def test_a_connection_in_the_loop_of_the_service() -> None:
    """Its response takes a few turns to end, and is waited for."""
    tidied = asyncio.Event()

    async def linger(request: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(20):
                await asyncio.sleep(0)
            tidied.set()

    async with start_service(ROUTES) as service:
        service.register("fact", CallbackResponse(linger))
        assert service.url.host is not None
        _, writer = await asyncio.open_connection(service.url.host, service.url.port)
        writer.write(b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\n")
        await service.wait_for_call("fact")
        ending = asyncio.create_task(service.connections[0].closed(timeout=LONG))
        await asyncio.sleep(0)
    async with asyncio.timeout(SOON):
        assert (await ending).closed_by == "server"
    assert tidied.is_set()
    writer.close()


def test_a_connection_whose_response_never_ends(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thread_module, "_TASKS_TIMEOUT", 0.05)

    async def stay(request: object) -> object:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)  # it is destroyed, and that is told
        over = loop.create_future()
        while not over.done():
            with suppress(asyncio.CancelledError):
                await asyncio.shield(over)
        return {}

    with run_service(ROUTES) as service:
        service.register("fact", CallbackResponse(stay))
        asking = pool.submit(get, service.url / "fact")
        service.wait_for_call("fact").block()
        ending = pool.submit(service.connections[0].closed(timeout=LONG).block)
        wait_until_heard(service._connections._bell)
    with pytest.raises(AssertionError) as caught:
        ending.result(SOON)
    assert str(caught.value).startswith("waited for the end of connection 1: closed by the server")
    assert str(caught.value).endswith(
        " until the service was stopped; its response has not ended yet"
    )
    assert isinstance(asking.exception(SOON), requests.ConnectionError)
