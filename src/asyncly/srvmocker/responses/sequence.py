"""One response after the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from ..exceptions import SequenceExhausted
from ..text import shorten
from .base import BaseMockResponse, check_response, state_of

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["SequenceResponse"]

_OnExhausted = Literal["raise", "cycle", "last"]


class _Place:
    """How many requests a sequence has answered in one registration."""

    turn = 0


@dataclass(frozen=True, init=False)
class SequenceResponse(BaseMockResponse):
    """Answers the first request with the first response, the second with the second, and so on.

    The place belongs to the registration: one sequence may serve several handlers, each from
    its beginning, and `service.reset()` begins anew.

    Args:
        responses: at least one response, of any kind: faults among answers, sequences too.
        on_exhausted: what follows the last one. `"raise"` answers 500 and puts a
            `SequenceExhausted` into `service.errors`; `"cycle"` begins anew; `"last"` repeats
            the last one.

    Raises:
        TypeError: an element is no response.
        ValueError: there is none, or `on_exhausted` is another word.

    Example:
        >>> SequenceResponse([RawResponse(status=503), RawResponse("ok")]).on_exhausted
        'raise'
    """

    responses: tuple[BaseMockResponse, ...]
    on_exhausted: _OnExhausted = "raise"

    def __init__(
        self, responses: Iterable[BaseMockResponse], on_exhausted: _OnExhausted = "raise"
    ) -> None:
        if isinstance(responses, BaseMockResponse) or not isinstance(responses, Iterable):
            raise TypeError(f"SequenceResponse takes a list of responses, got {shorten(responses)}")
        elements = tuple(responses)
        if not elements:
            raise ValueError("SequenceResponse takes at least one response, got none")
        for number, element in enumerate(elements):
            check_response(element, f"SequenceResponse: element {number}")
        if on_exhausted not in get_args(_OnExhausted):
            words = ", ".join(map(repr, get_args(_OnExhausted)))
            raise ValueError(f"on_exhausted takes one of {words}, got {on_exhausted!r}")
        vars(self).update(responses=elements, on_exhausted=on_exhausted)

    @property
    def parts(self) -> tuple[BaseMockResponse, ...]:
        """The responses of the sequence."""
        return self.responses

    async def response(self, request: web.Request) -> web.StreamResponse:
        """Answer with the response whose turn it is."""
        place = state_of(self, request, _Place)
        turn = place.turn
        place.turn += 1
        if turn >= len(self.responses):
            turn = self._after_the_last(turn)
        return await self.responses[turn].response(request)

    def refuses_body(self, request: web.Request) -> bool:
        """Ask the response whose turn it is."""
        turn = state_of(self, request, _Place).turn
        if turn >= len(self.responses):
            if self.on_exhausted == "raise":
                return False
            turn = self._after_the_last(turn)
        return self.responses[turn].refuses_body(request)

    def _after_the_last(self, turn: int) -> int:
        if self.on_exhausted == "cycle":
            return turn % len(self.responses)
        if self.on_exhausted == "last":
            return -1
        raise SequenceExhausted(
            f"request {turn + 1} came, but the SequenceResponse has only "
            f"{len(self.responses)}. Add a response, or pass on_exhausted='last' or 'cycle'"
        )
