"""Run every case against every client."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asyncly import srvmocker
from asyncly.srvmocker import MockService, start_service

from . import frame
from .clients import CLIENTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from yarl import URL

    from .cases import Case

__all__ = ["Seen", "play"]

PATHS = {"GET": "fact", "POST": "orders"}
AT_ONCE = 6
"""Cases under way at the same time: enough for the timeouts to pass side by side."""


@dataclass(frozen=True)
class Seen:
    """What one client made of one case.

    Attributes:
        said: an exception, an exit code, or a status and a body.
        late: it took the client's timeout, or longer.
        again: the server got more requests than the user's code made.
        kept_back: the body of the request was not sent.
    """

    said: str
    late: bool = False
    again: bool = False
    kept_back: bool = False


def play(cases: Sequence[Case]) -> list[dict[str, Seen]]:
    """Return what each client makes of each case, in their order."""
    return asyncio.run(_play_all(cases))


async def _play_all(cases: Sequence[Case]) -> list[dict[str, Seen]]:
    # Two of the clients block a thread each; one that waits for a thread would seem late.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(4 * AT_ONCE))
    turns = asyncio.Semaphore(AT_ONCE)

    async def take_turn(case: Case) -> dict[str, Seen]:
        async with turns:
            return await _play_case(case)

    return await asyncio.gather(*map(take_turn, cases))


async def _play_case(case: Case) -> dict[str, Seen]:
    async with serve(case) as service, AsyncExitStack() as stack:
        service = await _bring_about(case, service, stack)
        url = service.url / PATHS[case.call.method]
        timed = await asyncio.gather(
            *(_time(client, url.with_query(by=client), case) for client in CLIENTS)
        )
        seen = {}
        for client, (said, seconds) in zip(CLIENTS, timed, strict=True):
            requests = [call for call in service.history if call.query.get("by") == client]
            seen[client] = Seen(
                said,
                late=seconds > 0.95 * case.timeout,
                again=len(requests) > case.call.times,
                kept_back=bool(case.call.body) and not any(call.body for call in requests),
            )
        return seen


def serve(case: Case) -> AbstractAsyncContextManager[MockService]:
    """Return the service of one case, not started yet."""
    return start_service(frame.ROUTES, tls=case.tls)


async def _bring_about(case: Case, service: MockService, stack: AsyncExitStack) -> MockService:
    """Do what the line says, as the recipe on the page does. Return whom to ask."""
    names: dict[str, Any] = {**vars(srvmocker), **vars(frame), "service": service}
    line = case.line.removesuffix(":").removesuffix(f" as {case.asked}")
    if line.startswith("async with "):
        entered = await stack.enter_async_context(eval(line.removeprefix("async with "), names))
        return entered if isinstance(entered, MockService) else service
    if line.startswith("await "):
        await eval(line.removeprefix("await "), names)
    else:
        exec(line, names)
    return service


async def _time(client: str, url: URL, case: Case) -> tuple[str, float]:
    loop = asyncio.get_running_loop()
    started = loop.time()
    said = await CLIENTS[client](url, case.timeout, case.call)
    return said, loop.time() - started
