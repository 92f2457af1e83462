"""What five clients make of an answer, each in a word or two."""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import aiohttp
import httpx
import requests
import urllib3

from asyncly.srvmocker.tls import authority

if TYPE_CHECKING:
    from yarl import URL

__all__ = ["CLIENTS", "GET", "Call", "outcomes"]


@dataclass(frozen=True)
class Call:
    """What each client is told to do.

    Attributes:
        method: of the request.
        times: how often, on one session; the outcome is that of the last call, or of the first
            that raised.
        body: the bytes of the request's body.
        expects: the client waits with its body, if it can (`Expect: 100-continue`).
    """

    method: str = "GET"
    times: int = 1
    body: bytes | None = None
    expects: bool = False


GET = Call()


def describe(error: BaseException) -> str:
    """Return the name of an exception, as a user would catch it."""
    kind = type(error)
    return f"{kind.__module__.partition('.')[0]}.{kind.__name__}"


def tell(status: int, text: str) -> str:
    """Return an answer as one text."""
    return f"{status} {text}" if text else f"{status}"


async def fetch_with_aiohttp(url: URL, timeout: float, call: Call) -> str:
    limits = aiohttp.ClientTimeout(total=timeout)
    said = ""
    connector = aiohttp.TCPConnector(ssl=trust(url.scheme))
    async with aiohttp.ClientSession(timeout=limits, connector=connector) as session:
        try:
            for _ in range(call.times):
                async with session.request(
                    call.method, url, data=call.body, expect100=call.expects
                ) as answer:
                    said = tell(answer.status, await answer.text())
        except Exception as error:
            return describe(error)
    return said


@cache
def trust(scheme: str) -> ssl.SSLContext:
    """Return the trust in the services of this process, one for all that need it.

    httpx would make one anew for each client, which blocks the loop for a while.
    """
    return authority().client_context() if scheme == "https" else ssl.create_default_context()


def trusted(url: URL) -> str | None:
    """Return the same as a file, for a service that speaks TLS."""
    return authority().ca_pem if url.scheme == "https" else None


async def fetch_with_httpx(url: URL, timeout: float, call: Call) -> str:
    said = ""
    async with httpx.AsyncClient(timeout=timeout, verify=trust(url.scheme)) as client:
        try:
            for _ in range(call.times):
                answer = await client.request(call.method, str(url), content=call.body)
                said = tell(answer.status_code, answer.text)
        except Exception as error:
            return describe(error)
    return said


async def fetch_with_requests(url: URL, timeout: float, call: Call) -> str:
    def fetch() -> str:
        said = ""
        with requests.Session() as session:
            try:
                for _ in range(call.times):
                    # The session's own `verify` gives way to the environment.
                    answer = session.request(
                        call.method,
                        str(url),
                        data=call.body,
                        timeout=timeout,
                        verify=trusted(url),
                    )
                    said = tell(answer.status_code, answer.text)
            except Exception as error:
                return describe(error)
        return said

    return await asyncio.to_thread(fetch)


async def fetch_with_urllib3(url: URL, timeout: float, call: Call) -> str:
    def fetch() -> str:
        said = ""
        with urllib3.PoolManager(retries=False, ca_certs=trusted(url)) as pool:
            try:
                for _ in range(call.times):
                    answer = pool.request(call.method, str(url), body=call.body, timeout=timeout)
                    said = tell(answer.status, answer.data.decode())
            except Exception as error:
                return describe(error)
        return said

    return await asyncio.to_thread(fetch)


async def fetch_with_curl(url: URL, timeout: float, call: Call) -> str:
    options = ["-s", "--compressed", "-m", str(timeout), "-X", call.method]
    if call.body is not None:
        options += ["--data-binary", call.body.decode()]
        options += ["-H", "Expect: 100-continue" if call.expects else "Expect:"]
    if path := trusted(url):
        options += ["--cacert", path]
    for _ in range(call.times - 1):
        options += ["-o", os.devnull, str(url)]
    process = await asyncio.create_subprocess_exec(
        *["curl", *options, "-w", "%{stderr}%{http_code}\n", str(url)],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    body, statuses = await process.communicate()
    if process.returncode:
        return f"exit {process.returncode}"
    return tell(int(statuses.split()[-1]), body.decode(errors="replace"))


CLIENTS = {
    "aiohttp": fetch_with_aiohttp,
    "httpx": fetch_with_httpx,
    "requests": fetch_with_requests,
    "urllib3": fetch_with_urllib3,
    "curl": fetch_with_curl,
}


async def outcomes(url: URL, timeout: float = 10, call: Call = GET) -> tuple[str, ...]:
    """Return what each client, all at once, makes of the answer, in the order of `CLIENTS`.

    Args:
        url: what to ask for.
        timeout: seconds that each client waits.
        call: what to ask.
    """
    fetches = (fetch(url, timeout, call) for fetch in CLIENTS.values())
    return tuple(await asyncio.gather(*fetches))
