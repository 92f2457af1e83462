"""Writing to a client that may not read, where the one who writes may stop waiting."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from aiohttp import web

__all__ = ["write_unbroken"]

_ROOM = 16 * 1024
"""Bytes that a transport takes, at the least, before it pauses its protocol."""


async def write_unbroken(
    request: web.BaseRequest, size: int, writing: Coroutine[Any, Any, None]
) -> None:
    """Await a write in such a way that its cancellation harms no other one.

    All writes to a client that does not read wait in aiohttp for one future. Who is cancelled
    there, by a timeout for example, cancels it for everybody, and for all that is written later.

    Args:
        request: whose connection it is.
        size: bytes of it.
        writing: the write; it goes on to its end also if this is cancelled.

    Raises:
        ConnectionError: the client has left.
    """
    transport, protocol = request.transport, request.protocol
    waits = (
        transport is not None
        and protocol is not None
        and (protocol.writing_paused or transport.get_write_buffer_size() + size >= _ROOM)
    )
    await (asyncio.shield(writing) if waits else writing)  # a task is made only where it may wait
