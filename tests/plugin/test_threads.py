"""A service on a thread of its own, used by many threads at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import requests

from asyncly.srvmocker import JsonResponse, MockRoute, SequenceResponse

if TYPE_CHECKING:
    from collections.abc import Callable

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


@pytest.mark.mock_service(routes=ROUTES)
def test_threads_may_register_reset_and_ask_while_requests_come(mock_service: MockService) -> None:
    failures: list[BaseException] = []

    def repeat(work: Callable[[MockService, int], None]) -> None:
        try:
            for number in range(60):
                work(mock_service, number)
        except BaseException as error:
            failures.append(error)

    mock_service.register("fact", JsonResponse({}))
    mock_service.register("cycle", JsonResponse({}))
    threads = [threading.Thread(target=repeat, args=[work]) for work in (register, ask, look) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failures == []
    assert mock_service.errors == ()
    mock_service.reset()
    ask(mock_service, 0)
    mock_service.assert_called("fact", times=1)
