"""The handle of the forward proxy: `start_proxy` and `MockProxyService`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

from ..assertions import Verdict, check_times
from ..journal import JOURNAL_LIMIT, Journal
from ..matching import ANY_REQUEST, UNSET, Match
from ..report import render_verdict
from ..server.connection import HttpServer
from ..server.host import Host
from ..server.listener import Listener
from ..server.local import reached_at
from ..text import hide_password, shorten
from ..tls import Tls
from .admission import Admission, check_auth, check_unlisted
from .doorkeeper import Doorkeeper
from .environment import proxy_env
from .forward import Forwarder
from .sending import open_session
from .targets import check_wish, explain_target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    import aiohttp

    from ..comparing import Mismatch
    from ..journal import Exchange
    from ..request import RecordedRequest
    from ..server.serving import Serving
    from ..tls import TlsKit
    from ..waiting import Wait
    from .admission import Unlisted

__all__ = ["MockProxyService", "start_proxy"]


def start_proxy(
    *,
    intercept: Mapping[str, Host] | None = None,
    unlisted: Literal["tunnel", "refuse"] | None = None,
    auth: aiohttp.BasicAuth | tuple[str, str] | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    timeout: float = 30.0,
    journal_limit: int = JOURNAL_LIMIT,
) -> AbstractAsyncContextManager[MockProxyService]:
    """Serve a forward proxy in the running loop until the block is left.

    It records every request and sends it on as it is: it follows no redirect, decompresses
    nothing, keeps no cookie and adds no header. Bodies are streamed both ways. A client that asks
    for `https://` is given a tunnel (CONNECT); what it says in there passes unseen.

    Args:
        intercept: which service answers for which hosts, in place of those: `"api.github.com"`,
            `"*.s3.amazonaws.com"` for every host below, `"https://api.github.com"`. For TLS it
            has certificates by `authority()`.
        unlisted: what is done for hosts that `intercept` does not list: `"tunnel"` passes them
            on, `"refuse"` answers 403. The default is `"refuse"` if `intercept` is given.
        auth: the login and password that clients must send (RFC 7617); others get a 407, and
            nothing is sent on.
        host: the address or name to bind to; only this machine reaches the default.
        port: 0 lets the system choose a free one.
        timeout: seconds that a target may take to accept, and then between two pieces of its
            answer, before the client gets a 504.
        journal_limit: how many exchanges are remembered, the newest ones.

    Raises:
        TypeError: `auth` is neither `aiohttp.BasicAuth` nor a pair of texts; `intercept` is no
            mapping of hosts to services.
        ValueError: `timeout` or `journal_limit` is out of range; a host of `intercept` is none,
            or two of them overlap; `unlisted` is another word.
        OSError: the address cannot be bound.
        RuntimeError: a service of `intercept` does not run.
        ImportError: `intercept` needs the extra `tls`.

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
        intercept=intercept,
        unlisted=unlisted,
        auth=auth,
        host=host,
        port=port,
        timeout=timeout,
        journal_limit=journal_limit,
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

    _entered_by = ("run_proxy", "start_proxy")

    def __init__(
        self,
        *,
        intercept: Mapping[str, Host] | None = None,
        unlisted: Literal["tunnel", "refuse"] | None = None,
        auth: aiohttp.BasicAuth | tuple[str, str] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        timeout: float = 30.0,
        journal_limit: int = JOURNAL_LIMIT,
    ) -> None:
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
            raise ValueError(f"timeout takes seconds above 0, got {timeout!r}")
        self._unlisted: Unlisted = check_unlisted(unlisted, intercepts=intercept is not None)
        self._auth = check_auth(auth)
        self._timeout = timeout
        self._everywhere = reached_at(host) != host
        self._doorkeeper = None if intercept is None else Doorkeeper(intercept)
        listener = Listener(host, port, Tls(), also_plain=True, local_only=intercept is not None)
        super().__init__(listener, Journal(journal_limit))

    def _make_serving(self) -> Serving:
        doors = None if self._doorkeeper is None else self._doorkeeper.doors
        admission = Admission(
            self._origin, self._auth, doors, self._unlisted, everywhere=self._everywhere
        )
        forwarder = Forwarder(self._journal, self._errors, admission, self._timeout)
        loop = asyncio.get_running_loop()
        server = HttpServer(forwarder.handle, forwarder.answer_malformed, self._connections, loop)
        session = forwarder.session = open_session(self._timeout)

        async def close() -> None:
            try:
                await session.close()
            finally:
                await self._close_doors()

        return self.ports.serve_by(server, close)

    async def serve(self) -> Serving:
        """Begin to serve the bound port in the running loop, and the hosts of `intercept`."""
        try:
            if self._doorkeeper is not None:
                await self._doorkeeper.open()
            return await super().serve()
        except BaseException:
            await self._close_doors()
            raise

    async def _close_doors(self) -> None:
        """Close the doors, unless another loop serves the proxy still."""
        if self._doorkeeper is not None and not self.ports.are_served:
            await self._doorkeeper.close()

    @property
    def tls(self) -> TlsKit:
        """What clients need to trust what is intercepted, and the proxy itself over `https://`.

        Its `fault` is that of handshakes with the proxy itself. What goes wrong in one that is
        intercepted is said to the service that answers: `start_service(..., tls=Tls(fault=...))`.

        Raises:
            ImportError: the extra `tls` is not installed.
        """
        handshake = self._listener.handshake
        assert handshake is not None  # noqa: S101 - for the type checker
        assert handshake.kit is not None  # noqa: S101 - the context is none of the user's
        return handshake.kit

    def env(self) -> dict[str, str]:
        """Return the variables by which the clients of a subprocess come here.

        They name the proxy, with its credentials; let nothing go past it (`NO_PROXY`); and let
        the clients trust what is intercepted.

        Example:
            >>> subprocess.run(["curl", "https://api.github.com"], env=os.environ | proxy.env())
        """
        intercepts = self._doorkeeper is not None and self._doorkeeper.doors.speaks_tls
        passes_on = self._unlisted == "tunnel"
        return proxy_env(self.url, self._auth, intercepts=intercepts, passes_on=passes_on)

    def reset(self) -> None:
        """Forget the requests, the closed connections and the errors."""
        self._forget()

    # --- what passed --------------------------------------------------------------------

    @property
    def unmatched(self) -> tuple[Exchange, ...]:
        """The exchanges that were not sent on: 403, 407, a request for the proxy itself."""
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
            AssertionError: they did not come in time, or before the proxy was stopped; the text
                is that of `assert_called`.
        """
        check_times(times, least=1)
        check_wish(target, method)
        match = Match(json, body, headers, query, None, cookies, form, predicate)
        waited = float("inf") if timeout is None else timeout

        verdict: Verdict | None = None

        def met() -> bool:
            nonlocal verdict
            ended = self._journal.life.end  # before the question: no request comes after that
            verdict = self._judge(match, target, method, times, waited)
            verdict.ended = ended
            return verdict.met or ended is not None

        def calls() -> list[RecordedRequest]:
            __tracebackhide__ = True
            assert verdict is not None  # noqa: S101 - it was asked, for the last time just now
            _require(verdict)
            return verdict.matching

        return self._journal.bell.until(
            met, timeout=timeout, then=calls, call="proxy.wait_for_call(...)"
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
        check_wish(target, method)

        def explain(request: RecordedRequest) -> tuple[Mismatch, ...]:
            return (*explain_target(request, target, method), *match.explain(request))

        subject = f"the proxy, {method or 'any method'}"
        subject += " to any target" if target is None else f" to {hide_password(shorten(target))}"
        dropped = sum(self._journal.dropped.values())
        return Verdict(subject, list(self.history), match, times, dropped, waiting, explain=explain)

    def __repr__(self) -> str:
        return f"<MockProxyService {self._place}, {len(self._journal)} exchanges>"


def _require(verdict: Verdict) -> None:
    __tracebackhide__ = True
    if not verdict.met:
        raise AssertionError(render_verdict(verdict))
