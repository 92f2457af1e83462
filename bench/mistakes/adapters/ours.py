"""This package: routes by name, expectations afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asyncly.srvmocker import CallbackResponse, JsonResponse, MockRoute, start_service

from ..reading import answer_order

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from asyncly.srvmocker import MockService

    from ..cases import Call, Case
    from ..reading import Reading


def _serve(*calls: Call) -> AbstractAsyncContextManager[MockService]:
    return start_service([MockRoute(c.method, c.path, _name(c)) for c in calls])


def _name(call: Call) -> str:
    return "confirm" if call.path.endswith("confirm") else "create"


def _wish(call: Call) -> dict[str, Any]:
    named = {
        "json": call.json,
        "body": call.body,
        "form": call.form,
        "headers": call.headers,
        "query": call.query,
        "cookies": call.cookies,
    }
    return {name: value for name, value in named.items() if value}


async def _send(service: MockService, case: Case, reading: Reading) -> None:
    for name in {_name(call) for call in case.expected}:
        service.register(name, JsonResponse({"id": 1}))
    for call in case.sent:
        await reading.send(str(service.url).rstrip("/"), call)


async def differs(case: Case, reading: Reading) -> None:
    (expected,) = case.expected
    async with _serve(expected) as service:
        await _send(service, case, reading)
        with reading:
            service.assert_called("create", **_wish(expected))


async def count(case: Case, reading: Reading) -> None:
    async with _serve(case.expected[0]) as service:
        await _send(service, case, reading)
        with reading:
            service.assert_called("create", times=len(case.expected))


async def order(case: Case, reading: Reading) -> None:
    async with _serve(*case.expected) as service:
        await _send(service, case, reading)
        with reading:
            service.assert_called_in_order("create", "confirm")


async def typo(case: Case, reading: Reading) -> None:
    async with _serve(*case.expected) as service:
        await _send(service, case, reading)
        with reading:
            service.assert_called("creat")


async def raises(case: Case, reading: Reading) -> None:
    async with _serve(*case.expected) as service:
        service.register("create", CallbackResponse(answer_order))
        await reading.send(str(service.url).rstrip("/"), *case.sent)
