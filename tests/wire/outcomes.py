"""What five clients make of an answer, each in a word or two."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import httpx
import requests
import urllib3

if TYPE_CHECKING:
    from yarl import URL

__all__ = ["CLIENTS", "outcomes"]


def describe(error: BaseException) -> str:
    """Return the name of an exception, as a user would catch it."""
    kind = type(error)
    return f"{kind.__module__.partition('.')[0]}.{kind.__name__}"


async def fetch_with_aiohttp(url: URL, timeout: float) -> str:
    limits = aiohttp.ClientTimeout(total=timeout)
    async with aiohttp.ClientSession(timeout=limits) as session:
        try:
            async with session.get(url) as answer:
                return f"{answer.status} {await answer.text()}".strip()
        except Exception as error:
            return describe(error)


async def fetch_with_httpx(url: URL, timeout: float) -> str:
    async with httpx.AsyncClient(timeout=timeout) as client:
        try:
            answer = await client.get(str(url))
        except Exception as error:
            return describe(error)
        return f"{answer.status_code} {answer.text}".strip()


async def fetch_with_requests(url: URL, timeout: float) -> str:
    def fetch() -> str:
        try:
            answer = requests.get(str(url), timeout=timeout)
        except Exception as error:
            return describe(error)
        return f"{answer.status_code} {answer.text}".strip()

    return await asyncio.to_thread(fetch)


async def fetch_with_urllib3(url: URL, timeout: float) -> str:
    def fetch() -> str:
        with urllib3.PoolManager() as pool:
            try:
                answer = pool.request("GET", str(url), timeout=timeout, retries=False)
            except Exception as error:
                return describe(error)
            return f"{answer.status} {answer.data.decode()}".strip()

    return await asyncio.to_thread(fetch)


async def fetch_with_curl(url: URL, timeout: float) -> str:
    process = await asyncio.create_subprocess_exec(
        *["curl", "-s", "--compressed", "-m", str(timeout), "-w", "\n%{http_code}", str(url)],
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    body, _, status = out.decode().rpartition("\n")
    return f"{status} {body}".strip() if process.returncode == 0 else f"exit {process.returncode}"


CLIENTS = {
    "aiohttp": fetch_with_aiohttp,
    "httpx": fetch_with_httpx,
    "requests": fetch_with_requests,
    "urllib3": fetch_with_urllib3,
    "curl": fetch_with_curl,
}


async def outcomes(url: URL, timeout: float = 10) -> tuple[str, ...]:
    """Return what each client, all at once, makes of the answer, in the order of `CLIENTS`.

    Args:
        url: what to get.
        timeout: seconds that each client waits.
    """
    return tuple(await asyncio.gather(*(fetch(url, timeout) for fetch in CLIENTS.values())))
