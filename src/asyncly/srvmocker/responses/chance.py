"""Answers drawn by lot, the same ones again from the same seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from secrets import randbits
from typing import TYPE_CHECKING

from ..text import shorten
from .base import BaseMockResponse, check_response, state_of, walk
from .numbers import is_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiohttp import web

__all__ = ["ChanceResponse", "choose_seed", "render_seeds"]


@dataclass(frozen=True, init=False)
class ChanceResponse(BaseMockResponse):
    """Answers each request with one of several responses, drawn by weight.

    The draws belong to the registration: each begins with the first draw of the seed, and so
    does `service.reset()`. Requests that come at once draw in order of arrival.

    Args:
        choices: pairs of a weight and a response. Weights are relative: `(1, a), (3, b)` draws
            `b` three times as often as `a`.
        seed: repeats the draws of an earlier run. Left out, one is chosen; it is in `seed`, in
            the repr and in pytest's report of a test that failed.

    Raises:
        TypeError: an element is no such pair, or `seed` no number.
        ValueError: there is no choice, or a weight is not above 0 and finite.

    Example:
        >>> ChanceResponse([(0.2, DisconnectResponse()), (0.8, RawResponse("ok"))], seed=7).seed
        7
    """

    choices: tuple[tuple[float, BaseMockResponse], ...]
    seed: int

    def __init__(
        self, choices: Iterable[tuple[float, BaseMockResponse]], *, seed: int | None = None
    ) -> None:
        checked = tuple(_check_choice(choice) for choice in choices)
        if not checked:
            raise ValueError("ChanceResponse takes at least one (weight, response), got none")
        vars(self).update(choices=checked, seed=choose_seed(seed))

    @property
    def parts(self) -> tuple[BaseMockResponse, ...]:
        """The responses that may be drawn."""
        return tuple(response for _, response in self.choices)

    async def response(self, request: web.Request) -> web.StreamResponse:
        """Draw a response and answer with it."""
        weights = [weight for weight, _ in self.choices]
        lot = state_of(self, request, lambda: Random(self.seed))  # noqa: S311 - no secret
        (drawn,) = lot.choices(self.parts, weights)
        return await drawn.response(request)


def _check_choice(choice: object) -> tuple[float, BaseMockResponse]:
    if not isinstance(choice, tuple | list) or len(choice) != 2:
        raise TypeError(
            f"ChanceResponse takes pairs such as (0.2, RawResponse('ok')), got {shorten(choice)}"
        )
    weight, response = choice
    if not is_number(weight):
        raise TypeError(f"a weight is a number above 0, such as 0.2, got {weight!r}")
    if not 0 < weight < math.inf:
        raise ValueError(f"a weight is a number above 0, got {weight!r}")
    check_response(response, "ChanceResponse")
    return weight, response


def choose_seed(seed: object) -> int:
    """Return the seed, or a new one for None.

    Raises:
        TypeError: it is no whole number.
    """
    if seed is None:
        return randbits(32)  # `random` is left alone: the test may have seeded it
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed= takes a whole number, got {seed!r}")
    return seed


def render_seeds(handlers: Mapping[str, BaseMockResponse]) -> str:
    """Return what a failed test needs to draw the same again; an empty text if none drew."""
    seeds = {  # a response may stand in a tree twice
        f"  {name!r}: {type(part).__name__}(..., seed={seed})": None
        for name, response in handlers.items()
        for part in walk(response)
        if (seed := getattr(part, "seed", None)) is not None
    }
    return "\n".join(["to draw the same again, pass", *seeds]) if seeds else ""
