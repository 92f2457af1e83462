"""Outages and ends of blocks at moments that a loop answers in a way of its own."""

from __future__ import annotations

import asyncio
import socket

from asyncly.srvmocker import MockRoute, TruncatedResponse, start_proxy, start_service

from .conftest import connect
from .test_leaving import nothing_is_left
from .test_tunnel import ask, both_loops, serve

__all__ = ["nothing_is_left"]  # a fixture: no test here leaves a socket behind


@both_loops
async def test_an_outage_while_connections_begin_ends_them_all() -> None:
    """uvloop tells nobody of a connection whose beginning is cancelled."""
    said: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    for turns in range(8):
        async with serve() as service, start_proxy() as proxy:
            clients = [socket.create_connection(("127.0.0.1", proxy.url.port)) for _ in range(5)]
            for client in clients:
                client.sendall(f"GET {service.url}/fact HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            for _ in range(turns):
                await asyncio.sleep(0)
            await proxy.down()
            assert [record.closed_by for record in proxy.connections if record.is_open] == []
            await proxy.up()
            async with connect(proxy.url) as other:
                await other.send(f"GET {service.url}/fact HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                assert (await other.answer())[0].startswith(b"HTTP/1.1 200 OK")
            for client in clients:
                client.close()
    assert said == []


@both_loops
async def test_an_outage_while_a_connection_takes_its_leave_in_tls() -> None:
    """The client does not answer the end, and the answer that broke off has closed it twice."""
    async with start_service([MockRoute("GET", "/fact", "fact")]) as service:
        service.register("fact", TruncatedResponse(b"Meow"))
        async with start_proxy() as proxy:
            context = proxy.tls.client_context()

            def ask_and_wait() -> socket.socket:
                plain = socket.create_connection(("127.0.0.1", proxy.url.port))
                client = context.wrap_socket(plain, server_hostname="127.0.0.1")
                client.sendall(f"GET {service.url}/fact HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                client.recv(4)
                return client

            with await asyncio.to_thread(ask_and_wait):
                while proxy.exchanges[0].finished_at is None:
                    await asyncio.sleep(0)
                await asyncio.sleep(0)
                await proxy.down()
                await proxy.connections[0].closed()


@both_loops
async def test_a_tunnel_that_opens_when_its_time_is_up_ends_all_the_same() -> None:
    """uvloop tells nobody of a target whose connection is given up in its last turn."""
    async with serve() as service:
        for number in range(40):
            async with start_proxy(timeout=1e-5 * (number + 1)) as proxy:
                async with connect(proxy.url) as client:
                    await client.send(ask(service.url))
                    async with asyncio.timeout(5):
                        head = await client.reader.readuntil(b"\r\n\r\n")
                        assert head.startswith((b"HTTP/1.1 504 ", b"HTTP/1.1 200 "))
                        if head.startswith(b"HTTP/1.1 200 "):
                            await client.send(b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\n")
                            assert (await client.answer())[0].startswith(b"HTTP/1.1 200 OK")
                async with asyncio.timeout(5):
                    await proxy.connections[0].closed()
