"""Waiting for the next exchange, without polling, from asyncio or trio."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from .journal import Exchange, Journal

__all__ = ["wait_until"]


async def wait_until(
    journal: Journal, satisfied: Callable[[], bool], *, timeout: float | None
) -> bool:
    """Wait until `satisfied()` is true, asking again whenever an exchange is recorded.

    The waiting side may run in another thread or loop than the server: a wake-up is the
    only thing that crosses.

    Args:
        journal: whose exchanges wake the wait.
        satisfied: asked in the waiting thread.
        timeout: seconds; None waits for ever.

    Returns:
        Whether it was satisfied in time.
    """
    if "trio" in sys.modules and not _in_asyncio():
        return await _wait_in_trio(journal, satisfied, timeout)
    loop = asyncio.get_running_loop()
    news = asyncio.Event()

    def wake(_: Exchange) -> None:
        loop.call_soon_threadsafe(news.set)

    stop = journal.watch(wake)
    try:
        async with asyncio.timeout(timeout):
            while not satisfied():
                await news.wait()
                news.clear()
    except TimeoutError:
        return satisfied()
    finally:
        stop()
    return True


def _in_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _wait_in_trio(
    journal: Journal, satisfied: Callable[[], bool], timeout: float | None
) -> bool:
    trio: Any = sys.modules["trio"]
    token = trio.lowlevel.current_trio_token()
    news = trio.Event()

    def ring() -> None:
        nonlocal news
        news.set()
        news = trio.Event()

    def wake(_: Exchange) -> None:
        token.run_sync_soon(ring)

    stop = journal.watch(wake)
    try:
        with trio.move_on_after(float("inf") if timeout is None else timeout):
            while True:
                # The event is taken before the question: a ring in between is not lost.
                current = news
                if satisfied():
                    return True
                await current.wait()
    finally:
        stop()
    return satisfied()
