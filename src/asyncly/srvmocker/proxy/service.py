"""The handle of the forward proxy: `start_proxy` and `MockProxyService`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..assertions import Verdict, check_times
from ..comparing import Mismatch, compare
from ..journal import JOURNAL_LIMIT, Journal
from ..matching import ANY_REQUEST, UNSET, Match
from ..report import render_verdict
from ..server.connection import HttpServer
from ..server.host import Host, Serving
from ..server.listener import Listener
from ..text import shorten
from .forward import Forwarder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    import aiohttp

    from ..journal import Exchange
    from ..request import RecordedRequest
    from ..waiting import Wait

__all__ = ["MockProxyService", "start_proxy"]


def start_proxy(
    *,
    auth: aiohttp.BasicAuth | tuple[str, str] | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    timeout: float = 30.0,
    journal_limit: int = JOURNAL_LIMIT,
) -> AbstractAsyncContextManager[MockProxyService]:
    """Serve a forward proxy for plain HTTP in the running loop until the block is left.

    It records every request and sends it on as it is: it follows no redirect, decompresses
    nothing, keeps no cookie and adds no header. Bodies are streamed both ways.

    Args:
        auth: the login and password that clients must send (RFC 7617); others get a 407, and
            nothing is sent on.
        host: the address or name to bind to; only this machine reaches the default.
        port: 0 lets the system choose a free one.
        timeout: seconds that a target may take to accept, and then between two pieces of its
            answer, before the client gets a 504.
        journal_limit: how many exchanges are remembered, the newest ones.

    Raises:
        TypeError: `auth` is neither `aiohttp.BasicAuth` nor a pair of texts.
        ValueError: `timeout` or `journal_limit` is out of range.
        OSError: the address cannot be bound.

    Example:
        >>> async def test_through_proxy():
        ...     async with start_service([MockRoute("GET", "/fact", "fact")]) as service:
        ...         service.register("fact", JsonResponse({"fact": "Meow."}))
        ...         async with start_proxy() as proxy, aiohttp.ClientSession() as session:
        ...             async with session.get(service.url / "fact", proxy=proxy.url) as answer:
        ...                 assert answer.status == 200
        ...             proxy.assert_called(target=service.url / "fact", method="GET", times=1)
        >>> asyncio.run(test_through_proxy())
    """
    return MockProxyService(
        auth=auth, host=host, port=port, timeout=timeout, journal_limit=journal_limit
    )


class MockProxyService(Host):
    """A running forward proxy: where it is, and what passed.

    Made by `start_proxy` or by the `mock_proxy` fixture. Its queries are those of
    `MockService`; in place of a handler name they take:

    * `target`: the URL asked for: a text or a `yarl.URL` that must be equal, a text without a
      scheme that is the host (`"api.example.com"`, with the port if there is one), a compiled
      pattern for the whole URL, or a function of it;
    * `method`: the method.
    """

    def __init__(
        self,
        *,
        auth: aiohttp.BasicAuth | tuple[str, str] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        timeout: float = 30.0,
        journal_limit: int = JOURNAL_LIMIT,
    ) -> None:
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
            raise ValueError(f"timeout takes seconds above 0, got {timeout!r}")
        super().__init__(Listener(host, port), Journal(journal_limit))
        self._auth = _check_auth(auth)
        self._timeout = timeout

    def _make_serving(self) -> Serving:
        forwarder = Forwarder(self._journal, self._errors, self._origin, self._auth, self._timeout)
        loop = asyncio.get_running_loop()
        server = HttpServer(forwarder.handle, forwarder.answer_malformed, self._connections, loop)
        forwarder.session = forwarder.open_session()
        return Serving(self._listeners, server, forwarder.session.close)

    def reset(self) -> None:
        """Forget the requests, the closed connections and the errors."""
        self._forget()

    # --- what passed --------------------------------------------------------------------

    @property
    def unmatched(self) -> tuple[Exchange, ...]:
        """The exchanges that were not sent on: 407, CONNECT, a request for the proxy itself."""
        return tuple(exchange for exchange in self._journal if exchange.refused)

    def get_calls(self, *, target: Any = None, method: str | None = None) -> list[RecordedRequest]:
        """Return the requests for a target, in order."""
        return self._judge(ANY_REQUEST, target, method).matching

    def last_call(self, *, target: Any = None, method: str | None = None) -> RecordedRequest:
        """Return the latest request for a target.

        Raises:
            AssertionError: there was none.
        """
        __tracebackhide__ = True
        verdict = self._judge(ANY_REQUEST, target, method)
        _require(verdict)
        return verdict.matching[-1]

    # --- expectations -------------------------------------------------------------------

    def assert_called(
        self,
        *,
        target: Any = None,
        method: str | None = None,
        times: int | None = None,
        json: Any = UNSET,
        body: Any = None,
        headers: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        cookies: Mapping[str, Any] | None = None,
        form: Mapping[str, Any] | None = None,
        predicate: Callable[[RecordedRequest], object] | None = None,
    ) -> None:
        """Expect that requests as described passed: at least one, or exactly `times`.

        Args:
            target: the URL or the host.
            method: the method.
            times: how many requests must fit all the other arguments; None is at least one.
            json: as in `Match`, like all that follow.
            body: the body as sent.
            headers: a subset of the headers.
            query: a subset of the query.
            cookies: a subset of the cookies.
            form: the form, exactly.
            predicate: a function of the request.

        Raises:
            AssertionError: they did not; the text shows the closest one and what differed.
        """
        __tracebackhide__ = True
        match = Match(json, body, headers, query, None, cookies, form, predicate)
        _require(self._judge(match, target, method, times))

    def assert_not_called(self, *, target: Any = None, method: str | None = None) -> None:
        """Expect that no request for a target came.

        Raises:
            AssertionError: some came; the text shows them.
        """
        __tracebackhide__ = True
        _require(self._judge(ANY_REQUEST, target, method, 0))

    def wait_for_call(
        self,
        *,
        target: Any = None,
        method: str | None = None,
        times: int = 1,
        timeout: float | None = 5.0,
        json: Any = UNSET,
        body: Any = None,
        headers: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        cookies: Mapping[str, Any] | None = None,
        form: Mapping[str, Any] | None = None,
        predicate: Callable[[RecordedRequest], object] | None = None,
    ) -> Wait[list[RecordedRequest]]:
        """Wait until requests as described have come, and return them.

        `await` it in asyncio or trio; without a loop write `proxy.wait_for_call(...).block()`.

        Args:
            target: the URL or the host.
            method: the method.
            times: how many must fit, at least.
            timeout: seconds to wait; None waits for ever.
            json: as in `Match`, like all that follow.
            body: the body as sent.
            headers: a subset of the headers.
            query: a subset of the query.
            cookies: a subset of the cookies.
            form: the form, exactly.
            predicate: a function of the request.

        Raises:
            AssertionError: they did not come in time; the text is that of `assert_called`.
        """
        check_times(times, least=1)
        match = Match(json, body, headers, query, None, cookies, form, predicate)
        waited = float("inf") if timeout is None else timeout

        def judge() -> Verdict:
            return self._judge(match, target, method, times, waited)

        def calls() -> list[RecordedRequest]:
            __tracebackhide__ = True
            verdict = judge()
            _require(verdict)
            return verdict.matching

        return self._journal.bell.until(
            lambda: judge().met, timeout=timeout, then=calls, call="proxy.wait_for_call(...)"
        )

    # --- inside -------------------------------------------------------------------------

    def _judge(
        self,
        match: Match,
        target: Any,
        method: str | None,
        times: int | None = None,
        waiting: float | None = None,
    ) -> Verdict:
        check_times(times)

        def explain(request: RecordedRequest) -> tuple[Mismatch, ...]:
            return (*_explain_target(request, target, method), *match.explain(request))

        subject = f"the proxy, {method or 'any method'}"
        subject += " to any target" if target is None else f" to {shorten(target)}"
        dropped = sum(self._journal.dropped.values())
        return Verdict(subject, list(self.history), match, times, dropped, waiting, explain)

    def __repr__(self) -> str:
        return f"<MockProxyService {self._place}, {len(self._journal)} exchanges>"


def _explain_target(request: RecordedRequest, target: Any, method: str | None) -> list[Mismatch]:
    """Return how a request differs from the method and the target asked for."""
    found: list[Mismatch] = []
    if method is not None:
        compare("method", method.upper(), request.method, found)
    if target is None:
        return found
    url = str(request.url)
    wish = str(target) if isinstance(target, str) or hasattr(target, "human_repr") else target
    if isinstance(wish, str) and "://" not in wish:
        compare("target host", wish, request.url.authority, found)
        if found and request.url.host == wish:
            found.pop()
    elif isinstance(wish, str) and wish != url and wish.rstrip("/") == url.rstrip("/"):
        pass  # a host alone and its root are the same target (RFC 9110 §4.2.3)
    else:
        compare("target", wish, url, found)
    return found


def _check_auth(auth: object) -> tuple[str, str] | None:
    """Return login and password; `BasicAuth` is a tuple of them with an encoding."""
    if auth is None:
        return None
    pair = tuple(auth[:2]) if isinstance(auth, tuple) else ()
    if len(pair) == 2 and all(isinstance(part, str) for part in pair):
        return pair[0], pair[1]
    raise TypeError(
        "auth takes aiohttp.BasicAuth(login, password) or a pair of texts, "
        f"got {type(auth).__name__}"
    )


def _require(verdict: Verdict) -> None:
    __tracebackhide__ = True
    if not verdict.met:
        raise AssertionError(render_verdict(verdict))
