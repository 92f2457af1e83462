"""Faults of a handshake that are played on the bare socket: no TLS takes place."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from ..responses.steps import NO_LINGER
from ..tls.alerts import ALERTS, alert_record
from .peek import HANDSHAKE, peek

if TYPE_CHECKING:
    from ..tls import TlsFault
    from .evidence import ConnectionRecord

__all__ = ["drain", "is_played", "play", "wait_for_hello"]

_LINGER = 1.0
"""Seconds that a client may take to leave, once it was told that there is no connection."""
_PLAIN_HTTP = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 11\r\nConnection: close\r\n\r\nBad Request"
)
_ALERTS = {"no_shared_cipher": "handshake_failure", "unknown_name": "unrecognized_name"}
_PLAYED = frozenset(
    {"alert", "old_version", "handshake_reset", "handshake_stall", "plain_http", *_ALERTS}
)


def is_played(fault: TlsFault) -> bool:
    """Tell whether a fault is played here; the others are in the certificate."""
    return fault.word in _PLAYED


async def wait_for_hello(raw: socket.socket) -> bool:
    """Wait until the client says something, and leave that unread. Return whether it is TLS.

    Raises:
        ConnectionResetError: it left without a word.
    """
    try:
        first = await peek(raw)
    except NotImplementedError:  # Windows: its loop has no readers
        return True
    if not first:
        raise ConnectionResetError
    return first == HANDSHAKE


async def play(
    fault: TlsFault, raw: socket.socket, record: ConnectionRecord, came: bytearray
) -> None:
    """Do to a client what the fault says, once it has sent its ClientHello.

    Args:
        fault: what to play.
        raw: the connection.
        record: what is known of it.
        came: takes what the client sends until then.

    Raises:
        OSError: it left before that.
    """
    await _read_hello(raw, came)
    record.handshake_error = f"fault: {fault}"
    if fault.word == "handshake_reset":
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        record.fail("server", was_reset=True)
    elif fault.word == "handshake_stall":
        with suppress(ConnectionError):
            await _read_all(raw)
        record.fail("client")
    else:
        await asyncio.get_running_loop().sock_sendall(raw, _answer(fault))
        await drain(raw)
        record.fail("server")


def _answer(fault: TlsFault) -> bytes:
    if fault.word == "plain_http":
        return _PLAIN_HTTP
    if fault.word == "old_version":
        return _old_hello()
    number = fault.number
    return alert_record(ALERTS[_ALERTS[fault.word]] if number is None else number)


def _old_hello() -> bytes:
    """Return how a server of TLS 1.1 answers who offers that and more (RFC 4346 §7.4.1.3)."""
    hello = b"\x03\x02" + os.urandom(32) + b"\0" + b"\x00\x2f" + b"\0"
    message = b"\x02" + len(hello).to_bytes(3) + hello
    return b"\x16\x03\x02" + len(message).to_bytes(2) + message


async def _read_hello(raw: socket.socket, came: bytearray) -> None:
    """Read the first record of a client (RFC 8446 §5.1): nothing unread turns our end to a RST."""
    while len(came) < 5 or len(came) < 5 + int.from_bytes(came[3:5]):
        part = await asyncio.get_running_loop().sock_recv(raw, 65536)
        if not part:
            raise ConnectionResetError
        came += part


async def _read_all(raw: socket.socket) -> None:
    while await asyncio.get_running_loop().sock_recv(raw, 65536):
        pass


async def drain(raw: socket.socket) -> None:
    """End our direction, and read until the client has left, for a bounded time.

    A socket that is closed with something unread sends a RST, and what was sent may be lost.
    """
    with suppress(OSError):
        raw.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(_LINGER):
            await _read_all(raw)
