"""Answers that wait for the test, at a gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..text import shorten
from .base import BaseMockResponse, check_response, exchange_of
from .gates import Gate

if TYPE_CHECKING:
    from aiohttp import web

    from .base import Registration

__all__ = ["GatedResponse"]


@dataclass(frozen=True)
class GatedResponse(BaseMockResponse):
    """Stands at a gate, then answers as the wrapped response does.

    Args:
        wrapped: the response behind the gate.
        gate: a `Gate`, which the test opens, or a `Barrier`, which enough requests open.

    Raises:
        TypeError: `wrapped` is no response, or `gate` no gate.

    Example:
        >>> GatedResponse(RawResponse("at last"), Gate()).gate
        <Gate, closed, 0 requests standing>
    """

    wrapped: BaseMockResponse
    gate: Gate

    def __post_init__(self) -> None:
        check_response(self.wrapped, "GatedResponse")
        if not isinstance(self.gate, Gate):
            raise TypeError(
                f"GatedResponse takes a Gate() or a Barrier(n), got {shorten(self.gate)}"
            )

    @property
    def parts(self) -> tuple[BaseMockResponse, ...]:
        """The wrapped response."""
        return (self.wrapped,)

    def registered(self, registration: Registration) -> None:
        """Tell the gate with which service it is registered."""
        self.gate._lives.add(registration.journal.life)  # noqa: SLF001 - one of us

    async def response(self, request: web.Request) -> web.StreamResponse:
        """Stand at the gate, then answer."""
        recorded = exchange_of(self, request).request
        instead = await self.gate._pass(request, recorded)  # noqa: SLF001 - one of us
        return await (instead or self.wrapped).response(request)
