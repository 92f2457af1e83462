"""Faults of the handshake: what clients see, what is on the wire, and when they come."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import uvloop
from bench.faults.clients import CLIENTS, outcomes

from asyncly.srvmocker import RawResponse, Tls, TlsFault, start_service

from .conftest import ROUTES, connect
from .test_leaving import nothing_is_left
from .test_tls_service import client_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from asyncly.srvmocker import MockService

__all__ = ["nothing_is_left"]  # a fixture: no test here leaves a socket behind

REFUSED = (
    "aiohttp.ClientConnectorCertificateError",
    "httpx.ConnectError",
    "requests.SSLError",
    "urllib3.SSLError",
    "exit 60",
)
TOLD = (
    "aiohttp.ClientConnectorSSLError",
    "httpx.ConnectError",
    "requests.SSLError",
    "urllib3.SSLError",
    "exit 35",
)
RESET = (
    "aiohttp.ClientConnectorError",
    "httpx.ConnectError",
    "requests.ConnectionError",
    "urllib3.ProtocolError",
    "exit 35",
)
LATE = (
    "builtins.TimeoutError",
    "httpx.ConnectTimeout",
    "requests.ReadTimeout",
    "urllib3.ReadTimeoutError",
    "exit 28",
)
CERTIFICATES = ["expired", "not_yet_valid", "wrong_host", "untrusted", "self_signed"]
TOLD_BY = {
    "old_version": ("UNSUPPORTED_PROTOCOL", b"\x16\x03\x02"),
    "no_shared_cipher": ("HANDSHAKE_FAILURE", b"\x15\x03\x03\x00\x02\x02\x28"),
    "unknown_name": ("UNRECOGNIZED_NAME", b"\x15\x03\x03\x00\x02\x02\x70"),
    "plain_http": ("WRONG_VERSION_NUMBER", b"HTTP/1.1 400 Bad Request\r\n"),
}
WORDS = [*CERTIFICATES, *TOLD_BY, "handshake_reset", "handshake_stall"]
HELLO = bytes.fromhex("16030100050100000101")
"""The beginning of a client, as far as anybody reads it."""

both_loops = pytest.mark.parametrize("run", [asyncio.run, uvloop.run])


async def fetch(service: MockService, context: ssl.SSLContext | None = None) -> None:
    async with client_of(service, context) as client, client.get(service.url / "fact") as answer:
        assert await answer.text() == "ok"


def test_every_named_fault_is_tested_here() -> None:
    named = [name for name, value in vars(TlsFault).items() if isinstance(value, TlsFault)]
    assert sorted(named) == sorted(WORDS)


# --- what clients see -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        *[(word, REFUSED) for word in CERTIFICATES],
        *[(word, TOLD) for word in TOLD_BY],
        (TlsFault.alert(80), TOLD),
        ("handshake_reset", RESET),
        ("handshake_stall", LATE),
    ],
    ids=str,
)
async def test_what_five_clients_see(fault: TlsFault | str, seen: tuple[str, ...]) -> None:
    timeout = 0.5 if seen is LATE else 10
    async with start_service(ROUTES, tls=Tls(fault=fault)) as service:
        service.register("fact", RawResponse("ok"))
        assert await outcomes(service.url / "fact", timeout) == seen
        assert service.history == ()
        for record in service.connections:
            await record.closed()
            assert str(record.tls_fault) == str(fault)
            assert record.requests == 0
        # curl looks at the name in the certificate when the handshake is over.
        named = [bool(record.handshake_error) for record in service.connections]
        assert named.count(False) == (fault == "wrong_host")
        service.tls.fault = None
        assert await outcomes(service.url / "fact") == ("200 ok",) * len(CLIENTS)


@both_loops
@pytest.mark.parametrize("word", WORDS)
def test_a_fault_in_both_loops(run: Callable[[Coroutine[Any, Any, None]], None], word: str) -> None:
    async def main() -> None:
        async with start_service(ROUTES, tls=Tls(fault=[word])) as service:
            service.register("fact", RawResponse("ok"))
            if word == "handshake_stall":
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(fetch(service), 0.2)
            else:
                error = TOLD_BY[word][0] if word in TOLD_BY else None
                with pytest.raises(aiohttp.ClientConnectorError, match=error):
                    await fetch(service)
            record = await service.connections[0].closed()
            assert record.handshake_error is not None
            assert record.handshake_error.endswith(f"fault: {word}")
            assert record.was_reset == (word == "handshake_reset")
            assert record.closed_by == (
                "client" if word in [*CERTIFICATES, "handshake_stall"] else "server"
            )
            await fetch(service)

    run(main())


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("expired", "certificate has expired"),
        ("not_yet_valid", "certificate is not yet valid"),
        ("wrong_host", "IP address mismatch"),
        ("untrusted", "unable to get local issuer certificate"),
        ("self_signed", "self-signed certificate"),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
async def test_a_certificate_is_wrong_in_one_way_only(word: str, said: str, strict: bool) -> None:
    async with start_service(ROUTES, tls=Tls(fault=word)) as service:
        service.register("fact", RawResponse("ok"))
        context = service.tls.client_context()
        if strict:  # the default of Python 3.13
            context.verify_flags |= ssl.VERIFY_X509_STRICT
        with pytest.raises(aiohttp.ClientConnectorCertificateError) as caught:
            await fetch(service, context)
        error = caught.value.certificate_error
        assert isinstance(error, ssl.SSLCertVerificationError)
        assert error.verify_message.partition(",")[0] == said


async def test_who_verifies_nothing_is_served_with_a_wrong_certificate() -> None:
    async with start_service(ROUTES, tls=Tls(fault="expired")) as service:
        service.register("fact", RawResponse("ok"))
        context = service.tls.client_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        await fetch(service, context)
        record = await service.connections[0].closed()
        assert (record.handshake_error, record.tls_fault) == (None, TlsFault.expired)


# --- what is on the wire --------------------------------------------------------------------


@pytest.mark.parametrize("word", TOLD_BY)
async def test_the_answer_begins_so_and_the_connection_ends_in_order(word: str) -> None:
    async with start_service(ROUTES, tls=Tls(fault=word)) as service, connect(service.url) as raw:
        raw.writer.write(HELLO + bytes(5_000_000))  # more than anybody reads at once
        got = await raw.rest()  # to the FIN: a RST would raise
        assert got.startswith(TOLD_BY[word][1])


@pytest.mark.parametrize(
    ("alert", "level", "number"),
    [
        (0, 1, 0),
        (40, 2, 40),
        (255, 2, 255),
        ("user_canceled", 1, 90),
        ("no_application_protocol", 2, 120),
    ],
)
async def test_an_alert_is_these_seven_bytes(alert: int | str, level: int, number: int) -> None:
    spec = Tls(fault=TlsFault.alert(alert))
    async with start_service(ROUTES, tls=spec) as service, connect(service.url) as raw:
        await raw.send(HELLO)
        assert await raw.rest() == bytes([21, 3, 3, 0, 2, level, number])


async def test_the_fault_waits_for_the_whole_of_the_first_message() -> None:
    spec = Tls(fault="unknown_name")
    async with start_service(ROUTES, tls=spec) as service, connect(service.url) as raw:
        for byte in HELLO:
            assert {record.handshake_error for record in service.connections} <= {None}
            await raw.send(bytes([byte]))
            await asyncio.sleep(0)
        assert (await raw.rest())[:1] == b"\x15"


async def test_a_reset_is_one() -> None:
    spec = Tls(fault="handshake_reset")
    async with start_service(ROUTES, tls=spec) as service, connect(service.url) as raw:
        await raw.send(HELLO)
        with pytest.raises(ConnectionResetError):
            await raw.rest()


async def test_a_stall_lasts_until_the_service_stops() -> None:
    tasks = asyncio.all_tasks()
    spec = Tls(fault="handshake_stall")
    async with start_service(ROUTES, tls=spec) as service, connect(service.url) as raw:
        await raw.send(HELLO)
        while not service.connections or service.connections[0].handshake_error is None:
            await asyncio.sleep(0)
        await service.stop()
        with pytest.raises(ConnectionResetError):
            await raw.rest()
    record = await service.connections[0].closed()
    assert (record.closed_by, record.was_reset) == ("server", True)
    assert record.handshake_error == "fault: handshake_stall"
    assert asyncio.all_tasks() == tasks


# --- when they come -------------------------------------------------------------------------


async def test_a_client_that_retries_gets_through() -> None:
    faults = ["handshake_reset", None, TlsFault.alert("internal_error"), "expired"]
    async with start_service(ROUTES, tls=Tls(fault=faults)) as service:
        service.register("fact", RawResponse("ok"))
        attempts = []
        for _ in range(6):
            try:
                await fetch(service)
            except aiohttp.ClientConnectorError as error:
                attempts.append(type(error).__name__)
            else:
                attempts.append("ok")
        assert attempts == [
            "ClientConnectorError",
            "ok",
            "ClientConnectorSSLError",
            "ClientConnectorCertificateError",
            "ok",
            "ok",
        ]
        service.assert_called("fact", times=3)
        assert [str(record.tls_fault) for record in service.connections] == [
            "handshake_reset",
            "None",
            "alert 80 (internal error)",
            "expired",
            "None",
            "None",
        ]


async def test_a_fault_is_changed_while_the_service_runs() -> None:
    async with start_service(ROUTES, tls=True) as service:
        service.register("fact", RawResponse("ok"))
        connector = aiohttp.TCPConnector(ssl=service.tls.client_context())
        async with aiohttp.ClientSession(service.url, connector=connector) as client:
            async with client.get("/fact") as answer:
                assert answer.status == 200
            service.tls.fault = TlsFault.expired
            async with client.get("/fact") as answer:  # its connection is open
                assert answer.status == 200
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await fetch(service)
            service.tls.fault = ["unknown_name", "untrusted"]
            assert service.tls.fault == TlsFault.unknown_name
            assert service.tls.spec == Tls()
            for word in ("UNRECOGNIZED_NAME", "CERTIFICATE_VERIFY_FAILED"):
                with pytest.raises(aiohttp.ClientConnectorError, match=word):
                    await fetch(service)
            assert service.tls.fault is None
            await fetch(service)


async def test_who_says_nothing_takes_no_fault() -> None:
    async with start_service(ROUTES, tls=Tls(fault=["expired"])) as service:
        service.register("fact", RawResponse("ok"))
        async with connect(service.url):  # as one does who waits for a port
            pass
        record = await service.connections[0].closed()
        assert (record.handshake_error, record.tls_fault) == (
            "the client left before it began",
            None,
        )
        async with connect(service.url) as raw:
            await raw.send(b"GET /fact HTTP/1.1\r\n\r\n")
            await raw.rest()
        record = await service.connections[1].closed()
        assert record.handshake_error == "no TLS: it began with 'GET /fact HTTP/1.1'"
        assert service.tls.fault == TlsFault.expired
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await fetch(service)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl resumes sessions")
@pytest.mark.parametrize("version", ["1.2", "1.3"])
async def test_a_client_that_resumes_a_session_meets_the_fault_too(version: Any) -> None:
    spec = Tls(fault=[None, "expired"], max_version=version)
    async with start_service(ROUTES, tls=spec) as service:
        service.register("fact", RawResponse("ok", headers={"Connection": "close"}))
        process = await asyncio.create_subprocess_exec(
            *["curl", "-sS", "--cacert", service.tls.ca_pem],
            *[str(service.url / "fact")] * 2,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        said, _ = await process.communicate()
        assert (said, process.returncode) == (b"ok", 60)
        assert len(service.connections) == 2
