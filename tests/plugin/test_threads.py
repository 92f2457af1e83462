"""A service on a thread of its own, used by many threads at once."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest
import requests

from asyncly.srvmocker import JsonResponse, MockRoute, SequenceResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asyncly.srvmocker import MockService

ROUTES = [MockRoute("GET", f"/{name}", name) for name in ("fact", "cycle", "free")]


def register(service: MockService, number: int) -> None:
    service.register("fact", JsonResponse({"n": number}))
    service.register("cycle", SequenceResponse([JsonResponse(number)], "cycle"))
    assert set(service.handlers) == {"fact", "cycle"}
    service.reset()


def ask(service: MockService, number: int) -> None:
    for path in ("fact", "cycle"):
        answer = requests.get(str(service.url / path), timeout=30)
        assert answer.status_code == 200, answer.text


def look(service: MockService, number: int) -> None:
    assert all(call.path == "/fact" for call in service.get_calls("fact"))
    assert all(exchange.route for exchange in service.exchanges)
    assert service.unmatched == ()
    service.assert_not_called("free")


@pytest.fixture
def many_switches() -> Iterator[None]:
    """Let threads take turns within nearly every step of Python."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("many_switches")
@pytest.mark.mock_service(routes=[MockRoute("GET", f"/{n}", f"n{n}") for n in range(100)])
def test_new_names_may_be_registered_while_others_look(mock_service: MockService) -> None:
    def register(service: MockService, number: int) -> None:
        service.reset(responses=True)
        for name in range(100):
            service.register(f"n{name}", JsonResponse(number))

    def look(service: MockService, number: int) -> None:
        for _ in range(30):
            service.reset()
            assert len(service.handlers) <= 100
        assert len(service.unused) <= 100

    assert run_in_threads(mock_service, [register, look, look]) == []


def run_in_threads(
    service: MockService, works: list[Callable[[MockService, int], None]]
) -> list[BaseException]:
    """Do each of these often, each in a thread; return what they raise."""
    failures: list[BaseException] = []

    def repeat(work: Callable[[MockService, int], None]) -> None:
        try:
            for number in range(60):
                work(service, number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=repeat, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return failures


@pytest.mark.mock_service(routes=ROUTES)
def test_threads_may_register_reset_and_ask_while_requests_come(mock_service: MockService) -> None:
    mock_service.register("fact", JsonResponse({}))
    mock_service.register("cycle", JsonResponse({}))

    assert run_in_threads(mock_service, [register, ask, look] * 3) == []

    assert mock_service.errors == ()
    mock_service.reset()
    ask(mock_service, 0)
    mock_service.assert_called("fact", times=1)
