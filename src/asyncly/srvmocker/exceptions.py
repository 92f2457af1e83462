"""The errors of asyncly.srvmocker, one tree.

    SrvMockerError
    ├── UnknownHandlerError   (also a LookupError)
    ├── MissingResponseError
    ├── SequenceExhausted
    ├── StreamClosedError     (also a ConnectionError)
    ├── BlockedLoopError
    └── ServiceThreadError

A failed expectation is none of these: it is an `AssertionError`, as test runners expect. That
of a WebSocket's script is a `WebSocketScriptError`, kept in `service.errors`.
A wrong argument is a `TypeError` or a `ValueError`. The one warning is a `BlockedLoopWarning`.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "BlockedLoopError",
    "BlockedLoopWarning",
    "MissingResponseError",
    "SequenceExhausted",
    "ServiceThreadError",
    "SrvMockerError",
    "StreamClosedError",
    "UnknownHandlerError",
    "WebSocketScriptError",
]

_SHOWN = 10
"""Declared names that a message lists."""


class SrvMockerError(Exception):
    """The base of every error that the mock server raises by itself."""


class UnknownHandlerError(SrvMockerError, LookupError):
    """A handler name that no route declares was registered or asked for.

    The nearest declared name is in the message, so a typo is seen at once.

    Args:
        name: what was asked for.
        declared: the names that there are.
        owners: those of the routes whose path was given in place of a name.
    """

    def __init__(self, name: str, declared: Iterable[str], owners: Iterable[str] = ()) -> None:
        self.name = name
        self.declared = tuple(sorted(set(declared)))
        near = get_close_matches(name, self.declared, n=1)
        hint = f". Did you mean {near[0]!r}?" if near else "."
        if path_of := " and ".join(map(repr, dict.fromkeys(owners))):
            hint = f": it is the path of {path_of}."
        known = ", ".join(map(repr, self.declared[:_SHOWN])) or "none"
        if len(self.declared) > _SHOWN:
            known += f" and {len(self.declared) - _SHOWN} more"
        super().__init__(
            f"no route declares the handler name {name!r}{hint} Declared: {known}. "
            "Every handler needs a MockRoute, in start_service(routes) or the fixture mock_routes."
        )


class MissingResponseError(SrvMockerError):
    """A request reached a route whose handler has no registered response.

    The client got a 500 that says the same. Register the response before the request.
    """

    def __init__(self, handler_name: str, route: str) -> None:
        self.handler_name = handler_name
        super().__init__(
            f"no response is registered for {handler_name!r} ({route}). "
            f"Add this before the request: service.register({handler_name!r}, JsonResponse(...))"
        )


class SequenceExhausted(SrvMockerError):  # noqa: N818 - the name that users already catch
    """More requests came than a `SequenceResponse` has responses.

    The client got a 500 that says the same. Pass `on_exhausted="last"` or `"cycle"` to go on.
    """


class StreamClosedError(SrvMockerError, ConnectionError):
    """A test sent something into a live stream that has ended.

    The text says who ended it: the client, the test, or the end of the service.
    """


class BlockedLoopError(SrvMockerError):
    """Clients waited for a server whose own event loop was blocked, and were sent away.

    It is in `service.errors`, and the text says which line blocked the loop and what to do.
    Those clients got a 503 that says the same, or their connection was cut.

    Attributes:
        filename: the file of the line.
        lineno: the line, from 1.
    """

    def __init__(self, text: str, filename: str, lineno: int) -> None:
        self.filename = filename
        self.lineno = lineno
        super().__init__(text)


class BlockedLoopWarning(RuntimeWarning):
    """A client waits for a server whose own event loop is blocked.

    It is given at the line that blocks, and its text says what to do.
    """


class ServiceThreadError(SrvMockerError):
    """The thread of a server has died, or does not end.

    Raised at the end of a `run_service` block, and kept in `service.errors`.
    """


class WebSocketScriptError(AssertionError):
    """A client did not do what the script of a `WebSocketResponse` expected of it.

    It sent another message, or none in time, or it closed or left before the script was through.
    The client got a close frame that says the same in short.

    Attributes:
        mismatches: each difference of the message that came (`Mismatch`), or the one that
            nothing came; empty if a function of the user's raised.
        reason: the short form, as in the close frame.
    """

    def __init__(self, text: str, reason: str = "", mismatches: Sequence[object] = ()) -> None:
        self.reason = reason or text
        self.mismatches = tuple(mismatches)
        super().__init__(text)
