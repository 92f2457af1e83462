"""The journal: every exchange in order, bounded, with a way to wait for the next one."""

from __future__ import annotations

import json
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from .life import Life
from .request import NO_PARAMS, RecordedRequest
from .text import show_target
from .waiting import Bell

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from .comparing import Mismatch
    from .request import Arrival
    from .routing import MockRoute

__all__ = [
    "CLIENT_LEFT",
    "JOURNAL_LIMIT",
    "STOPPED",
    "WENT_DOWN",
    "Exchange",
    "Journal",
    "WebSocketMessage",
    "snapshot",
]

_T = TypeVar("_T")


JOURNAL_LIMIT = 10_000
"""Exchanges that a server remembers unless told otherwise."""

CLIENT_LEFT = "the client disconnected"
STOPPED = "the service was stopped"
WENT_DOWN = "the service went down"
"""The faults of an exchange whose connection ended under way, by either side."""


@dataclass(frozen=True, slots=True)
class WebSocketMessage:
    """What one side of a WebSocket said (RFC 6455 §5): a message or a control frame.

    Attributes:
        sender: `"client"` or `"server"`.
        kind: `"text"`, `"binary"`, `"ping"`, `"pong"` or `"close"`.
        data: the text (str), also the reason of a close; else the bytes.
        code: the code of a close (int); 1005 if it came without one. None for other kinds.
        at: `time.monotonic()` in seconds, as in `RecordedRequest.received_at`.
    """

    sender: Literal["client", "server"]
    kind: Literal["text", "binary", "ping", "pong", "close"]
    data: str | bytes
    at: float
    code: int | None = None

    def json(self) -> Any:
        """Return the data parsed as JSON, a fresh value at every call.

        Raises:
            ValueError: it is no JSON.
        """
        return json.loads(self.data)


class Exchange:
    """A request and what became of it. Read it; the server alone writes it.

    Attributes:
        request: what arrived.
        route: the route that took it; None if none did.
        nearest: for a request that no route took, the nearest routes with what differed.
        refused: whether the server itself refused it: no route, no HTTP, a proxy's no.
        status: the status sent (int); None while the answer is under way or if none was sent.
        fault: why no whole answer was sent, in words (`"the client disconnected"`); else None.
        error: what a response, or the reading of the request, raised; else None.
        finished_at: `time.monotonic()` in seconds when the answer was handed to the socket;
            None until then.
    """

    # One is kept of every request: small, and its record is made when somebody asks for it.
    __slots__ = (
        "_arrival",
        "_messages",
        "_path_params",
        "_request",
        "error",
        "fault",
        "finished_at",
        "nearest",
        "refused",
        "route",
        "status",
    )

    def __init__(
        self,
        arrival: Arrival,
        route: MockRoute | None,
        path_params: Mapping[str, str] = NO_PARAMS,
    ) -> None:
        self._arrival = arrival
        self._path_params = path_params
        self._request: RecordedRequest | None = None
        self._messages: list[WebSocketMessage] | None = None
        self.route = route
        self.nearest: tuple[tuple[MockRoute, tuple[Mismatch, ...]], ...] = ()
        self.refused = route is None
        self.status: int | None = None
        self.fault: str | None = None
        self.error: BaseException | None = None
        self.finished_at: float | None = None

    @property
    def request(self) -> RecordedRequest:
        """What arrived."""
        if self._request is None:
            self._request = RecordedRequest.of(self._arrival, self.handler_name, self._path_params)
        return self._request

    @property
    def handler_name(self) -> str | None:
        """The handler name of the route that took the request; None if none did."""
        return None if self.route is None else self.route.handler_name

    @property
    def path_params(self) -> Mapping[str, str]:
        """The values of the `{name}` parts of the route's path."""
        return self._path_params

    def add_body(self, body: bytes) -> None:
        """Note the body, where it came after the exchange had begun."""
        self._arrival = (*self._arrival[:3], body, *self._arrival[4:])
        self._request = None

    @property
    def messages(self) -> tuple[WebSocketMessage, ...]:
        """What was said on a WebSocket, by both sides, in order; empty for anything else."""
        return tuple(self._messages or ())

    def log_messages(self) -> list[WebSocketMessage]:
        """Return the list that the server adds messages to; it is made at the first call."""
        if self._messages is None:
            self._messages = []
        return self._messages

    def finish(self, status: int | None = None, fault: str | None = None) -> None:
        """Note how the exchange ended."""
        self.status = status
        self.fault = fault
        self.finished_at = monotonic()

    @property
    def outcome(self) -> str:
        """The end of the exchange in a word or two, for messages."""
        if self.fault is not None:
            return self.fault
        return str(self.status) if self.status is not None else "under way"

    def __repr__(self) -> str:
        target = show_target(self.request.target)
        return f"<Exchange {self.request.method} {target} → {self.outcome}>"


class Journal:
    """The ordered log of one service's exchanges, the newest `limit` of them.

    What had to be dropped is counted by handler name in `dropped`, so that no
    assertion passes because a call was forgotten. `bell` is rung for every exchange, and `life`
    tells whether more may come.
    """

    def __init__(self, limit: int) -> None:
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise ValueError(
                f"journal_limit takes the number of exchanges to keep, at least 1, got {limit!r}"
            )
        self.limit = limit
        self.dropped: dict[str | None, int] = {}
        self._log: deque[Exchange] = deque()
        self.bell = Bell()
        self.life = Life()

    def append(self, exchange: Exchange) -> None:
        """Add an exchange and tell whoever waits for one."""
        log = self._log
        if len(log) >= self.limit:
            with suppress(IndexError):  # another thread has cleared it meanwhile
                name = log.popleft().handler_name
                self.dropped[name] = self.dropped.get(name, 0) + 1
        log.append(exchange)
        self.bell.ring()

    def clear(self) -> None:
        """Forget everything."""
        self._log.clear()
        self.dropped.clear()

    def calls(self, handler_name: str) -> list[RecordedRequest]:
        """Return the requests that the handler took, in order."""
        return [
            exchange.request
            for exchange in snapshot(self._log)
            if exchange.handler_name == handler_name
        ]

    def __iter__(self) -> Iterator[Exchange]:
        return iter(snapshot(self._log))

    def __len__(self) -> int:
        return len(self._log)

    def __repr__(self) -> str:
        return f"<Journal of {len(self._log)} exchanges, limit {self.limit}>"


def snapshot(items: Collection[_T]) -> tuple[_T, ...]:
    """Return what is in a collection that another thread changes."""
    while True:
        try:
            return tuple(items)
        except RuntimeError:  # it was changed in the midst of this
            continue
