"""Clients that leave before they were answered, or begin with what is no TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from asyncly.srvmocker import MockService, Tls, start_service
from asyncly.srvmocker.report import count

from .conftest import ROUTES, connect
from .test_leaving import nothing_is_left
from .test_tls_failures import TRUST_US, own_context

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from asyncly.srvmocker import ConnectionRecord

__all__ = ["nothing_is_left"]  # a fixture: no test here leaves a socket behind

both_loops = pytest.mark.parametrize("run", [asyncio.run, uvloop.run])


def hello_of_a_client(name: str) -> bytes:
    shaking, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(shaking, sent, server_hostname=name)
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


HELLO = hello_of_a_client("127.0.0.1")
HELLO_OF_SSL_2 = bytes.fromhex("802e 01 0301 0015 0000 0010") + bytes(37)


async def say(service: MockService, *parts: bytes, leave: str = "end") -> ConnectionRecord:
    """Send each part when the one before has been read, and leave. Return what is known of it."""
    known = len(service.connections)
    async with connect(service.url) as raw:
        while len(service.connections) == known:
            await asyncio.sleep(0)
        record = service.connections[known]
        own = raw.writer.get_extra_info("socket")
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            await raw.send(part)
            for _ in range(9):  # the kernel has it at once, and this loop reads it in a few turns
                await asyncio.sleep(0)
            if not record.is_open:
                break
        if leave == "reset":
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    async with asyncio.timeout(5):
        return await record.closed()


@both_loops
@pytest.mark.parametrize("leave", ["end", "reset"])
@pytest.mark.parametrize("fault", [None, "expired", "handshake_reset"])
def test_who_leaves_within_the_first_message(
    run: Callable[[Coroutine[Any, Any, None]], None], leave: str, fault: str | None
) -> None:
    async def main() -> None:
        async with start_service(ROUTES, tls=Tls(fault=fault)) as service:
            for size in (1, 2, 3, 4, 5, 6, 9, len(HELLO) - 1):
                for parts in ([HELLO[:size]], [HELLO[at : at + 1] for at in range(min(size, 9))]):
                    record = await say(service, *parts, leave=leave)
                    came = count(len(b"".join(parts)), "byte")
                    told = f"the client left after {came} of its first message"
                    assert record.handshake_error == told + (f"; fault: {fault}" if fault else "")
                    assert record.handshake_hint == ""
                    assert (record.closed_by, record.was_reset) == ("client", leave == "reset")

    run(main())


@both_loops
@pytest.mark.parametrize("leave", ["end", "reset"])
def test_who_leaves_after_the_whole_first_message_has_the_certificate(
    run: Callable[[Coroutine[Any, Any, None]], None], leave: str
) -> None:
    async def main() -> None:
        async with start_service(ROUTES, tls=True) as service:
            for parts in ([HELLO], [HELLO[:1], HELLO[1:]], [HELLO[at : at + 1] for at in range(9)]):
                rest = HELLO[len(b"".join(parts)) :]
                record = await say(service, *parts, rest, leave=leave)
                assert record.handshake_error == "the client left when it had the certificate"
                assert record.handshake_hint == TRUST_US

    run(main())


@both_loops
@pytest.mark.parametrize(
    ("parts", "began", "by"),
    [
        ([b"G"], "'G'", "client"),
        ([b"G", b"E", b"T", b" "], "'GET '", "client"),
        ([bytes([byte]) for byte in b"GET /fact HTTP/1.1\r\n\r\n"], "'GET /'", "server"),
        ([b"\x16GET / HTTP/1.1\r\n"], r"'\x16GET / HTTP/1.1'", "server"),
        ([b"\x80"], r"'\x80'", "client"),
        ([HELLO_OF_SSL_2[:20]], "a hello of SSL 2.0", "client"),
        ([HELLO_OF_SSL_2], "a hello of SSL 2.0", "server"),
        ([bytes([byte]) for byte in HELLO_OF_SSL_2], "a hello of SSL 2.0", "server"),
    ],
)
def test_what_is_no_tls_is_named_by_all_that_came(
    run: Callable[[Coroutine[Any, Any, None]], None], parts: list[bytes], began: str, by: str
) -> None:
    async def main() -> None:
        async with start_service(ROUTES, tls=True) as service:
            record = await say(service, *parts)
            assert record.handshake_error == f"no TLS: it began with {began}"
            assert record.handshake_hint == (
                "let the client speak TLS 1.2 or newer"
                if "SSL" in began
                else "the URL begins with https://"
            )
            assert record.closed_by == by

    run(main())


async def test_an_alert_in_place_of_a_hello_is_tls() -> None:
    async with start_service(ROUTES, tls=True) as service:
        record = await say(service, bytes.fromhex("15 0301 0002 0228"))
        assert record.handshake_error == "the handshake failed: unexpected message"


# --- a name that is not ASCII -----------------------------------------------------------------

NAMES = ["bücher.example".encode(), b"b\xfccher.example", b"\xff", b"xn--\xff.example"]
ILLEGAL = bytes.fromhex("15 0303 0002 02 2f")


def hello_for(name: bytes) -> bytes:
    plain = "q" * len(name)
    return hello_of_a_client(plain).replace(plain.encode(), name)


def in_small_records(hello: bytes) -> bytes:
    """Return the same message, nine bytes a record (RFC 8446 §5.1)."""
    parts = [hello[at : at + 9] for at in range(5, len(hello), 9)]
    return b"".join(hello[:3] + len(part).to_bytes(2, "big") + part for part in parts)


@both_loops
@pytest.mark.parametrize("security", ["ours", "yours"])
@pytest.mark.parametrize("cut", [lambda hello: hello, in_small_records], ids=["one", "many"])
def test_a_name_that_is_not_ascii_is_refused_and_nothing_is_printed(
    run: Callable[[Coroutine[Any, Any, None]], None],
    security: str,
    cut: Callable[[bytes], bytes],
    capfd: pytest.CaptureFixture[str],
) -> None:
    asked: list[str | None] = []
    context = own_context(sni_callback=lambda _, name, __: asked.append(name))

    async def main() -> None:
        options: Any = {"tls": True} if security == "ours" else {"ssl_context": context}
        async with start_service(ROUTES, **options) as service:
            for name in NAMES:
                async with connect(service.url) as raw:
                    await raw.send(cut(hello_for(name)))
                    assert await raw.rest() == ILLEGAL
                record = await service.connections[-1].closed()
                assert record.handshake_error == (
                    f"the client asked for a name that is not ASCII: {name!r}"
                )
                assert record.handshake_hint == "let the client encode the name (IDNA)"
                assert (record.closed_by, record.was_reset) == ("server", False)
            async with connect(service.url) as raw:
                await raw.send(cut(hello_for(b"a.example")))
                assert await raw.reader.readexactly(3) == b"\x16\x03\x03"
        assert asked == ([] if security == "ours" else ["a.example"])

    run(main())
    assert capfd.readouterr() == ("", "")


async def test_who_looks_at_no_name_serves_any() -> None:
    async with (
        start_service(ROUTES, ssl_context=own_context()) as service,
        connect(service.url) as raw,
    ):
        await raw.send(hello_for(b"\xff"))
        assert await raw.reader.readexactly(3) == b"\x16\x03\x03"
