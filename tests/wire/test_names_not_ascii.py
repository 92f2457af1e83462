"""Names that are not ASCII: what we make of them is what the clients ask for."""

from __future__ import annotations

import asyncio
import os
import subprocess
import urllib.request
from functools import partial
from typing import TYPE_CHECKING

import aiohttp
import anyio
import pytest

from asyncly.srvmocker import JsonResponse, MockRoute, Tls, intercept, run_service, start_service

from .conftest import ROUTES
from .test_intercept_clients import CLIENTS as GIVEN
from .test_tls_service import client_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

NAME, ASKED, OF_2003 = "straße.shop.example", "xn--strae-oqa.shop.example", "strasse.shop.example"


@pytest.mark.parametrize("call", GIVEN)
@pytest.mark.parametrize("hosts", [(), (NAME,), (ASKED,), ("*.shop.example",)])
@pytest.mark.parametrize("url", [f"https://{NAME}/user", "https://STRASSE.shop.example/user"])
def test_clients_that_are_given_something(
    call: Callable[..., Any], hosts: tuple[str, ...], url: str
) -> None:
    url = url.replace("STRASSE", "Straße")
    with (
        run_service([MockRoute("GET", "/user", "user")], tls=Tls(hostnames=hosts)) as service,
        intercept({f"https://{NAME}": service}) as net,
    ):
        service.register("user", JsonResponse({"login": "cat"}))
        assert call(net, url)[0].status == 200
        assert service.last_call("user").url.raw_host == ASKED


async def test_aiohttp_and_curl_by_their_own_encoding() -> None:
    async with start_service(ROUTES, tls=Tls(hostnames=[NAME])) as service:
        service.register("fact", JsonResponse("ok"))
        async with client_of(service) as session:
            await session.get(f"https://{NAME}/fact")
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.get(f"https://{OF_2003}/fact")
        record = await service.connections[-1].closed()
        assert (
            record.handshake_hint == f"it wants {OF_2003!r}, got {ASKED!r}: see Tls(hostnames=...)"
        )
        to = f"{ASKED}:{service.url.port}:127.0.0.1"
        url = f"https://{NAME}:{service.url.port}/fact"
        command = ["curl", "-sS", "--cacert", service.tls.ca_pem, "--resolve", to, url]
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        run = partial(subprocess.check_output, command, env=environment, text=True, timeout=5)
        assert await asyncio.to_thread(run) == '"ok"'
        assert [call.url.raw_host for call in service.history] == [ASKED, ASKED]


def test_pythons_own_clients_ask_for_another_host() -> None:
    with (
        run_service([MockRoute("GET", "/user", "user")], tls=Tls(hostnames=OF_2003)) as service,
        intercept({f"https://{OF_2003}": service}, patch=True),
    ):
        service.register("user", JsonResponse({"login": "cat"}))
        with urllib.request.urlopen(f"https://{NAME}/user", timeout=5) as answer:
            assert answer.status == 200
        service.assert_called("user", times=1)


async def test_anyio_asks_for_the_name_of_2008() -> None:
    async with (
        start_service(ROUTES) as service,
        intercept({f"http://{NAME}": service}, patch=True),
        await anyio.connect_tcp(NAME, 80) as stream,
    ):
        await stream.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await stream.receive()).startswith(b"HTTP/1.1 404")
        with pytest.raises(UnicodeError, match="too long"):
            await anyio.connect_tcp("ü" * 70, 80)


async def test_ssl_asks_for_the_name_of_2003() -> None:
    async with start_service(ROUTES, tls=Tls(hostnames=[ASKED, OF_2003])) as service:
        for name, shown in ((NAME, OF_2003), (ASKED, ASKED)):
            context = service.tls.client_context()
            _, writer = await asyncio.open_connection(
                "127.0.0.1", service.url.port, ssl=context, server_hostname=name
            )
            certificate: dict[str, Any] = writer.get_extra_info("peercert")
            assert certificate["subjectAltName"] == (("DNS", shown),)
            writer.close()
            await writer.wait_closed()
