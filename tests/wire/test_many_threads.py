"""A service on a thread, used by many threads at once while clients call it: nothing breaks."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest
import requests
from websockets.sync.client import connect as ws_connect

from asyncly.srvmocker import (
    Barrier,
    Gate,
    GatedResponse,
    JsonResponse,
    LiveStream,
    MockRoute,
    MockService,
    RawResponse,
    SequenceResponse,
    StreamClosedError,
    run_service,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

ROUTES = [MockRoute("GET", f"/{name}", name) for name in ("fact", "cycle", "events", "free")]
TIMEOUT = 30


@pytest.fixture(autouse=True)
def many_switches() -> Iterator[None]:
    """Let threads take turns within nearly every step of Python."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


@pytest.fixture
def service() -> Iterator[MockService]:
    with run_service(ROUTES, journal_limit=5) as service:
        service.register("fact", JsonResponse({"fact": "Meow."}))
        service.register("cycle", SequenceResponse([JsonResponse(1), JsonResponse(2)], "cycle"))
        yield service
        assert service.errors == ()


def get(service: MockService, path: str = "fact", **options: Any) -> requests.Response:
    return requests.get(str(service.url / path), timeout=TIMEOUT, **options)


def repeat(work: Callable[[], object], times: int) -> None:
    for _ in range(times):
        work()


def finish(futures: list[Future[Any]]) -> list[Any]:
    return [future.result(TIMEOUT) for future in futures]


def look(service: MockService) -> None:
    assert all(call.path in ("/fact", "/cycle") for call in service.history)
    assert all(exchange.route for exchange in service.exchanges)
    assert set(service.history_map) == {"fact", "cycle", "events", "free"}
    assert set(service.handlers) >= {"fact", "cycle"}
    assert len(service.get_calls("cycle")) <= 5
    assert service.unmatched == ()
    assert len(service.unused) <= 2
    for record in service.connections:
        assert record.requests >= 0
        assert str(record).startswith(f"connection {record.number}: ")
        assert (record.bytes_in or 0) >= 0
    service.assert_not_called("free")
    with suppress(AssertionError):  # it was reset
        assert service.last_call("fact").method == "GET"
    assert repr(service).startswith("<MockService http://127.0.0.1:")


def test_it_may_be_asked_set_and_reset_while_requests_come(
    service: MockService, pool: ThreadPoolExecutor
) -> None:
    def ask() -> None:
        for path in ("fact", "cycle", "fact"):
            assert get(service, path).status_code == 200

    def change() -> None:
        service.register("fact", JsonResponse({"fact": "Purr."}))
        service.register("cycle", SequenceResponse([JsonResponse(1), JsonResponse(2)], "cycle"))
        service.reset()

    works = [ask] * 4 + [change] * 2 + [lambda: look(service)] * 4
    finish([pool.submit(repeat, work, 60) for work in works])

    service.reset()
    get(service)
    service.assert_called("fact", times=1)


def test_many_may_wait_for_calls_at_once(service: MockService, pool: ThreadPoolExecutor) -> None:
    with run_service(ROUTES) as service:
        service.register("fact", RawResponse())

        def wait(times: int) -> int:
            return len(service.wait_for_call("fact", times=times, timeout=TIMEOUT).block())

        waits = [pool.submit(wait, times) for times in range(1, 11)]
        asks = [pool.submit(repeat, lambda: get(service), 5) for _ in range(2)]
        finish(asks)
        assert all(found >= times for times, found in enumerate(finish(waits), 1))


def test_it_may_go_down_and_up_in_several_threads(
    service: MockService, pool: ThreadPoolExecutor
) -> None:
    outcomes: list[str] = []  # appending is one step, counting in threads is not

    def ask() -> None:
        try:
            outcomes.append(str(get(service).status_code))
        except requests.ConnectionError:
            outcomes.append("cut")

    def change() -> None:
        for wait in (service.down, service.up):
            try:
                wait().block()
            except RuntimeError as error:
                outcomes.append(str(error))

    finish([pool.submit(repeat, work, 40) for work in [ask] * 4 + [change] * 3])

    service.up().block()
    assert get(service).status_code == 200
    refused = "the port is changing already; await the other call first"
    assert {text.partition(": ")[2] or text for text in outcomes} <= {"200", "cut", refused}
    assert outcomes.count("200") + outcomes.count("cut") == 160


def test_a_gate_may_be_moved_by_several_threads(
    service: MockService, pool: ThreadPoolExecutor
) -> None:
    gate = Gate()
    service.register("fact", GatedResponse(RawResponse("through"), gate))
    done = threading.Event()

    def move() -> None:
        while not done.is_set():
            gate.release()
            gate.fail(RawResponse("busy", 503))
            gate.open()
            gate.close()
            assert len(gate.standing) <= 4
            with suppress(AssertionError):
                gate.waiting(timeout=0.001).block()
            assert repr(gate).startswith("<Gate, ")

    def ask() -> None:
        answer = get(service)
        assert (answer.status_code, answer.text) in ((200, "through"), (503, "busy"))

    moving = [pool.submit(move) for _ in range(2)]
    try:
        finish([pool.submit(repeat, ask, 40) for _ in range(4)])
    finally:
        done.set()
    finish(moving)
    assert gate.standing == ()


def test_a_barrier_lets_threads_through_together(pool: ThreadPoolExecutor) -> None:
    with run_service(ROUTES) as service:
        service.register("fact", GatedResponse(RawResponse("together"), Barrier(4)))
        finish([pool.submit(repeat, lambda: get(service), 10) for _ in range(4)])
        assert service.max_in_flight("fact") == 4
        assert len(service.intervals("fact")) == 39


def test_streams_are_driven_by_several_threads(
    service: MockService, pool: ThreadPoolExecutor
) -> None:
    live = LiveStream("chunked")
    service.register("events", live)

    def listen() -> bytes:
        return get(service, "events").content

    def drive() -> str:
        conn = live.accept(TIMEOUT).block()
        for number in range(20):
            conn.send(b"%d " % number).block()
            assert conn.is_open
        assert conn in live.connections
        conn.close().block()
        return conn.closed(TIMEOUT).block().by

    listening = [pool.submit(listen) for _ in range(6)]
    driving = [pool.submit(drive) for _ in range(6)]
    assert set(finish(driving)) == {"test"}
    assert set(finish(listening)) == {b"".join(b"%d " % number for number in range(20))}
    with pytest.raises(AssertionError, match="registered for 'events'"):
        live.accept(0).block()


def test_one_stream_is_driven_by_several_threads(
    service: MockService, pool: ThreadPoolExecutor
) -> None:
    live = LiveStream("ndjson")
    service.register("events", live)
    listening = pool.submit(get, service, "events")
    conn = live.accept(TIMEOUT).block()
    finish([pool.submit(repeat, lambda: conn.send(1).block(), 20) for _ in range(5)])
    finish([pool.submit(lambda: conn.close().block()) for _ in range(5)])
    assert listening.result(TIMEOUT).text == "1\n" * 100


def test_websockets_are_driven_by_several_threads(
    service: MockService, pool: ThreadPoolExecutor
) -> None:
    live = LiveStream("websocket")
    service.register("events", live)
    url = str(service.url.with_scheme("ws") / "events")

    def talk() -> None:
        with ws_connect(url, proxy=None, open_timeout=TIMEOUT) as client:
            for number in range(10):
                client.send(str(number))
                assert client.recv(TIMEOUT) == f"{number}!"

    def drive() -> tuple[str, int | None]:
        conn = live.accept(TIMEOUT).block()
        for _ in range(10):
            conn.send(f"{conn.receive(TIMEOUT).block()!s}!").block()
        end = conn.closed(TIMEOUT).block()
        return end.by, end.code

    talking = [pool.submit(talk) for _ in range(5)]
    driving = [pool.submit(drive) for _ in range(5)]
    finish(talking)
    assert set(finish(driving)) == {("client", 1000)}


def test_the_ends_of_connections_are_waited_for_while_others_come(
    service: MockService, pool: ThreadPoolExecutor
) -> None:
    def ask() -> None:
        assert get(service).status_code == 200

    def wait() -> None:
        for record in service.connections:
            assert record.closed(timeout=TIMEOUT).block().closed_by == "client"

    finish([pool.submit(repeat, work, 30) for work in [ask] * 4 + [wait] * 4])
    wait()


@pytest.mark.parametrize("round_", range(6))
def test_who_waits_when_it_ends_is_told(pool: ThreadPoolExecutor, round_: int) -> None:
    """Nobody waits without end for something that a service does that is no more."""
    live, other = LiveStream("websocket"), LiveStream("chunked")
    with ExitStack() as clients:
        with run_service(ROUTES) as service:
            service.register("events", live)
            service.register("free", other)
            url = str(service.url.with_scheme("ws") / "events")
            clients.enter_context(ws_connect(url, proxy=None))
            clients.enter_context(get(service, "free", stream=True))
            conn, stuck = live.accept(TIMEOUT).block(), other.accept(TIMEOUT).block()

            def change() -> None:
                service.down().block()
                service.up().block()

            works: list[Callable[[], object]] = [
                lambda: conn.receive(None).block(),
                lambda: conn.closed(None).block(),
                lambda: stuck.send(bytes(1 << 25)).block(),  # more than the sockets take
                lambda: stuck.closed(None).block(),
                lambda: repeat(lambda: conn.send("more").block(), 1_000_000),
            ]
            if round_ % 2:
                works.append(lambda: repeat(change, 1_000_000))
            waits = [pool.submit(_end_of, work) for work in works]
            service.wait_for_call("events").block()
        for told in finish(waits):
            assert any(word in told for word in ("was stopped", "does not run", "closed")), told


def _end_of(work: Callable[[], object]) -> str:
    """Return what it gives or raises, as text."""
    try:
        return str(work())
    except (StreamClosedError, RuntimeError) as error:
        return str(error)


def test_who_waits_gets_the_calls_that_ended_the_wait(pool: ThreadPoolExecutor) -> None:
    with run_service(ROUTES) as service:
        service.register("fact", RawResponse())
        over = threading.Event()

        def forget() -> None:
            while not over.is_set():
                service.reset()

        def ask() -> None:
            while not over.is_set():
                get(service)

        working = [pool.submit(forget), pool.submit(ask)]
        try:
            for _ in range(20):
                wait = service.wait_for_call("fact", timeout=TIMEOUT)
                assert len(wait.block()) >= 1
        finally:
            over.set()
        finish(working)
