"""What a connection begins with, before anybody has read it."""

from __future__ import annotations

import asyncio
import socket

__all__ = ["HANDSHAKE", "begins_with_tls", "peek"]

HANDSHAKE = b"\x16"
"""What every TLS connection begins with: the type of a record that shakes hands (RFC 8446 §5.1)."""


async def begins_with_tls(raw: socket.socket) -> bool:
    """Wait for the first byte of a connection and tell whether it speaks TLS.

    One that ends without a word does not, nor does any where the loop cannot tell (Windows).
    """
    try:
        return await peek(raw) == HANDSHAKE
    except (OSError, NotImplementedError):
        return False


async def peek(raw: socket.socket) -> bytes:
    """Wait for the first byte of a connection and return it; it stays there to be read.

    Args:
        raw: the connection; it must not block, and nothing else may read it meanwhile.

    Returns:
        The byte, or nothing if the client has ended the connection.

    Raises:
        OSError: the client has reset it.
        NotImplementedError: the loop cannot tell (Windows' proactor).
    """
    loop = asyncio.get_running_loop()
    while True:
        try:
            return raw.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            pass
        news = loop.create_future()
        loop.add_reader(raw, _wake, news)
        try:
            await news
        finally:
            loop.remove_reader(raw)


def _wake(news: asyncio.Future[None]) -> None:
    if not news.done():
        news.set_result(None)
