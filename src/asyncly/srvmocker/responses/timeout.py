"""Answers that come late."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .base import BaseMockResponse, check_response

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["LatencyResponse"]


@dataclass(frozen=True)
class LatencyResponse(BaseMockResponse):
    """Waits, then answers as the wrapped response does.

    Args:
        wrapped: the response after the wait.
        latency: seconds to wait after the request has arrived.

    Raises:
        TypeError: `wrapped` is no response, or `latency` no number.
        ValueError: `latency` is negative or not finite.

    Example:
        >>> LatencyResponse(RawResponse("slow"), 0.5).latency
        0.5
    """

    wrapped: BaseMockResponse
    latency: float

    def __post_init__(self) -> None:
        check_response(self.wrapped, "LatencyResponse")
        if isinstance(self.latency, bool) or not isinstance(self.latency, int | float):
            raise TypeError(f"latency takes seconds, such as 0.5, got {self.latency!r}")
        if not 0 <= self.latency < math.inf:
            raise ValueError(f"latency takes seconds from 0 up, got {self.latency!r}")

    @property
    def parts(self) -> tuple[BaseMockResponse, ...]:
        """The wrapped response."""
        return (self.wrapped,)

    async def response(self, request: web.Request) -> web.StreamResponse:
        """Wait, then answer."""
        await asyncio.sleep(self.latency)
        return await self.wrapped.response(request)
