"""Looking at the first byte of a connection."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest
import uvloop

from asyncly.srvmocker.responses.steps import NO_LINGER
from asyncly.srvmocker.server.peek import peek

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        server, _ = listening.accept()
    server.setblocking(False)
    with client, server:
        yield client, server


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_the_byte_is_waited_for_and_stays(
    pair: Pair, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    client, server = pair

    async def look() -> tuple[bytes, bytes]:
        looking = asyncio.create_task(peek(server))
        await asyncio.sleep(0)
        assert not looking.done()
        client.sendall(b"GET")
        return await looking, await peek(server)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(look()) == (b"G", b"G")
    assert server.recv(3) == b"GET"


async def test_a_client_that_leaves(pair: Pair) -> None:
    client, server = pair
    client.close()
    assert await peek(server) == b""


async def test_a_client_that_resets(pair: Pair) -> None:
    client, server = pair
    looking = asyncio.create_task(peek(server))
    await asyncio.sleep(0)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    client.close()
    with pytest.raises(ConnectionResetError):
        await looking


async def test_who_looks_may_be_cancelled(pair: Pair) -> None:
    client, server = pair
    looking = asyncio.create_task(peek(server))
    await asyncio.sleep(0)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    client.sendall(b"\x16")
    assert await peek(server) == b"\x16"
