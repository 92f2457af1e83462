"""Where requests wait for the test: a gate that it opens, a barrier that a crowd opens."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..life import Lives
from ..report import count, render_request
from ..waiting import Bell
from .base import BaseMockResponse, check_response, walk

if TYPE_CHECKING:
    from aiohttp import web

    from ..request import RecordedRequest
    from ..waiting import Wait

__all__ = ["Barrier", "Gate"]


class _Visit:
    """One request at a gate: what it is, and what the test decided about it."""

    __slots__ = ("answer", "bell", "decided", "request", "tls")

    def __init__(self, request: RecordedRequest, *, tls: bool) -> None:
        self.request = request
        self.tls = tls
        self.bell = Bell()  # its own: a decision wakes nobody else
        self.decided = False
        self.answer: BaseMockResponse | None = None

    def decide(self, answer: BaseMockResponse | None) -> None:
        self.answer = answer
        self.decided = True
        self.bell.ring()


class Gate:
    """A place where requests stand until the test lets them through.

    `GatedResponse(response, gate)` leads requests to it. One gate may serve several responses
    and several services, and any thread may call its methods. A client that leaves while it
    stands here no longer counts; the end of its service ends every request that waits.

    A gate is closed at first. `release()` lets through what stands there *now* and leaves the
    gate closed for what comes later; `open()` lets that through, too.

    Example:
        >>> async def test_the_client_gives_up(service, client):
        ...     gate = Gate()
        ...     service.register("fact", GatedResponse(JsonResponse({}), gate))
        ...     fetching = asyncio.create_task(client.fetch())
        ...     await gate.waiting()  # the request has arrived, and nobody answers it
        ...     gate.release()
        ...     await fetching
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # never held while a bell is rung
        self._changes = Bell()
        self._lives = Lives(self._changes)
        self._visits: list[_Visit] = []
        self._is_open = False
        self._let_through = 0
        self._left = 0

    @property
    def standing(self) -> tuple[RecordedRequest, ...]:
        """The requests that stand at the gate now, in order of arrival."""
        with self._lock:
            return tuple(visit.request for visit in self._visits)

    def waiting(self, n: int = 1, *, timeout: float | None = 5.0) -> Wait[list[RecordedRequest]]:
        """Wait until at least `n` requests stand at the gate, and return those that do.

        Nothing is polled. `await` it in asyncio or trio; in a test without a loop write
        `gate.waiting(n).block()`.

        Args:
            n: how many must stand there at the same time.
            timeout: seconds to wait; None waits for ever.

        Raises:
            AssertionError: they did not come in time, or before every service with this gate was
                stopped; the text lists those that stand there.
            TypeError: `n` is no number.
            ValueError: `n` is below 1.
        """
        _check_number(n, "gate.waiting(n)")

        enough: list[RecordedRequest] = []  # as they stood when there were enough
        ended: str | None = None

        def satisfied() -> bool:
            nonlocal ended
            ended = self._lives.end  # before the question: nobody comes after that
            standing = self.standing
            if len(standing) >= n:
                enough[:] = standing
            return bool(enough) or ended is not None

        def stand() -> list[RecordedRequest]:
            __tracebackhide__ = True
            if not enough:
                what = f"for {count(n, 'request')} at the gate"
                late = f"waited {what} until {ended}" if ended else f"waited {timeout:g} s {what}"
                raise AssertionError(self._describe(late))
            return enough

        return self._changes.until(
            satisfied, timeout=timeout, then=stand, call=f"gate.waiting({n})"
        )

    def release(self, n: int | None = None) -> int:
        """Let through what stands at the gate now, and return how many that are.

        Later requests stand again.

        Args:
            n: let through just so many, those that came first; None is all, be it none.

        Raises:
            AssertionError: fewer than `n` stand there; none is let through.
            TypeError: `n` is no number.
            ValueError: `n` is below 1.
        """
        __tracebackhide__ = True
        return self._decide(self._take(n, "gate.release(n)"))

    def fail(self, response: BaseMockResponse, n: int | None = None) -> int:
        """Answer what stands at the gate now with another response; return how many that are.

        Args:
            response: a fault, a 503, or anything else that can be registered.
            n: as in `release`.

        Raises:
            AssertionError: fewer than `n` stand there; all go on standing.
            TypeError: `response` is no response, or `n` no number.
            ValueError: `n` is below 1, or `response` cannot be sent by a service that waits here.
        """
        __tracebackhide__ = True
        check_response(response, "gate.fail(...)")
        for tls in {visit.tls for visit in tuple(self._visits)}:
            for part in walk(response):
                part.check_transport(tls=tls)
        return self._decide(self._take(n, "gate.fail(response, n)"), response)

    def open(self) -> None:
        """Let through what stands at the gate and all that comes, until `close()`."""
        with self._lock:
            self._is_open = True
        self._decide(self._take(None, ""))

    def close(self) -> None:
        """Let nothing through any more: what comes from now on stands again."""
        with self._lock:
            self._is_open = False

    def _arrive(self, visit: _Visit) -> list[_Visit]:
        """Take a request in; return those that need not wait any longer."""
        with self._lock:
            self._visits.append(visit)
            return self._pop(len(self._visits)) if self._lets_through() else []

    def _lets_through(self) -> bool:
        return self._is_open

    def _take(self, n: int | None, call: str) -> list[_Visit]:
        __tracebackhide__ = True
        if n is not None:
            _check_number(n, call)
        with self._lock:
            standing = len(self._visits)
            if n is None or n <= standing:
                return self._pop(standing if n is None else n)
        wish = f"{call} asked for {count(n, 'request')}"
        raise AssertionError(self._describe(wish, f"; await gate.waiting({n}) first"))

    def _pop(self, n: int) -> list[_Visit]:
        taken, self._visits[:n] = self._visits[:n], []
        self._let_through += n
        return taken

    def _decide(self, visits: list[_Visit], answer: BaseMockResponse | None = None) -> int:
        for visit in visits:
            visit.decide(answer)
        return len(visits)

    async def _pass(
        self, request: web.Request, recorded: RecordedRequest
    ) -> BaseMockResponse | None:
        """Stand at the gate; return what the test answers in place of the wrapped response."""
        visit = _Visit(recorded, tls=request.secure)
        self._decide(self._arrive(visit))
        self._changes.ring()
        try:
            await visit.bell.wait(lambda: visit.decided, timeout=None)
        finally:
            with self._lock:
                if visit in self._visits:  # the client left, or the service did
                    self._visits.remove(visit)
                    self._left += 1
            self._changes.ring()
        return visit.answer

    def _describe(self, wish: str, hint: str = "") -> str:
        standing = self.standing
        lines = [f"{wish}, got {len(standing) or 'none'}{hint}"]
        lines += [
            f"  request {number} ({request.handler_name!r})  {render_request(request)}"
            for number, request in enumerate(standing, 1)
        ]
        if self._let_through or self._left:
            lines.append(f"  before: {self._let_through} let through, {self._left} left")
        return "\n".join(lines)

    def __repr__(self) -> str:
        state = "open" if self._is_open else "closed"
        return f"<{type(self).__name__}, {state}, {count(len(self._visits), 'request')} standing>"


class Barrier(Gate):
    """A gate that opens by itself for each `n` requests that stand there together.

    It proves that a client works in parallel: one that sends fewer than `n` at once gets no
    answer. All that a `Gate` can do, it can too.

    Args:
        n: how many go through together.

    Raises:
        TypeError: `n` is no number.
        ValueError: `n` is below 1.

    Example:
        >>> GatedResponse(RawResponse("together"), Barrier(5)).gate
        <Barrier, closed, 0 requests standing>
    """

    def __init__(self, n: int) -> None:
        _check_number(n, "Barrier(n)")
        super().__init__()
        self._n = n

    def waiting(self, n: int = 1, *, timeout: float | None = 5.0) -> Wait[list[RecordedRequest]]:
        """Wait until at least `n` requests stand at the barrier, and return those that do.

        Args:
            n: less than the number that the barrier lets through.
            timeout: seconds to wait; None waits for ever.

        Raises:
            AssertionError: they did not come in time; the text lists those that stand there.
            TypeError: `n` is no number.
            ValueError: `n` is below 1, or so many never stand there.
        """
        if isinstance(n, int) and n >= self._n:
            raise ValueError(
                f"{n} requests never stand at a Barrier({self._n}): it lets {self._n} through. "
                f"Wait for them with service.wait_for_call(name, times={n})"
            )
        return super().waiting(n, timeout=timeout)

    def _lets_through(self) -> bool:
        return self._is_open or len(self._visits) >= self._n


def _check_number(n: object, call: str) -> None:
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"{call} takes a number of requests, got {n!r}")
    if n < 1:
        raise ValueError(f"{call} takes a number of requests from 1 up, got {n}")
