"""Handshakes that fail by themselves: the client is told, and the record says why."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import pytest
import requests
import trustme
import uvloop

from asyncly.srvmocker import CallbackResponse, MockService, RawResponse, Tls, start_service
from asyncly.srvmocker.server.connection import Connection
from asyncly.srvmocker.server.failures import Failure, explain
from asyncly.srvmocker.server.listener import Listener

from .conftest import ROUTES, connect
from .test_leaving import nothing_is_left
from .test_tls_service import client_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from aiohttp import web
    from yarl import URL

    from asyncly.srvmocker import ConnectionRecord

__all__ = ["nothing_is_left"]  # a fixture: no test here leaves a socket behind

TRUST_US = (
    "let the client trust the authority: service.tls.client_context(), service.tls.ca_pem, "
    "or service.tls.env() in a subprocess"
)
TRUST_YOURS = "let the client trust the authority of your ssl_context"
CUT = "the service stopped, or went down, within the handshake"
HALF_A_HELLO = bytes.fromhex("1603010200010001")

both_loops = pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
CA = trustme.CA()


def own_context(**changes: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("127.0.0.1").configure_cert(context)
    CA.configure_trust(context)
    for name, value in changes.items():
        setattr(context, name, value)
    return context


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    CA.configure_trust(context)
    return context


async def last(service: MockService) -> ConnectionRecord:
    return await service.connections[-1].closed()


# --- the client is told ---------------------------------------------------------------------


@both_loops
@pytest.mark.parametrize(
    ("changes", "older", "alert", "reason"),
    [
        (
            {"verify_mode": ssl.CERT_REQUIRED},
            False,
            "certificate required",
            "the client showed no certificate",
        ),
        (
            {"verify_mode": ssl.CERT_REQUIRED},
            True,
            "handshake failure",
            "the client showed no certificate",
        ),
        (
            {"minimum_version": ssl.TLSVersion.TLSv1_3},
            True,
            "protocol version",
            "client and server share no version of TLS",
        ),
        (
            {"sni_callback": lambda *args: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME},
            False,
            "unrecognized name",
            "the handshake failed: callback failed",
        ),
    ],
)
def test_the_alert_of_a_context_of_the_users_own_reaches_the_client(
    run: Callable[[Coroutine[Any, Any, None]], None],
    changes: dict[str, Any],
    older: bool,
    alert: str,
    reason: str,
) -> None:
    def fetch(url: URL) -> str:
        context = trusting()
        if older:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        with socket.create_connection((url.host or "", url.port or 0), timeout=10) as raw:
            try:
                with context.wrap_socket(raw, server_hostname="127.0.0.1") as shaken:
                    # After a close in a hurry it could not be sent, and nothing would be read.
                    shaken.sendall(bytes(5_000_000))
                    shaken.recv(1)
            except ssl.SSLError as error:
                return str(error)
        return "nothing"

    async def main() -> None:
        async with start_service(ROUTES, ssl_context=own_context(**changes)) as service:
            for _ in range(10):
                assert alert in await asyncio.to_thread(fetch, service.url)
                record = await last(service)
                assert record.handshake_error == reason
                assert (record.closed_by, record.was_reset) == ("server", False)

    run(main())


async def test_a_certificate_of_the_client_that_is_refused() -> None:
    context = own_context(verify_mode=ssl.CERT_REQUIRED)
    async with start_service(ROUTES, ssl_context=context) as service:
        client = trusting()
        trustme.CA().issue_cert("me@example.org").configure_cert(client)
        async with client_of(service, client) as session:
            with pytest.raises(aiohttp.ClientError, match="unknown ca"):
                await session.get(service.url / "fact")
        record = await last(service)
    assert record.handshake_error == (
        "the client's certificate is refused: unable to get local issuer certificate"
    )
    assert record.handshake_hint == ""


async def test_the_subject_of_a_client_is_on_the_request_with_a_context_of_the_users_own() -> None:
    context = own_context(verify_mode=ssl.CERT_REQUIRED)
    async with start_service(ROUTES, ssl_context=context) as service:
        service.register("fact", RawResponse("ok"))
        client = trusting()
        CA.issue_cert("me@example.org", common_name="me").configure_cert(client)
        async with client_of(service, client) as session:
            await session.get(service.url / "fact")
        subject = service.last_call("fact").peer_subject
    assert subject is not None
    assert subject.startswith("CN=me,OU=Testing cert #")


# --- the record says why --------------------------------------------------------------------


async def test_a_client_that_does_not_trust() -> None:
    async with start_service(ROUTES, tls=True) as service:
        url = str(service.url / "fact")
        fetch = partial(requests.get, url, verify=True, timeout=10)
        with pytest.raises(requests.exceptions.SSLError):
            await asyncio.to_thread(fetch)
        record = await last(service)
        refused = "the client refused the certificate: unknown CA (TLS alert 48)"
        assert (record.handshake_error, record.handshake_hint) == (refused, TRUST_US)
        assert (record.requests, record.closed_by, record.is_open) == (0, "client", False)
        assert str(record).startswith("connection 1: closed by the client, 0 requests")
        assert str(record).endswith(f"; {refused}")
        async with httpx.AsyncClient(verify=trusting()) as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(url)
        record = await last(service)
        # A client of asyncio drops its alert.
        assert record.handshake_error in (refused, "the client left when it had the certificate")
        assert record.handshake_hint == TRUST_US
        assert (service.unmatched, service.errors) == ((), ())


async def test_a_client_that_does_not_trust_the_users_own() -> None:
    async with start_service(ROUTES, ssl_context=own_context()) as service:
        fetch = partial(requests.get, str(service.url / "fact"), verify=True, timeout=10)
        with pytest.raises(requests.exceptions.SSLError):
            await asyncio.to_thread(fetch)
        assert (await last(service)).handshake_hint == TRUST_YOURS


@both_loops
def test_other_ends(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    async def main() -> None:
        async with start_service(ROUTES, tls=True) as service:
            async with connect(service.url) as raw:
                await raw.send(b"POST /fact?a=1 HTTP/1.1\r\nHost: x\r\nCookie: secret\r\n\r\n")
                await raw.rest()
            record = await last(service)
            assert record.handshake_error == "no TLS: it began with 'POST /fact?a=1 HTTP/1.1'"
            assert record.handshake_hint == "the URL begins with https://"
            assert record.closed_by == "server"
            async with connect(service.url):
                pass
            record = await last(service)
            assert record.handshake_error == "the client left before it began"
            assert record.closed_by == "client"
            async with connect(service.url) as raw:
                await raw.send(HALF_A_HELLO)
                raw.writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
            record = await last(service)
            assert (record.closed_by, record.was_reset) == ("client", True)
            async with connect(service.url) as raw:
                await raw.send(b"\x16\x03\x01\x00\x05hello")
                assert (await raw.rest())[:1] == b"\x15"
            record = await last(service)
            assert record.handshake_error is not None
            assert record.handshake_error.startswith("the handshake failed: ")
            assert [record.number for record in service.connections] == [1, 2, 3, 4]

    run(main())


async def test_a_name_for_which_no_certificate_can_be_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with start_service(ROUTES, tls=True) as service:
        monkeypatch.setattr(service.tls.authority, "server_context", lambda *args, **more: 1 / 0)
        async with client_of(service) as session:
            with pytest.raises(aiohttp.ClientConnectorError, match="internal error"):
                await session.get(service.url / "fact")
        record = await last(service)
        assert record.handshake_error == (
            "no certificate could be made: ZeroDivisionError('division by zero')"
        )


async def test_a_handshake_that_is_over_is_not_watched_any_more() -> None:
    seen: list[dict[str, Any]] = []

    async def look(request: web.Request) -> str:
        for _ in range(5):  # the task that shook hands ends in the next turn
            await asyncio.sleep(0)
        assert request.transport is not None
        seen.append(vars(request.transport.get_extra_info("ssl_object")))
        return "ok"

    async with start_service(ROUTES, tls=True) as service, client_of(service) as session:
        service.register("fact", CallbackResponse(look))
        await session.get(service.url / "fact")
    assert "_sslobj" in seen[0]
    assert "do_handshake" not in seen[0]  # it leads back to its object


async def test_a_connection_that_has_begun_is_no_failed_handshake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin = Connection.connection_made

    def begin_and_cancel(self: Connection, transport: asyncio.BaseTransport) -> None:
        begin(self, transport)
        for task in asyncio.all_tasks():
            if getattr(task.get_coro(), "__name__", "") == "_shake_hands":
                task.cancel()

    monkeypatch.setattr(Connection, "connection_made", begin_and_cancel)
    async with start_service(ROUTES, tls=True) as service:
        async with client_of(service) as session:
            service.register("fact", RawResponse("ok"))
            with suppress(aiohttp.ClientError):  # its request may be quicker than the end
                await session.get(service.url / "fact")
            record = await last(service)
        assert (record.handshake_error, record.closed_by) == (None, "server")


async def test_the_connection_has_its_number_from_the_beginning() -> None:
    async with start_service(ROUTES, tls=True) as service, connect(service.url):
        service.register("fact", RawResponse("ok"))
        while not service.connections:
            await asyncio.sleep(0)
        async with client_of(service) as session:
            await session.get(service.url / "fact")
        assert [record.requests for record in service.connections] == [0, 1]
        assert service.last_call("fact").connection == 2
        assert service.connections[0].is_open
        assert service.connections[0].handshake_error is None


async def test_reset_forgets_what_failed() -> None:
    async with start_service(ROUTES, tls=True) as service:
        async with connect(service.url):
            pass
        while not service.connections:
            await asyncio.sleep(0)
        await last(service)
        service.reset()
        assert service.connections == ()


GARBAGE = [
    b"\0",
    b"\xff" * 1000,
    b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10",  # a hello of SSL 2.0
    b"\x16\x03\x01\xff\xff" + bytes(65535),  # a record that is too long
    b"\x16\x03\x01\x00\x00",
    b"\x16\x03\x01\x00\x04\x01\x00\x00\x00",  # a hello that is empty
    b"\x15\x03\x01\x00\x02\x02\x28",  # an alert, and nothing before it
    b"CONNECT api.example.com:443 HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    "GET /\u2603 HTTP/1.1\r\n\r\n".encode(),
]


@both_loops
@pytest.mark.parametrize("faults", [None, ["expired"], ["handshake_reset"]])
def test_garbage_does_no_harm(
    run: Callable[[Coroutine[Any, Any, None]], None], faults: list[str] | None
) -> None:
    async def main() -> None:
        tasks = asyncio.all_tasks()
        async with start_service(ROUTES, tls=True) as service:
            service.register("fact", RawResponse("ok"))
            for garbage in GARBAGE:
                service.tls.fault = faults
                async with connect(service.url) as raw:
                    await raw.send(garbage)
                    raw.writer.write_eof()
                    with suppress(ConnectionResetError):
                        await raw.rest()
                assert (await last(service)).handshake_error
            assert len(service.connections) == len(GARBAGE)
            service.tls.fault = None
            async with client_of(service) as session, session.get(service.url / "fact") as answer:
                assert answer.status == 200
        assert asyncio.all_tasks() == tasks

    run(main())


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (
            ConnectionAbortedError("SSL handshake is taking longer than 60.0 seconds"),
            Failure("the client did not finish the handshake in time"),
        ),
        (
            ConnectionAbortedError(103, "Software caused connection abort"),
            Failure("the client left when it had the certificate", TRUST_US, "client", True),
        ),
    ],
)
def test_what_seldom_happens_has_words_too(error: OSError, failure: Failure) -> None:
    assert explain(error, b"\x16", ours=True, is_answered=True) == failure


# --- the service leaves ---------------------------------------------------------------------


@both_loops
@pytest.mark.parametrize("how", ["stop", "down", "silent", "close_door"])
@pytest.mark.parametrize("word", [None, "handshake_stall"])
@pytest.mark.parametrize("said", [b"", HALF_A_HELLO])
def test_handshakes_under_way_end(
    run: Callable[[Coroutine[Any, Any, None]], None], how: str, word: str | None, said: bytes
) -> None:
    async def main() -> None:
        async with start_service(ROUTES, tls=Tls(fault=word)) as service:
            door = Listener("127.0.0.1", 0, Tls(fault=word))
            door.bind()
            await service.ports.open_door(door)
            url = door.url if how == "close_door" else service.url
            async with connect(url) as raw:
                await raw.send(said)
                while not service.connections:
                    await asyncio.sleep(0)
                if how == "stop":
                    await service.stop()
                elif how == "down":
                    await service.down()
                elif how == "silent":
                    async with service.outage("silent"):
                        pass
                else:
                    await service.ports.close_door(door)
                with pytest.raises(ConnectionResetError):
                    if await raw.rest() == b"":
                        raise AssertionError("a FIN came")
            record = await service.connections[0].closed()
            assert record.handshake_error == CUT
            assert (record.closed_by, record.was_reset) == ("server", True)
            if how in ("silent", "close_door"):
                service.tls.fault = None
                service.register("fact", RawResponse("ok"))
                async with client_of(service) as session:
                    await session.get(service.url / "fact")

    run(main())


async def test_who_is_told_and_does_not_leave_holds_nobody() -> None:
    tasks = asyncio.all_tasks()
    async with start_service(ROUTES, tls=Tls(fault="unknown_name")) as service:
        async with connect(service.url) as raw:
            await raw.send(b"\x16\x03\x01\x00\x01x")
            assert await raw.reader.readexactly(7)
            await service.stop()
            assert asyncio.all_tasks() - tasks == set()
        record = await service.connections[0].closed()
        assert record.handshake_error == "fault: unknown_name"
