"""HTTPS without a certificate at hand: `tls=True`."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import sys
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import pytest
import requests
import uvloop
from aiohttp.abc import AbstractResolver
from bench.faults.clients import CLIENTS, outcomes
from yarl import URL

from asyncly.srvmocker import JsonResponse, MockService, RawResponse, Tls, start_service
from asyncly.srvmocker.server.listener import Listener
from asyncly.srvmocker.server.thread import ServingThread
from asyncly.srvmocker.tls import authority

from .conftest import ROUTES
from .test_leaving import nothing_is_left

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

__all__ = ["nothing_is_left"]  # a fixture: no test here leaves a socket behind


class ToPort(AbstractResolver):
    """Leads every host to one port of this machine."""

    def __init__(self, port: int | None) -> None:
        self.port = port

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[Any]:
        place = {"hostname": host, "host": "127.0.0.1", "port": self.port}
        return [{**place, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        pass


@asynccontextmanager
async def client_of(
    service: MockService, context: ssl.SSLContext | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    """Give a client that reaches the service under every name, once per connection."""
    connector = aiohttp.TCPConnector(
        ssl=context or service.tls.client_context(),
        resolver=ToPort(service.url.port),
        force_close=True,
    )
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


async def shown_certificate(service: MockService, name: str | None) -> dict[str, Any]:
    """Return the certificate that a client gets which asks for a name, or for none."""
    context = service.tls.client_context()
    context.check_hostname = False
    _, writer = await asyncio.open_connection(
        service.url.host, service.url.port, ssl=context, server_hostname=name or ""
    )
    certificate: dict[str, Any] = writer.get_extra_info("peercert")
    writer.close()
    await writer.wait_closed()
    return certificate


def names_of(certificate: dict[str, Any]) -> list[str]:
    return [value for _, value in certificate["subjectAltName"]]


# --- clients --------------------------------------------------------------------------------


async def test_five_clients_are_served() -> None:
    async with start_service(ROUTES, tls=True) as service:
        service.register("fact", JsonResponse({"fact": "Meow."}))
        assert service.url.scheme == "https"
        assert await outcomes(service.url / "fact") == ('200 {"fact": "Meow."}',) * len(CLIENTS)
        assert service.last_call("fact").url.scheme == "https"
        assert service.last_call("fact").peer_subject is None


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_it_is_served_in_both_loops(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    async def main() -> None:
        async with start_service(ROUTES, tls=True) as service, client_of(service) as client:
            service.register("fact", RawResponse("ok"))
            for url in (service.url / "fact", "https://api.example.com/fact"):
                async with client.get(url) as answer:
                    assert await answer.text() == "ok"
            async with aiohttp.ClientSession() as other:
                with pytest.raises(aiohttp.ClientConnectorCertificateError):
                    await other.get(service.url / "fact")
            record = await service.connections[-1].closed()
            assert record.handshake_error == "the client left when it had the certificate"
            assert [record.requests for record in service.connections] == [1, 1, 0]

    run(main())


async def test_a_real_authority_is_not_trusted_by_the_client_context() -> None:
    async with start_service(ROUTES, tls=True) as service:
        (trusted,) = service.tls.client_context().get_ca_certs()
        assert (("organizationName", "asyncly, for tests only"),) in trusted["subject"]


def test_in_a_thread_with_a_client_that_blocks() -> None:
    service = MockService(ROUTES, tls=True)
    service.bind()
    thread = ServingThread(service)
    try:
        service.register("fact", RawResponse("ok"))
        url, trusted = str(service.url / "fact"), service.tls.ca_pem
        assert requests.get(url, verify=trusted, timeout=10).text == "ok"
        service.tls.fault = ["handshake_reset"]
        with pytest.raises(requests.ConnectionError):
            requests.get(url, verify=trusted, timeout=10)
        assert requests.get(url, verify=trusted, timeout=10).text == "ok"
        assert service.connections[1].closed().block().handshake_error == "fault: handshake_reset"
    finally:
        service.close()
        thread.stop()


async def test_a_subprocess_trusts_it_by_its_environment() -> None:
    code = """
import os, ssl, sys, urllib.request
import aiohttp, asyncio, httpx, requests, subprocess
url = sys.argv[1]
print(urllib.request.urlopen(url).read().decode())
print(httpx.get(url).text)
print(requests.get(url).text)
print(subprocess.run(["curl", "-sS", url], capture_output=True, text=True).stdout)
async def main():
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        print(await answer.text())
asyncio.run(main())
"""
    async with start_service(ROUTES, tls=True) as service:
        service.register("fact", RawResponse("ok"))
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-c", code, str(service.url / "fact")],
            env={**os.environ, **service.tls.env()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        said, errors = await process.communicate()
    assert (said.decode().split(), errors.decode()) == (["ok"] * 5, "")


async def test_the_environment_names_the_variables_of_the_usual_clients() -> None:
    async with start_service(ROUTES, tls=True) as service:
        assert service.tls.env() == dict.fromkeys(
            [
                "SSL_CERT_FILE",
                "REQUESTS_CA_BUNDLE",
                "CURL_CA_BUNDLE",
                "NODE_EXTRA_CA_CERTS",
                "AWS_CA_BUNDLE",
                "GIT_SSL_CAINFO",
                "PIP_CERT",
            ],
            service.tls.ca_pem,
        )


# --- names ----------------------------------------------------------------------------------


async def test_any_name_gets_its_certificate() -> None:
    names = ["api.example.com", "my_service", "xn--bcher-kva.example", "localhost"]
    async with start_service(ROUTES, tls=True) as service, client_of(service) as client:
        service.register("fact", RawResponse("ok"))
        for name in [*names, "bücher.example"]:
            async with client.get(f"https://{name}/fact") as answer:
                assert answer.status == 200
        for name in names:
            assert names_of(await shown_certificate(service, name)) == [name]
        assert service.connections[0].handshake_error is None


async def test_a_client_that_names_no_host_gets_a_certificate_for_the_address() -> None:
    async with start_service(ROUTES, tls=True) as service:
        shown = names_of(await shown_certificate(service, None))
    assert shown == ["127.0.0.1", "0:0:0:0:0:0:0:1", "localhost"]


async def test_every_address_of_the_machine_has_its_certificate() -> None:
    async with start_service(ROUTES, tls=True, host="0.0.0.0") as service:
        service.register("fact", RawResponse("ok"))
        connector = aiohttp.TCPConnector(ssl=service.tls.client_context())
        async with aiohttp.ClientSession(connector=connector) as client:
            for host in ("127.0.0.1", "127.0.0.2", "localhost"):
                async with client.get(service.url.with_host(host) / "fact") as answer:
                    assert answer.status == 200


async def test_over_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    async with start_service(ROUTES, tls=True, host="::1") as service:
        service.register("fact", RawResponse("ok"))
        assert await outcomes(service.url / "fact") == ("200 ok",) * len(CLIENTS)


async def test_only_the_named_hosts_have_certificates() -> None:
    spec = Tls(hostnames=["api.example.com", "*.shop.example", "127.0.0.1"])
    async with start_service(ROUTES, tls=spec) as service, client_of(service) as client:
        service.register("fact", RawResponse("ok"))
        for host in ("api.example.com", "API.example.com", "a.shop.example"):
            async with client.get(f"https://{host}/fact") as answer:
                assert answer.status == 200
        async with client.get(service.url / "fact") as answer:
            assert answer.status == 200
        for host in ("other.example.com", "shop.example", "a.b.shop.example"):
            with pytest.raises(aiohttp.ClientConnectorCertificateError, match="Hostname mismatch"):
                await client.get(f"https://{host}/fact")
        record = await service.connections[-1].closed()
        assert record.handshake_hint == (
            "it wants 'a.b.shop.example', got 'api.example.com': see Tls(hostnames=...)"
        )


async def test_ten_new_names_at_once() -> None:
    async with start_service(ROUTES, tls=True) as service, client_of(service) as client:
        service.register("fact", RawResponse("ok"))

        async def fetch(number: int) -> int:
            async with client.get(f"https://host-{number}.example/fact") as answer:
                return answer.status

        assert await asyncio.gather(*map(fetch, range(10))) == [200] * 10
        service.assert_called("fact", times=10)


async def test_a_certificate_is_made_once_for_all_services() -> None:
    serials = []
    for _ in range(2):
        async with start_service(ROUTES, tls=True) as service:
            for _ in range(2):
                certificate = await shown_certificate(service, "cached.example")
                serials.append(certificate["serialNumber"])
    assert len(set(serials)) == 1


async def test_two_services_share_one_authority() -> None:
    async with (
        start_service(ROUTES, tls=True) as one,
        start_service(ROUTES, tls=Tls(min_version="1.3")) as other,
        client_of(other, one.tls.client_context()) as client,
    ):
        other.register("fact", RawResponse("ok"))
        assert one.tls.ca_pem == other.tls.ca_pem == authority().ca_pem
        async with client.get(other.url / "fact") as answer:
            assert answer.status == 200


async def test_a_listener_is_known_under_another_url() -> None:
    listener = Listener("127.0.0.1", 0, Tls(), known_as=URL("https://10.1.2.3"))
    async with start_service(ROUTES, tls=True) as service:
        await service.ports.open_door(listener)
        context = service.tls.client_context()
        context.check_hostname = False
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", listener.url.port, ssl=context, server_hostname=""
        )
        certificate = writer.get_extra_info("peercert")
        writer.write(b"GET /fact HTTP/1.1\r\nHost: 10.1.2.3\r\nConnection: close\r\n\r\n")
        await reader.read()
        writer.close()
        await service.ports.close_door(listener)
        assert names_of(certificate)[0] == "10.1.2.3"
        assert str(service.history[0].url) == "https://10.1.2.3/fact"


# --- versions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "version"),
    [
        (Tls(), "TLSv1.3"),
        (Tls(max_version="1.2"), "TLSv1.2"),
        (Tls(min_version=ssl.TLSVersion.TLSv1_3), "TLSv1.3"),
    ],
)
async def test_the_versions_are_those_of_the_spec(spec: Tls, version: str) -> None:
    async with start_service(ROUTES, tls=spec) as service:
        context = service.tls.client_context()
        _, writer = await asyncio.open_connection("127.0.0.1", service.url.port, ssl=context)
        assert writer.get_extra_info("ssl_object").version() == version
        writer.close()
        await writer.wait_closed()


async def test_http_1_1_is_what_is_spoken() -> None:
    async with start_service(ROUTES, tls=True) as service:
        context = service.tls.client_context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        _, writer = await asyncio.open_connection("127.0.0.1", service.url.port, ssl=context)
        chosen = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        writer.close()
        await writer.wait_closed()
    assert chosen == "http/1.1"


async def test_a_client_that_is_too_old_is_told_so() -> None:
    async with start_service(ROUTES, tls=Tls(min_version="1.3")) as service:
        context = service.tls.client_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        async with client_of(service, context) as client:
            with pytest.raises(aiohttp.ClientConnectorSSLError, match="PROTOCOL_VERSION"):
                await client.get(service.url / "fact")
        record = await service.connections[0].closed()
    assert record.handshake_error == "client and server share no version of TLS"


@pytest.mark.parametrize("strict", [False, True])
async def test_the_certificates_stand_a_strict_check(strict: bool) -> None:
    async with start_service(ROUTES, tls=True) as service:
        service.register("fact", RawResponse("ok"))
        context = service.tls.client_context()
        if strict:  # the default of Python 3.13
            context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
        async with client_of(service, context) as client, client.get(service.url / "fact") as got:
            assert got.status == 200


# --- client certificates --------------------------------------------------------------------


async def test_who_shows_a_certificate_is_on_the_request() -> None:
    async with start_service(ROUTES, tls=Tls(client_cert="required")) as service:
        service.register("fact", RawResponse("ok"))
        async with client_of(service) as client, client.get(service.url / "fact") as answer:
            assert answer.status == 200
        url, trusted = str(service.url / "fact"), service.tls.ca_pem
        billing = service.tls.issue_client_cert("billing", "Example, Inc.")
        for pem in (service.tls.client_cert_pem, billing):
            fetch = partial(requests.get, url, verify=trusted, cert=pem, timeout=10)
            assert (await asyncio.to_thread(fetch)).text == "ok"
        async with httpx.AsyncClient(verify=service.tls.client_context(billing)) as other:
            assert (await other.get(url)).text == "ok"
        process = await asyncio.create_subprocess_exec(
            *["curl", "-sS", "--cacert", trusted, "--cert", billing, url], stdout=subprocess.PIPE
        )
        assert (await process.communicate())[0] == b"ok"
        ours = "CN=asyncly test client,O=asyncly\\, for tests only"
        theirs = "CN=billing,O=Example\\, Inc."
        assert [call.peer_subject for call in service.history] == [ours, ours, *[theirs] * 3]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
async def test_who_shows_none_where_one_is_required_is_told_so(version: Any) -> None:
    spec = Tls(client_cert="required", max_version=version)
    async with start_service(ROUTES, tls=spec) as service:
        service.register("fact", RawResponse("ok"))
        bare = service.tls.client_context(client_cert=False)
        async with client_of(service, bare) as client:
            with pytest.raises(
                aiohttp.ClientError, match=r"certificate required|handshake failure"
            ):
                await client.get(service.url / "fact")
        for record in service.connections:  # aiohttp asks again where it was told late
            await record.closed()
            assert record.handshake_error == "the client showed no certificate"
            assert (record.closed_by, record.requests) == ("server", 0)
        service.assert_not_called("fact")


async def test_where_one_is_optional_both_are_served() -> None:
    async with start_service(ROUTES, tls=Tls(client_cert="optional")) as service:
        service.register("fact", RawResponse("ok"))
        for shown in (None, True):
            context = service.tls.client_context(shown)
            async with (
                client_of(service, context) as client,
                client.get(service.url / "fact") as got,
            ):
                assert got.status == 200
        assert [bool(call.peer_subject) for call in service.history] == [False, True]


async def test_a_certificate_of_another_authority_is_refused(tmp_path: Any) -> None:
    trustme = pytest.importorskip("trustme")
    pem = tmp_path / "client.pem"
    trustme.CA().issue_cert("me@example.org").private_key_and_cert_chain_pem.write_to_path(pem)
    async with start_service(ROUTES, tls=Tls(client_cert="required")) as service:
        async with client_of(service, service.tls.client_context(pem)) as client:
            with pytest.raises(aiohttp.ClientError, match="unknown ca"):
                await client.get(service.url / "fact")
        record = await service.connections[0].closed()
    assert record.handshake_error == (
        "the client's certificate is refused: unable to get local issuer certificate"
    )
