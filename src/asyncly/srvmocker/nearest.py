"""Which routes a request nearly took, and which requests nearly took a route."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from heapq import nlargest
from typing import TYPE_CHECKING, NamedTuple

from .comparing import Mismatch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .journal import Exchange
    from .request import RecordedRequest
    from .routing import MockRoute

__all__ = ["Near", "explain_route", "near_exchanges", "nearest_routes"]

_SHOWN = 3
_NEAR = 0.6
"""From this likeness of two paths on (0 to 1), one may be a slip for the other."""
_COMPARED = 100
"""Characters of a path that are compared: the time grows with their square."""
_SCANNED = 200
"""Routes or exchanges that are compared in full; of more, those that look most alike."""
_FOREIGN_NAME = re.compile(r"/(?:<(?:\w+:)?(\w+)>|:(\w+))(?=/|$)")
"""A name as other frameworks write it: `<id>`, `<int:id>`, `:id`. Here it is a literal."""


class Near(NamedTuple):
    """An exchange that a handler did not get, and what kept it away."""

    exchange: Exchange
    route: MockRoute
    mismatches: tuple[Mismatch, ...]


def explain_route(route: MockRoute, request: RecordedRequest) -> tuple[Mismatch, ...]:
    """Return every difference between a request and what a route takes."""
    found: list[Mismatch] = []
    method = route.method.upper()
    params = route.template.match(request.url.path_safe)
    if params is None:
        found.append(Mismatch("path", route.path, request.path, _name_syntax(route.path)))
    if method not in ("*", request.method):  # the rest was said of another kind of request
        found.append(Mismatch("method", method, request.method))
    elif route.match is not None:
        found += route.match.explain(request.routed(None, params or {}))
    return tuple(found)


def _name_syntax(path: str) -> str:
    """Say how a name is written, where one is written as other frameworks do."""
    foreign = _FOREIGN_NAME.search(path)
    return f"a name is written {{{foreign[1] or foreign[2]}}}" if foreign else ""


def nearest_routes(
    routes: Iterable[MockRoute], request: RecordedRequest
) -> tuple[tuple[MockRoute, tuple[Mismatch, ...]], ...]:
    """Return the routes nearest to a request that none took, best first, three at the most."""
    path = request.path[:_COMPARED]
    near = nlargest(_SCANNED, routes, key=lambda route: _outer_likeness(route.path, path))
    scored = [(_likeness(route, request), route) for route in near]
    best = nlargest(_SHOWN, (item for item in scored if item[0] >= _NEAR), key=lambda i: i[0])
    return tuple((route, explain_route(route, request)) for _, route in best)


def near_exchanges(
    routes: Iterable[MockRoute], exchanges: Iterable[Exchange], *, handler_name: str
) -> tuple[Near, ...]:
    """Return the exchanges that came near to one handler's routes but did not reach it."""
    others = [item for item in exchanges if item.handler_name != handler_name]
    scored: list[tuple[float, Near]] = []
    for exchange in others[-_SCANNED:]:
        request = exchange.request
        for route in routes:
            score = _likeness(route, request)
            if score < _NEAR:
                continue
            mismatches = explain_route(route, request)
            # What another handler took is news only where this one could have taken it.
            if exchange.route is None or all(m.where not in ("path", "method") for m in mismatches):
                scored.append((score, Near(exchange, route, mismatches)))
    return tuple(near for _, near in nlargest(_SHOWN, scored, key=lambda item: item[0]))


def _outer_likeness(one: str, other: str) -> int:
    """Compare two paths at their ends: cheap enough for thousands of routes."""
    return _shared_start(one, other) + _shared_start(one[::-1], other[::-1])


def _shared_start(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))


def _likeness(route: MockRoute, request: RecordedRequest) -> float:
    score = 1.0
    if route.template.match(request.url.path_safe) is None:
        path = request.path.lower()
        filled = _filled(route.path.lower(), path)[:_COMPARED]
        score = SequenceMatcher(None, filled, path[:_COMPARED], autojunk=False).ratio() - 0.02
    return score if route.method.upper() in ("*", request.method) else score - 0.1


def _filled(template: str, path: str) -> str:
    """Fill the names of a template with the segments of a path, so that only slips differ."""
    given = path.split("/")
    segments = template.split("/")
    return "/".join(
        given[index] if _is_name(segment) and index < len(given) else segment
        for index, segment in enumerate(segments)
    )


def _is_name(segment: str) -> bool:
    return "{" in segment or segment.startswith(("<", ":"))
