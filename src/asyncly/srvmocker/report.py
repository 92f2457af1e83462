"""The text of every failure: one small page, laid out once, read in five seconds.

    'create' (POST /orders): expected a matching call, got 0 of 2
      expected  json={'items': [{'qty': 3}]}
      closest   call 2 of 2: POST /orders
        json.items[0].qty: expected 3, got 2
      came near, but reached no handler
        POST /order → 404
          path: expected '/orders', got '/order'

The head line tells who, what and how many; under it stand the wish, the closest call with
its differences by their place, and the requests that went elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .comparing import ENOUGH
from .exceptions import BlockedLoopError, BlockedLoopWarning, ServiceThreadError
from .text import describe_error, redact, shorten, show_target

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .assertions import Verdict
    from .comparing import Mismatch
    from .journal import Exchange
    from .nearest import Near
    from .request import RecordedRequest
    from .routing import MockRoute

__all__ = [
    "count",
    "render_advice",
    "render_exchange",
    "render_mismatches",
    "render_missing",
    "render_not_found",
    "render_order",
    "render_request",
    "render_routes",
    "render_target",
    "render_trouble",
    "render_verdict",
]

_MISMATCHES = 10
_ASIDE = 3
"""Differences shown of a request that is not the one asked about."""
_CALLS = 5
_ROUTES = 10
_NAMED = 5
"""Routes that are named on one line."""
_TARGET = 100
"""Characters that a request target may take."""
_ERROR_LINES = 12
_ERROR = 240
"""Characters that the text of an error may take on its line: ours end in what to do."""
_OF_THE_SERVER = (BlockedLoopError, BlockedLoopWarning, ServiceThreadError)


def count(number: int, noun: str) -> str:
    """Return "1 call", "2 calls"."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def render_request(request: RecordedRequest) -> str:
    """Return the request line, with a glimpse of the body if there is one."""
    line = render_target(request)
    return f"{line}  body {shorten(request.body, 60)}" if request.body else line


def render_target(request: RecordedRequest) -> str:
    """Return the method and the target, short."""
    return f"{request.method} {show_target(request.target, _TARGET)}"


def render_mismatches(
    mismatches: Sequence[Mismatch], indent: str = "    ", limit: int = _MISMATCHES
) -> list[str]:
    """Return a line for each difference, the first `limit` of them."""
    lines = [indent + line for mismatch in mismatches[:limit] for line in str(mismatch).split("\n")]
    hidden = len(mismatches) - limit
    if hidden <= 0:
        return lines
    least = "at least " if len(mismatches) >= ENOUGH else ""  # the comparison stopped there
    return [*lines, f"{indent}… and {least}{count(hidden, 'more difference')}"]


def render_exchange(
    exchange: Exchange,
    nearest: Iterable[tuple[MockRoute, Sequence[Mismatch]]] | None = None,
    indent: str = "  ",
) -> list[str]:
    """Return what became of a request and, if no route took it, the nearest routes."""
    refused = exchange.refused and exchange.error is not None
    # What could not be read is not shown: it may hold secrets. The outcome says why.
    request = (render_target if refused else render_request)(exchange.request)
    lines = [f"{indent}{request} → {exchange.outcome}"]
    if exchange.error is not None and not refused:
        lines += [f"{indent}  {line}" for line in _error_lines(exchange.error, exchange.request)]
    for route, mismatches in exchange.nearest if nearest is None else nearest:
        lines.append(f"{indent}  nearest route: {route} ({route.handler_name!r})")
        lines += render_mismatches(mismatches, indent + "    ", _ASIDE)
    return lines


def _error_lines(error: BaseException, request: RecordedRequest) -> list[str]:
    """Return the lines of an expectation that failed; of any other error, one."""
    if isinstance(error, AssertionError):
        return redact(describe_error(error), request.headers).split("\n")[:_ERROR_LINES]
    return [redact(describe_error(error, _ERROR), request.headers).replace("\n", "\\n")]


def render_not_found(
    request: RecordedRequest,
    nearest: Sequence[tuple[MockRoute, Sequence[Mismatch]]],
    declared: Sequence[MockRoute],
) -> str:
    """Return the body of a 404: the nearest routes and, for each, what differed."""
    lines = [f"404: no route takes {render_target(request)}", ""]
    if nearest:
        lines.append("nearest routes:")
        for route, mismatches in nearest:
            lines.append(f"  {route} ({route.handler_name!r})")
            lines += render_mismatches(mismatches)
    elif declared:
        lines.append("no declared route comes near; declared are:")
        lines += [f"  {route} ({route.handler_name!r})" for route in declared[:_ROUTES]]
        if len(declared) > _ROUTES:
            lines.append(f"  … and {count(len(declared) - _ROUTES, 'more route')}")
    else:
        lines.append(
            "no route is declared: start_service(routes), or the fixture mock_routes, is empty"
        )
    return "\n".join([*lines, "", render_advice(request)]) + "\n"


def render_advice(request: RecordedRequest) -> str:
    """Return the line that says how a route that takes the request is written."""
    return f"to take it: MockRoute({request.method!r}, {shorten(request.path)}, 'a_name')"


def render_verdict(verdict: Verdict, near: Sequence[Near] = ()) -> str:
    """Return the message of a failed expectation on calls."""
    lines = [_headline(verdict)]
    if shown := str(verdict.match):
        lines.append(f"  expected  {shown}")
    lines += (_closest(verdict) if verdict.too_few else []) or _counted(verdict)
    if verdict.dropped:
        lines += [
            f"  forgotten {count(verdict.dropped, 'call')}: the journal was full; "
            "pass a larger journal_limit= to start_service",
        ]
    unmatched = [item for item in near if item.exchange.route is None]
    elsewhere = [item for item in near if item.exchange.route is not None]
    lines += _near("came near, but reached no handler", unmatched)
    lines += _near("went to another handler", elsewhere)
    return "\n".join(lines)


def _headline(verdict: Verdict) -> str:
    calls, matching, times = len(verdict.calls), len(verdict.matching), verdict.times
    noun = "call" if verdict.every else "matching call"
    if verdict.ended is not None:
        wish = f"waited for {count(times or 1, noun)} until {verdict.ended}"
    elif verdict.waiting is not None:
        wish = f"waited {verdict.waiting:g} s for {count(times or 1, noun)}"
    elif times is None:
        wish = f"expected a {noun}"
    elif times == 0:
        wish = f"expected no {noun}"
    else:
        wish = f"expected exactly {count(times, noun)}"
    got = f"{matching} of {count(calls, 'call')}" if not verdict.every else str(calls)
    if calls == 0 and not verdict.dropped:
        got = "none: it was never called"
    elif verdict.dropped and verdict.every:
        got = f"{calls + verdict.dropped}"
    return f"{verdict.subject}: {wish}, got {got}"


def _closest(verdict: Verdict) -> list[str]:
    closest = verdict.closest
    if closest is None:
        return []
    number, mismatches = closest
    calls = verdict.calls
    place = f"call {number} of {len(calls)}" if len(calls) > 1 else "the only call"
    request = calls[number - 1]
    lines = [f"  closest   {place}: {render_target(request)}"]
    return lines + render_mismatches(mismatches)


def _counted(verdict: Verdict) -> list[str]:
    """Show the calls that count: there are too many, or too few and no other ones."""
    lines = [
        f"  call {number}    {render_request(request)}"
        for number, request in enumerate(verdict.calls, 1)
        if not verdict.mismatches[number - 1]
    ]
    hidden = len(lines) - _CALLS
    return [*lines[:_CALLS], f"  … and {count(hidden, 'more call')}"] if hidden > 0 else lines


def _near(title: str, near: Sequence[Near]) -> list[str]:
    lines = [f"  {title}"] if near else []
    for exchange, route, mismatches in near:
        taker = f" ({exchange.route.handler_name!r})" if exchange.route else ""
        lines.append(f"    {render_target(exchange.request)} → {exchange.outcome}{taker}")
        lines += render_mismatches(mismatches, "      ", _ASIDE)
        if not mismatches and exchange.route:
            lines.append(f"      nothing differs from {route}: another route was tried first")
    return lines


def render_order(wanted: Sequence[str], calls: Sequence[RecordedRequest], found: int) -> str:
    """Return the message of calls that came in another order; `found` names came in order."""
    lines = [
        f"expected the calls {' → '.join(map(repr, wanted))} in this order; "
        f"{wanted[found]!r} did not come" + (f" after {wanted[found - 1]!r}" if found else ""),
        "  the calls were" if calls else "  there were no calls",
    ]
    shown = calls[-10:]
    if len(shown) < len(calls):
        lines.append(f"    … {count(len(calls) - len(shown), 'earlier call')}")
    lines += [f"    {call.handler_name!r}  {render_request(call)}" for call in shown]
    return "\n".join(lines)


def render_missing(routes: Sequence[MockRoute], near: Sequence[Near]) -> str:
    """Return the message of handlers that were never called."""
    lines = [f"{count(len(routes), 'declared handler')} never called"]
    lines += _list_routes(routes, indent="  ")
    unmatched = [item for item in near if item.exchange.route is None]
    return "\n".join([*lines, *_near("came near, but reached no handler", unmatched[:_CALLS])])


def render_routes(routes: Sequence[MockRoute]) -> str:
    """Return the methods and paths of one handler's routes, on one line."""
    shown = list(dict.fromkeys(map(str, routes)))
    hidden = len(shown) - _NAMED
    return " | ".join(shown[:_NAMED]) + (f" | … {hidden} more" if hidden > 0 else "")


def _list_routes(routes: Sequence[MockRoute], indent: str) -> list[str]:
    lines = [f"{indent}{route.handler_name!r}  {route}" for route in routes[:_ROUTES]]
    hidden = len(routes) - _ROUTES
    return [*lines, f"{indent}… and {count(hidden, 'more route')}"] if hidden > 0 else lines


def render_trouble(
    host: Any, *, unused: bool = False, handshakes: bool = False, colour: bool = False
) -> str:
    """Return what went wrong on a server during a test, or an empty text.

    Args:
        host: a mock service or a proxy.
        unused: name registered responses that nothing used, too.
        handshakes: name TLS handshakes that failed, too, but for faults of the test's own.
        colour: use the colours of a terminal.
    """
    unmatched = [item for item in host.unmatched if not isinstance(item.error, _OF_THE_SERVER)]
    errors = [item for item in host.exchanges if item.error is not None and item.route is not None]
    own = [error for error in host.errors if isinstance(error, _OF_THE_SERVER)]
    idle = getattr(host, "unused", ()) if unused else ()
    failed = [item for item in host.connections if item.handshake_error and not item.tls_fault]
    failed = failed if handshakes else []
    counts = [
        count(len(items), noun)
        for items, noun in (
            (unmatched, "unmatched request"),
            (errors, "failed response"),
            (own, "server error"),
            (idle, "unused response"),
            (failed, "failed handshake"),
        )
        if items
    ]
    if not counts:
        return ""
    lines = [_paint(f"{', '.join(counts)} on {host!r}", "1;31", colour)]
    lines += _trouble("unmatched", unmatched, colour)
    lines += _trouble("raised while answering", errors, colour)
    if own:
        lines.append(_paint("  the server itself", "1", colour))
        lines += [f"    {line}" for error in own[:_CALLS] for line in str(error).split("\n")]
    if idle:
        lines.append(_paint("  registered, but never used", "1", colour))
        lines += _list_routes(idle, indent="    ")
    return "\n".join(lines + _handshakes(failed, colour))


def _handshakes(failed: Sequence[Any], colour: bool) -> list[str]:
    lines = [_paint("  no TLS connection", "1", colour)] if failed else []
    lines += [f"    connection {one.number}: {one.handshake_error}" for one in failed[:_CALLS]]
    hidden = len(failed) - _CALLS
    lines += [f"    … and {hidden} more"] if hidden > 0 else []
    hints = dict.fromkeys(one.handshake_hint for one in failed if one.handshake_hint)
    return [*lines, *(f"    → {hint}" for hint in hints)]


def _trouble(title: str, exchanges: Sequence[Exchange], colour: bool) -> list[str]:
    lines = [_paint(f"  {title}", "1", colour)] if exchanges else []
    for exchange in exchanges[:_CALLS]:
        lines += render_exchange(exchange, indent="    ")
    hidden = len(exchanges) - _CALLS
    return [*lines, f"    … and {hidden} more"] if hidden > 0 else lines


def _paint(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text
