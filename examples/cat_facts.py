"""A small client for a service of cat facts, as one writes it: typed, retrying, bounded in time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from yarl import URL

__all__ = ["CatFacts", "CatFactsError", "Fact"]

_RETRIED = frozenset({429, 502, 503, 504})


class CatFactsError(Exception):
    """The service gave no usable answer."""


@dataclass(frozen=True)
class Fact:
    """One fact; `length` counts its characters."""

    text: str
    length: int


class CatFacts:
    """Client of the cat facts service.

    Args:
        url: where the service is.
        token: sent as a bearer token.
        attempts: how often a request is tried before the client gives up.
        pause: seconds before the second attempt; doubled before every further one.
        timeout: seconds that one attempt may take.
    """

    def __init__(
        self,
        url: URL,
        *,
        token: str = "",
        attempts: int = 3,
        pause: float = 0.1,
        timeout: float = 2.0,
    ) -> None:
        self._url = url
        self._attempts = attempts
        self._pause = pause
        headers = {"Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._session = aiohttp.ClientSession(
            headers=headers, timeout=aiohttp.ClientTimeout(total=timeout)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def fetch(self, *, max_length: int | None = None) -> Fact:
        """Return a random fact.

        Raises:
            CatFactsError: no attempt brought a fact.
        """
        query = {} if max_length is None else {"max_length": str(max_length)}
        answer = await self._request("GET", "fact", query=query)
        return Fact(text=answer["fact"], length=answer["length"])

    async def add(self, text: str) -> int:
        """Add a fact and return its number.

        Raises:
            CatFactsError: no attempt succeeded.
        """
        answer = await self._request("POST", "facts", json={"fact": text, "length": len(text)})
        number: int = answer["id"]
        return number

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        json: object = None,
    ) -> Any:
        """Try until an answer comes that is worth having, or the attempts are used up."""
        reason = ""
        for attempt in range(self._attempts):
            if attempt:
                await asyncio.sleep(self._pause * 2 ** (attempt - 1))
            try:
                async with self._session.request(
                    method, self._url / path, params=query, json=json
                ) as answer:
                    if answer.status not in _RETRIED:
                        answer.raise_for_status()
                        return await answer.json()
                    reason = f"status {answer.status}"
            except aiohttp.ClientResponseError as error:
                raise CatFactsError(f"{method} /{path}: status {error.status}") from error
            except (aiohttp.ClientError, TimeoutError) as error:
                reason = type(error).__name__
        raise CatFactsError(f"{method} /{path}: {reason}, the last of {self._attempts} attempts")
