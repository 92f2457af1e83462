"""A service on a thread of its own: its life, for clients and tests that have no loop."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import unittest
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import requests
import trio
import trustme

from asyncly.srvmocker import (
    CallbackResponse,
    Gate,
    GatedResponse,
    JsonResponse,
    MockRoute,
    MockService,
    RawResponse,
    ServiceThreadError,
    StallResponse,
    run_proxy,
    run_service,
    start_proxy,
    start_service,
)
from asyncly.srvmocker.server import thread as thread_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUTES = [MockRoute("GET", "/fact", "fact"), MockRoute("POST", "/orders", "create")]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Neither a thread, nor a socket, nor anything that should have been closed."""
    gc.collect()
    threads, sockets = set(threading.enumerate()), _sockets()
    yield
    gc.collect()
    for ending in set(threading.enumerate()) - threads:
        ending.join(5)
    assert set(threading.enumerate()) <= threads
    assert _sockets() <= sockets


def _sockets() -> set[str]:
    found = set()
    for path in Path("/proc/self/fd").iterdir():
        try:
            found.add(str(path.readlink()))
        except FileNotFoundError:  # the descriptor of the listing itself
            continue
    return {link for link in found if link.startswith("socket:")}


def ask(service: MockService) -> requests.Response:
    return requests.get(str(service.url / "fact"), timeout=30)


# --- what a test does with it -------------------------------------------------------------


def test_requests() -> None:
    with run_service(ROUTES) as service:
        assert type(service) is MockService
        service.register("create", JsonResponse({"id": 7}, 201))
        answer = requests.post(f"{service.url}/orders", json={"qty": 3}, timeout=30)
        assert (answer.status_code, answer.json()) == (201, {"id": 7})
        service.assert_called("create", times=1, json={"qty": 3})
        assert service.last_call("create").json() == {"qty": 3}
        service.reset()
        assert service.history == ()


def test_urllib_and_httpx() -> None:
    with run_service(ROUTES) as service:
        service.register("fact", RawResponse("Meow."))
        url = str(service.url / "fact")
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert answer.read() == b"Meow."
        assert httpx.get(url, timeout=30).text == "Meow."
        service.assert_called("fact", times=2)


def test_a_wait_blocks_in_the_test() -> None:
    gate = Gate()
    with run_service(ROUTES) as service, ThreadPoolExecutor(1) as pool:
        service.register("fact", GatedResponse(RawResponse("Meow."), gate))
        fetching = pool.submit(ask, service)
        (call,) = service.wait_for_call("fact").block()
        assert gate.waiting().block() == [call]
        gate.release()
        assert fetching.result().text == "Meow."


def test_curl() -> None:
    with run_service(ROUTES) as service:
        service.register("fact", RawResponse("Meow."))
        run = subprocess.run(
            ["curl", "-s", str(service.url / "fact")], capture_output=True, text=True, check=True
        )
        assert run.stdout == "Meow."
        service.assert_called("fact", times=1)


def test_another_process() -> None:
    script = (
        "import os, urllib.request\n"
        "with urllib.request.urlopen(os.environ['FACTS'] + '/fact') as answer:\n"
        "    print(answer.read().decode())\n"
    )
    with run_service(ROUTES) as service:
        service.register("fact", JsonResponse({"fact": "Meow."}))
        run = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "FACTS": str(service.url).rstrip("/")},
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(run.stdout) == {"fact": "Meow."}


def test_trio() -> None:
    async def main() -> None:
        with run_service(ROUTES) as service:
            service.register("fact", RawResponse("Meow."))
            async with httpx.AsyncClient(base_url=str(service.url)) as client:
                assert (await client.get("/fact")).text == "Meow."
                await service.wait_for_call("fact")
                async with service.outage():
                    with pytest.raises(httpx.ConnectError):
                        await client.get("/fact")

    trio.run(main)


async def test_in_a_running_loop_that_is_blocked() -> None:
    with run_service(ROUTES) as service:
        service.register("fact", RawResponse("Meow."))
        assert ask(service).text == "Meow."
        await service.wait_for_call("fact")
        await service.down()
        with pytest.raises(requests.ConnectionError):
            ask(service)
        await service.up()
        with pytest.raises(RuntimeError, match=r"write `await service.down\(\)` instead"):
            service.down().block()


def test_unittest() -> None:
    class Case(unittest.TestCase):
        def setUp(self) -> None:
            self.service = self.enterContext(run_service(ROUTES))

        def test_fetch(self) -> None:
            self.service.register("fact", RawResponse("Meow."))
            assert ask(self.service).text == "Meow."

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(result)
    assert result.testsRun == 1
    assert result.wasSuccessful(), result


def test_a_proxy() -> None:
    with run_service(ROUTES) as service, run_proxy(auth=("login", "secret")) as proxy:
        service.register("fact", RawResponse("Meow."))
        assert proxy.url.host is not None
        through = f"http://login:secret@{proxy.url.host}:{proxy.url.port}"
        url = str(service.url / "fact")
        assert requests.get(url, proxies={"http": through}, timeout=30).text == "Meow."
        proxy.assert_called(target=url, times=1)


def test_tls() -> None:
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    with run_service(ROUTES, ssl_context=server) as service:
        service.register("fact", RawResponse("Meow."))
        assert service.url.scheme == "https"
        assert httpx.get(str(service.url / "fact"), verify=client, timeout=30).text == "Meow."


# --- how it begins ------------------------------------------------------------------------


@pytest.mark.parametrize(("run", "start"), [(run_service, start_service), (run_proxy, start_proxy)])
def test_the_arguments_are_those_of_the_other_one(run: Any, start: Any) -> None:
    assert inspect.signature(run).parameters == inspect.signature(start).parameters
    assert inspect.signature(run).return_annotation.startswith("AbstractContextManager[Mock")


def test_what_is_wrong_is_raised_where_it_is_called() -> None:
    with pytest.raises(TypeError, match="takes a list of MockRoute objects, got None"):
        run_service(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="unexpected keyword argument 'prot'"):
        run_service(ROUTES, prot=1)  # type: ignore[call-arg]
    with (
        run_service(ROUTES) as service,
        pytest.raises(OSError, match=r"cannot listen on 127.0.0.1:.*; use port=0 for a free one"),
        run_service(ROUTES, port=service.url.port or 0),
    ):
        pass


def test_what_fails_on_the_thread_is_raised_in_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    async def serve(self: MockService) -> None:
        raise OSError("the loop cannot serve")

    monkeypatch.setattr(MockService, "serve", serve)
    with pytest.raises(OSError, match="the loop cannot serve"), run_service(ROUTES):
        pass


def test_it_is_entered_once_at_a_time_and_may_be_entered_again() -> None:
    run = run_service(ROUTES)
    for _ in range(2):
        with run as service:
            service.register("fact", RawResponse("Meow."))
            assert ask(service).text == "Meow."
            with pytest.raises(RuntimeError, match="is already started"), run:
                pass


@pytest.fixture
def interrupts() -> Iterator[Callable[[], None]]:
    """Give what sends a Ctrl-C to the main thread, in which the test runs."""
    arrived = threading.Event()

    def handle(*_: object) -> None:
        arrived.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handle)
    main = threading.main_thread().ident
    assert main == threading.get_ident()

    def interrupt() -> None:
        arrived.clear()
        signal.pthread_kill(main, signal.SIGINT)
        arrived.wait(30)

    yield interrupt
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(sys.platform == "win32", reason="there no thread gets a signal")
def test_ctrl_c_while_it_begins(
    interrupts: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve = MockService.serve

    async def serve_slowly(self: MockService) -> Any:
        interrupts()
        return await serve(self)

    monkeypatch.setattr(MockService, "serve", serve_slowly)
    with pytest.raises(KeyboardInterrupt), run_service(ROUTES):
        pass


# --- how it ends --------------------------------------------------------------------------


def test_an_exception_of_the_block_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), run_service(ROUTES) as service:
        raise ZeroDivisionError
    with pytest.raises(requests.ConnectionError):
        ask(service)


@pytest.mark.skipif(sys.platform == "win32", reason="there no thread gets a signal")
def test_ctrl_c_while_a_client_waits(interrupts: Callable[[], None]) -> None:
    with pytest.raises(KeyboardInterrupt), run_service(ROUTES) as service:
        gate = Gate()
        service.register("fact", GatedResponse(RawResponse(), gate))

        def interrupt() -> None:
            gate.waiting().block()
            interrupts()

        interrupting = threading.Thread(target=interrupt)
        interrupting.start()
        try:
            ask(service)
        finally:
            interrupting.join()


@pytest.mark.skipif(sys.platform == "win32", reason="there no thread gets a signal")
def test_ctrl_c_while_it_ends(interrupts: Callable[[], None]) -> None:
    """The response does not end before the test has got its Ctrl-C."""
    leaving = threading.Event()

    def block(request: object) -> object:
        entered.set()
        leaving.wait(30)
        interrupts()
        return {}

    entered = threading.Event()
    with ThreadPoolExecutor(1) as pool, pytest.raises(KeyboardInterrupt):
        with run_service(ROUTES) as service:
            service.register("fact", CallbackResponse(block))
            fetching = pool.submit(ask, service)
            entered.wait(30)
            leaving.set()
        fetching.exception(30)


def test_many_in_a_row() -> None:
    for number in range(1000):
        with run_service(ROUTES) as service:
            if number % 100 == 0:
                service.register("fact", RawResponse("Meow."))
                assert ask(service).text == "Meow."


def test_one_in_another_and_many_at_once() -> None:
    with ExitStack() as stack:
        services = [stack.enter_context(run_service(ROUTES)) for _ in range(20)]
        assert len({service.url.port for service in services}) == 20
        for number, service in enumerate(services):
            service.register("fact", JsonResponse(number))
        with ThreadPoolExecutor(20) as pool:
            answers = [answer.json() for answer in pool.map(ask, services)]
        assert answers == list(range(20))


def test_clients_that_hang_do_not_keep_it() -> None:
    """Twenty wait for an answer, twenty have connected and say nothing."""
    with ExitStack() as stack:
        with run_service(ROUTES) as service:
            service.register("fact", StallResponse())
            assert service.url.host is not None
            assert service.url.port is not None
            address = (service.url.host, service.url.port)
            clients = [
                stack.enter_context(socket.create_connection(address, timeout=30))
                for _ in range(40)
            ]
            for client in clients[:20]:
                client.sendall(b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\n")
            service.wait_for_call("fact", times=20).block()
            assert len(service.connections) >= 20
        faults = {exchange.fault for exchange in service.exchanges}
        assert faults == {"the service was stopped"}
        for client in clients:
            try:
                while client.recv(65536):
                    pass
            except ConnectionError:
                continue


def test_what_a_response_left_behind_is_cancelled() -> None:
    ended: list[str] = []
    tasks: set[asyncio.Task[None]] = set()

    async def linger() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("task")

    async def answer(request: object) -> object:
        tasks.add(asyncio.create_task(linger()))
        await asyncio.sleep(0)
        asyncio.get_running_loop().run_in_executor(None, ended.append, "executor")
        return {}

    with run_service(ROUTES) as service:
        service.register("fact", CallbackResponse(answer))
        ask(service)
    assert sorted(ended) == ["executor", "task"]


# --- how it dies --------------------------------------------------------------------------


def die(request: object) -> object:
    raise KeyboardInterrupt


def test_a_thread_that_dies_is_reported_at_the_end() -> None:
    with pytest.raises(ServiceThreadError) as caught, run_service(ROUTES) as service:
        service.register("fact", CallbackResponse(die))
        for _ in range(2):  # cut off at first, refused from then on: nobody hangs
            with pytest.raises(requests.ConnectionError):
                ask(service)
    assert str(caught.value) == (
        f"the thread of <MockService {service.url}, 2 routes, 1 exchanges> has ended too early: "
        "KeyboardInterrupt"
    )
    assert isinstance(caught.value.__cause__, KeyboardInterrupt)
    assert service.errors == (caught.value,)


def test_a_thread_that_dies_is_named_by_the_error_that_it_brings_about() -> None:
    with pytest.raises(requests.ConnectionError) as caught, run_service(ROUTES) as service:
        service.register("fact", CallbackResponse(die))
        ask(service)
    (note,) = caught.value.__notes__
    assert "has ended too early: KeyboardInterrupt" in note


def test_a_response_may_not_stop_the_loop() -> None:
    def stop(request: object) -> object:
        asyncio.get_running_loop().stop()
        return {}

    with pytest.raises(ServiceThreadError, match="loop stopped before"), run_service(ROUTES) as it:
        it.register("fact", CallbackResponse(stop))
        with suppress(requests.ConnectionError):
            ask(it)
        with pytest.raises(requests.ConnectionError):
            ask(it)


def test_a_response_that_blocks_the_thread_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go, entered = threading.Event(), threading.Event()

    def block(request: object) -> object:
        entered.set()
        let_go.wait(30)
        return {}

    monkeypatch.setattr(thread_module, "_END_TIMEOUT", 0.05)
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(ServiceThreadError) as caught, run_service(ROUTES) as service:
            service.register("fact", CallbackResponse(block))
            fetching = pool.submit(ask, service)
            entered.wait(30)
        line = inspect.getsourcelines(block)[1] + 2
        assert str(caught.value) == (
            f"the thread of <MockService {service.url}, 2 routes, 1 exchanges> did not end within "
            f"0.05 s: it is blocked by\n  {__file__}:{line}: let_go.wait(30)\n"
            "  in threading.Event.wait → threading.Condition.wait"
        )
        let_go.set()
        fetching.exception(30)
    for thread in threading.enumerate():
        if thread.name == "asyncly mock server":
            thread.join(30)


def test_the_end_of_the_process_is_quiet() -> None:
    """One that nobody leaves, in a program with every warning on."""
    script = (
        "from asyncly.srvmocker import MockRoute, run_service\n"
        "run_service([MockRoute('GET', '/fact', 'fact')]).__enter__()\n"
    )
    run = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (run.stdout, run.stderr) == ("", "")


async def test_the_wrong_form_is_told_the_right_one() -> None:
    with pytest.raises(TypeError) as caught, start_service(ROUTES):  # type: ignore[attr-defined]
        pass
    assert str(caught.value) == (
        "`with start_service(...)` serves nothing: it is `async with start_service(...)` where a "
        "loop runs, and `with run_service(...)` where none does"
    )
    running = run_service(ROUTES)
    with pytest.raises(TypeError) as caught:
        async with running:  # type: ignore[attr-defined]
            pass
    assert str(caught.value) == (
        f"{running!r} is entered by `with`, without async: it has its own loop"
    )
    for block, what in ((running, "service"), (run_proxy(), "proxy")):
        with pytest.raises(AttributeError) as missing:
            getattr(block, "url")  # noqa: B009 - a type checker refuses it
        assert str(missing.value) == (
            f"'url' belongs to what the block gives: `with run_{what}(...) as {what}:`"
        )
    with pytest.raises(RuntimeError, match="was left already, or never entered"):
        running.__exit__(None, None, None)
