"""Two ways to try again: httpx with tenacity, and requests with urllib3's Retry."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import requests
from requests.adapters import HTTPAdapter
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential
from urllib3 import Retry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tenacity import RetryCallState

__all__ = ["PriceClient", "open_session"]

_RETRIED = frozenset({429, 502, 503, 504})


class PriceClient:
    """Asks for prices; an attempt that fails is followed by another, after a pause.

    Args:
        http: the client that is used; it stays the caller's to close.
        attempts: how often a request is tried before the last error is raised.
        pause: seconds before the second attempt, doubled before every further one. A longer
            Retry-After of the server wins.
        sleep: what pauses.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        attempts: int = 4,
        pause: float = 0.1,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._http = http
        self._backoff = wait_exponential(multiplier=pause, max=30)
        self._retrying = AsyncRetrying(
            retry=retry_if_exception(_is_worth_another),
            stop=stop_after_attempt(attempts),
            wait=self._wait,
            sleep=sleep,
            reraise=True,
        )

    async def fetch(self, symbol: str) -> float:
        """Return the price of a symbol.

        Raises:
            httpx.HTTPError: the service refused, or no attempt succeeded.
        """
        return await self._retrying(self._fetch_once, symbol)

    async def _fetch_once(self, symbol: str) -> float:
        answer = await self._http.get(f"/prices/{symbol}")
        answer.raise_for_status()
        price: float = answer.json()["price"]
        return price

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = ""
        if isinstance(error, httpx.HTTPStatusError):
            asked = error.response.headers.get("Retry-After", "")
        return max(self._backoff(state), float(asked) if asked.isdecimal() else 0)


def _is_worth_another(error: BaseException) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in _RETRIED
    return isinstance(error, httpx.TransportError)


def open_session(*, attempts: int = 4, pause: float = 0.1) -> requests.Session:
    """Return a session whose GETs are tried again, with the same rules.

    urllib3 sends its second request at once, and pauses for `2 * pause` before the third.
    """
    retry = Retry(
        total=attempts - 1,
        status_forcelist=_RETRIED,
        allowed_methods={"GET"},
        backoff_factor=pause,
        raise_on_status=False,  # the last answer is the caller's to judge
    )
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=retry))
    session.mount("https://", HTTPAdapter(max_retries=retry))
    return session
