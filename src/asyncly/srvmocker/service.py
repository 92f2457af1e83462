"""The handle in the test's hand: `start_service` and `MockService`."""

from __future__ import annotations

import asyncio
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .assertions import Verdict, check_times, in_order
from .exceptions import UnknownHandlerError
from .journal import JOURNAL_LIMIT, Journal
from .matching import ANY_REQUEST, UNSET, match_of
from .nearest import near_exchanges
from .report import render_missing, render_order, render_routes, render_verdict
from .responses.base import Registration
from .route_checks import check_name
from .routing import RouteTable
from .server.connection import HttpServer
from .server.dispatch import Dispatcher
from .server.host import Host
from .server.listener import Listener
from .timing import intervals, max_in_flight
from .tls.spec import check_security

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager

    from .journal import Exchange
    from .matching import Match
    from .nearest import Near
    from .request import RecordedRequest
    from .responses.base import BaseMockResponse
    from .routing import MockRoute
    from .server.serving import Serving
    from .tls import Tls, TlsKit
    from .waiting import Wait

__all__ = ["MockService", "start_service"]


def start_service(
    routes: Iterable[MockRoute],
    *,
    tls: Tls | bool = False,
    ssl_context: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    journal_limit: int = JOURNAL_LIMIT,
    max_body_size: int | None = None,
) -> AbstractAsyncContextManager[MockService]:
    """Serve `routes` on a real socket in the running loop until the block is left.

    Leaving closes at once whatever clients still hold.

    Args:
        routes: what the server takes; responses are registered on the service.
        tls: True serves HTTPS with certificates that are made for it; a `Tls` says how.
        ssl_context: serves HTTPS with a context of your own.
        host: the address or name to bind to; only this machine reaches the default.
        port: 0 lets the system choose a free one.
        journal_limit: how many exchanges are remembered, the newest ones.
        max_body_size: a request with a larger body, in bytes, is answered 413; None takes any.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: a route can never be reached, a number is out of range, or both `tls` and
            `ssl_context` are given.
        ImportError: `tls` needs the extra `tls`.
        OSError: the address cannot be bound.

    Example:
        >>> async def test_fetch_fact():
        ...     async with start_service([MockRoute("GET", "/fact", "fact")]) as service:
        ...         service.register("fact", JsonResponse({"fact": "Meow."}))
        ...         async with aiohttp.ClientSession() as session:
        ...             await session.get(service.url / "fact")
        ...         service.assert_called("fact", times=1)
        >>> asyncio.run(test_fetch_fact())
    """
    return MockService(
        routes,
        tls=tls,
        ssl_context=ssl_context,
        host=host,
        port=port,
        journal_limit=journal_limit,
        max_body_size=max_body_size,
    )


class MockService(Host):
    """A running mock server: where it is, what it answers, and what was sent to it.

    Made by `start_service` or by the `mock_service` fixture. Every query that takes a handler
    name raises `UnknownHandlerError` for a name that no route declares: a typo never passes.
    """

    def __init__(
        self,
        routes: Iterable[MockRoute],
        *,
        tls: Tls | bool = False,
        ssl_context: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        journal_limit: int = JOURNAL_LIMIT,
        max_body_size: int | None = None,
    ) -> None:
        self._table = RouteTable(routes)
        _check_body_size(max_body_size)
        security = check_security(tls, ssl_context)
        super().__init__(Listener(host, port, security), Journal(journal_limit))
        self._dispatcher = Dispatcher(self._table, self._journal, self._errors, max_body_size)

    def _make_serving(self) -> Serving:
        dispatcher, loop = self._dispatcher, asyncio.get_running_loop()
        server = HttpServer(dispatcher.handle, dispatcher.answer_malformed, self._connections, loop)
        return self.ports.serve_by(server)

    @property
    def tls(self) -> TlsKit:
        """What clients need to trust the service, and the faults of its TLS handshakes.

        Raises:
            RuntimeError: the service was not started with `tls=`.
        """
        handshake = self._listener.handshake
        if handshake is None:
            raise RuntimeError(
                "service.tls: this service speaks plain HTTP; start_service(..., tls=True) and "
                "@pytest.mark.mock_service(tls=True) serve HTTPS"
            )
        if handshake.kit is None:
            raise RuntimeError(
                "service.tls: the certificate of this service is that of your ssl_context, and "
                "only its own authority vouches for it; pass tls=True in place of ssl_context="
            )
        return handshake.kit

    # --- answers ------------------------------------------------------------------------

    def register(self, handler_name: str, response: BaseMockResponse) -> None:
        """Answer the requests of a handler with `response` from now on.

        Raises:
            UnknownHandlerError: no route declares the name.
            TypeError: `response` is no response, or its body cannot be encoded.
            ValueError: it cannot be sent by this service: a half-close under TLS, for example.
            ImportError: the response needs an extra that is not installed.
        """
        self._check_name(handler_name)
        self._dispatcher.registrations[handler_name] = Registration(
            handler_name, response, tls=self._listener.tls, journal=self._journal
        )

    @property
    def handlers(self) -> Mapping[str, BaseMockResponse]:
        """The registered responses by handler name; a read-only view."""
        registrations = self._dispatcher.registrations.copy()  # threads may register
        return MappingProxyType({name: item.response for name, item in registrations.items()})

    @property
    def routes(self) -> tuple[MockRoute, ...]:
        """The declared routes."""
        return self._table.routes

    def reset(self, *, responses: bool = False) -> None:
        """Forget requests, closed connections and errors, and begin every sequence anew.

        Args:
            responses: forget the registered responses too.
        """
        self._forget()
        if responses:
            self._dispatcher.registrations.clear()
        for registration in self._dispatcher.registrations.copy().values():
            registration.reset()

    # --- what came ----------------------------------------------------------------------

    @property
    def history_map(self) -> Mapping[str, tuple[RecordedRequest, ...]]:
        """The requests of every declared handler, by its name; a read-only view."""
        return MappingProxyType(
            {name: tuple(self._journal.calls(name)) for name in sorted(self._table.handler_names)}
        )

    @property
    def unmatched(self) -> tuple[Exchange, ...]:
        """The exchanges that no route took, malformed ones too, with their nearest routes."""
        return tuple(exchange for exchange in self._journal if exchange.route is None)

    @property
    def unused(self) -> tuple[MockRoute, ...]:
        """The routes whose registered response answered nothing, but for optional ones."""
        registrations = self._dispatcher.registrations
        return tuple(
            route
            for route in self._table.routes
            if not route.optional
            and (registration := registrations.get(route.handler_name)) is not None
            and not registration.used
        )

    def get_calls(self, handler_name: str) -> list[RecordedRequest]:
        """Return the requests that a handler took, in order."""
        self._check_name(handler_name)
        return self._journal.calls(handler_name)

    def last_call(self, handler_name: str) -> RecordedRequest:
        """Return the latest request that a handler took.

        Raises:
            AssertionError: it took none.
        """
        __tracebackhide__ = True
        verdict = self._judge(handler_name, ANY_REQUEST)
        self._require(verdict, handler_name)
        return verdict.calls[-1]  # not asked again: another thread may reset it meanwhile

    def max_in_flight(self, handler_name: str) -> int:
        """Return how many calls of a handler were under way at once, at the most.

        A call is under way from the arrival of its head until its answer has been handed to the
        socket, or the client has left.

        Raises:
            SrvMockerError: the journal was full and has forgotten a call of this handler.
        """
        self._check_name(handler_name)
        return max_in_flight(self._journal, handler_name)

    def intervals(self, handler_name: str) -> tuple[float, ...]:
        """Return the seconds from each call of a handler to the next, measured as they arrive.

        Raises:
            SrvMockerError: the journal was full and has forgotten a call of this handler.
        """
        self._check_name(handler_name)
        return intervals(self._journal, handler_name)

    # --- expectations -------------------------------------------------------------------

    def assert_called(
        self,
        handler_name: str,
        *,
        times: int | None = None,
        json: Any = UNSET,
        body: Any = None,
        headers: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        path_params: Mapping[str, Any] | None = None,
        cookies: Mapping[str, Any] | None = None,
        form: Mapping[str, Any] | None = None,
        predicate: Callable[[RecordedRequest], object] | None = None,
    ) -> None:
        """Expect that a handler was called as described: at least once, or exactly `times`.

        Args:
            handler_name: the handler.
            times: how many calls must fit all the other arguments; None is at least one.
            json: as in `Match`, like all that follow.
            body: the body as sent.
            headers: a subset of the headers.
            query: a subset of the query.
            path_params: a subset of the path's values.
            cookies: a subset of the cookies.
            form: the form, exactly.
            predicate: a function of the request.

        Raises:
            AssertionError: it was not; the text shows the closest call and what differed.
        """
        __tracebackhide__ = True
        match = match_of(json, body, headers, query, path_params, cookies, form, predicate)
        self._require(self._judge(handler_name, match, times), handler_name)

    def assert_not_called(self, handler_name: str) -> None:
        """Expect that a handler took no request.

        Raises:
            AssertionError: it took some; the text shows them.
        """
        __tracebackhide__ = True
        self._require(self._judge(handler_name, ANY_REQUEST, 0), handler_name)

    def assert_called_in_order(self, *handler_names: str) -> None:
        """Expect calls of these handlers in this order; others may stand between them.

        Raises:
            TypeError: no name is given: it would always hold.
            AssertionError: they came otherwise; the text shows the order in which they came.
        """
        __tracebackhide__ = True
        if not handler_names:
            raise TypeError("assert_called_in_order takes handler names, got none")
        for name in handler_names:
            self._check_name(name)
        calls = [call for call in self.history if call.handler_name is not None]
        found = in_order(handler_names, calls)
        if found < len(handler_names):
            raise AssertionError(render_order(handler_names, calls, found))

    def assert_all_called(self) -> None:
        """Expect that every declared handler was called, but for those of optional routes.

        Raises:
            AssertionError: some were not; the text lists them.
        """
        __tracebackhide__ = True
        called = {call.handler_name for call in self.history} | set(self._journal.dropped)
        missing = [
            route
            for route in self._table.routes
            if route.handler_name not in called and not route.optional
        ]
        if missing:
            near = [
                item
                for route in missing
                for item in near_exchanges([route], self._journal, handler_name=route.handler_name)
            ]
            raise AssertionError(render_missing(missing, near))

    def wait_for_call(
        self,
        handler_name: str,
        *,
        times: int = 1,
        timeout: float | None = 5.0,
        json: Any = UNSET,
        body: Any = None,
        headers: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        path_params: Mapping[str, Any] | None = None,
        cookies: Mapping[str, Any] | None = None,
        form: Mapping[str, Any] | None = None,
        predicate: Callable[[RecordedRequest], object] | None = None,
    ) -> Wait[list[RecordedRequest]]:
        """Wait until a handler has been called as described, and return the calls that fit.

        Calls that came before count. The answer may still be under way. Nothing is polled:
        the arrival of a request wakes the wait. `await` it in asyncio or trio; in a test without
        a loop write `service.wait_for_call(...).block()`.

        Args:
            handler_name: the handler.
            times: how many calls must fit, at least.
            timeout: seconds to wait; None waits for ever.
            json: as in `Match`, like all that follow.
            body: the body as sent.
            headers: a subset of the headers.
            query: a subset of the query.
            path_params: a subset of the path's values.
            cookies: a subset of the cookies.
            form: the form, exactly.
            predicate: a function of the request.

        Raises:
            AssertionError: they did not come in time, or before the service was stopped; the
                text is that of `assert_called`.
        """
        check_times(times, least=1)
        self._check_name(handler_name)
        match = match_of(json, body, headers, query, path_params, cookies, form, predicate)
        waited = float("inf") if timeout is None else timeout

        verdict: Verdict | None = None

        def met() -> bool:
            nonlocal verdict
            ended = self._journal.life.end  # before the question: no call comes after that
            verdict = self._judge(handler_name, match, times, waiting=waited)
            verdict.ended = ended
            return verdict.met or ended is not None

        def calls() -> list[RecordedRequest]:
            __tracebackhide__ = True
            assert verdict is not None  # noqa: S101 - it was asked, for the last time just now
            self._require(verdict, handler_name)
            return verdict.matching

        return self._journal.bell.until(
            met,
            timeout=timeout,
            then=calls,
            call=f"service.wait_for_call({handler_name!r})",
        )

    # --- inside -------------------------------------------------------------------------

    def _check_name(self, handler_name: str) -> None:
        if isinstance(handler_name, str) and handler_name in self._table.handler_names:
            return
        check_name(handler_name)
        owners = [
            route.handler_name
            for route in self._table.routes
            if handler_name in (route.path, str(route))
        ]
        raise UnknownHandlerError(handler_name, self._table.handler_names, owners)

    def _routes_of(self, handler_name: str) -> list[MockRoute]:
        return [route for route in self._table.routes if route.handler_name == handler_name]

    def _judge(
        self,
        handler_name: str,
        match: Match,
        times: int | None = None,
        waiting: float | None = None,
    ) -> Verdict:
        self._check_name(handler_name)
        check_times(times)
        journal = self._journal
        calls, dropped = journal.calls(handler_name), journal.dropped.get(handler_name, 0)
        return Verdict(handler_name, calls, match, times, dropped, waiting)

    def _require(self, verdict: Verdict, handler_name: str) -> None:
        __tracebackhide__ = True
        if verdict.met:
            return
        routes = self._routes_of(handler_name)
        verdict.subject = f"{handler_name!r} ({render_routes(routes)})"
        near: tuple[Near, ...] = ()
        if verdict.too_few:
            near = near_exchanges(routes, self._journal, handler_name=handler_name)
        raise AssertionError(render_verdict(verdict, near))

    def __repr__(self) -> str:
        routes, exchanges = len(self._table.routes), len(self._journal)
        return f"<MockService {self._place}, {routes} routes, {exchanges} exchanges>"


def _check_body_size(size: int | None) -> None:
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
        raise ValueError(f"max_body_size takes bytes from 0 up, or None, got {size!r}")
