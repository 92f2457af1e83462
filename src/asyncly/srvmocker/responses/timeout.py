"""Answers that come late."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from ..text import name_function, shorten
from .base import BaseMockResponse, check_response, state_of
from .chance import choose_seed
from .numbers import check_amount

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

__all__ = ["Latency", "LatencyResponse"]

Latency: TypeAlias = "float | tuple[float, float] | Callable[[web.Request], float]"


@dataclass(frozen=True)
class LatencyResponse(BaseMockResponse):
    """Waits, then answers as the wrapped response does.

    Args:
        wrapped: the response after the wait.
        latency: seconds to wait after the request has arrived: always so many; `(low, high)`,
            drawn anew for each request; or what a function of the `aiohttp.web.Request` returns.
        seed: with `(low, high)`, repeats the draws of an earlier run. Left out, one is chosen; it
            is in `seed`, in the repr and in pytest's report of a test that failed. The draws
            belong to the registration, and `service.reset()` begins them anew.

    Raises:
        TypeError: `wrapped` is no response, `latency` none of these, or `seed` no number.
        ValueError: seconds are negative or not finite, `low` is above `high`, or there is a
            `seed` and nothing to draw.

    Example:
        >>> LatencyResponse(RawResponse("slow"), 0.5).latency
        0.5
        >>> LatencyResponse(RawResponse("jitter"), (0.01, 0.05), seed=7).seed
        7
    """

    wrapped: BaseMockResponse
    latency: Latency
    seed: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.latency, BaseMockResponse):
            raise TypeError(
                "LatencyResponse takes the response first, then the seconds: "
                "LatencyResponse(JsonResponse(...), 0.5)"
            )
        check_response(self.wrapped, "LatencyResponse")
        if isinstance(self.latency, tuple | list):
            low, high = _check_range(self.latency)
            vars(self).update(latency=(low, high), seed=choose_seed(self.seed))
            return
        if not callable(self.latency):
            check_amount(self.latency, "latency takes seconds")
        if self.seed is not None:
            raise ValueError(
                f"seed={self.seed!r} belongs to a latency of (low, high); "
                f"{name_function(self.latency)} draws nothing here"
            )

    @property
    def parts(self) -> tuple[BaseMockResponse, ...]:
        """The wrapped response."""
        return (self.wrapped,)

    async def response(self, request: web.Request) -> web.StreamResponse:
        """Wait, then answer."""
        await asyncio.sleep(self._seconds(request))
        return await self.wrapped.response(request)

    def _seconds(self, request: web.Request) -> float:
        if isinstance(self.latency, tuple):
            lot = state_of(self, request, lambda: Random(self.seed))  # noqa: S311 - no secret
            return lot.uniform(*self.latency)
        if callable(self.latency):
            found = self.latency(request)
            return check_amount(found, f"{name_function(self.latency)} must return seconds")
        return self.latency


def _check_range(latency: tuple[object, ...] | list[object]) -> tuple[float, float]:
    if len(latency) != 2:
        raise TypeError(f"latency takes (low, high) in seconds, got {shorten(latency)}")
    low, high = (check_amount(end, "latency takes seconds") for end in latency)
    if low > high:
        raise ValueError(f"latency takes (low, high), the lower one first, got {latency!r}")
    return low, high
