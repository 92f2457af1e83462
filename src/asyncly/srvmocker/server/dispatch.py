"""One request, from its head to its answer: route it, record it, let the response write."""

from __future__ import annotations

import asyncio
import logging
import traceback
from inspect import isawaitable
from types import CoroutineType
from typing import TYPE_CHECKING

from aiohttp import web

from ..exceptions import MissingResponseError
from ..journal import Exchange
from ..nearest import explain_route, nearest_routes
from ..report import count, render_advice, render_not_found, render_target
from ..request import RecordedRequest
from ..text import clip, describe_error, redact, shorten
from .answers import (
    CLIENT_LEFT,
    ended_by,
    is_connected,
    malformed,
    send,
    send_at_once,
    send_large,
    text_answer,
)
from .connection import SENT, SENT_LAST
from .incoming import BodyTooLarge
from .owners import is_inner, is_own

if TYPE_CHECKING:
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.typedefs import RawHeaders
    from multidict import CIMultiDictProxy

    from ..journal import Journal
    from ..request import Arrival
    from ..responses.base import Registration
    from ..routing import Candidate, RouteTable
    from .incoming import MockRequest

__all__ = ["Dispatcher"]

_log = logging.getLogger("asyncly.srvmocker")

_KNOWN_HEADERS = 256
_TRACE_LIMIT = 16 * 1024
"""Characters of a traceback in the log: what an exception says may be a whole body."""


class Dispatcher:
    """Answers requests and writes down what came of each.

    Attributes:
        registrations: handler name to registered response.
        errors: every exception that a response raised, in order.

    Args:
        table: the routes.
        journal: gets every exchange.
        errors: gets every exception that a response raises.
        max_body_size: bytes; None is no limit.
    """

    def __init__(
        self,
        table: RouteTable,
        journal: Journal,
        errors: list[BaseException],
        max_body_size: int | None = None,
    ) -> None:
        self.registrations: dict[str, Registration] = {}
        self.errors = errors
        self._table = table
        self._journal = journal
        self._max_body_size = max_body_size
        self._headers: dict[RawHeaders, CIMultiDictProxy[str]] = {}

    async def handle(self, request: MockRequest) -> web.StreamResponse:
        """Answer one request. It is in the journal before a byte of the answer is sent."""
        if not request.stream.at_eof() and not self._is_body_refused(request):
            try:
                await request.receive(self._max_body_size)
            except (Exception, asyncio.CancelledError) as error:
                return await self._handle_broken_body(request, error)
        exchange, candidates = self._route(request)
        self._journal.append(exchange)
        request.recorded = True
        route = exchange.route
        if route is None:
            return await self._answer_no_route(request, exchange, candidates)
        registration = self.registrations.get(route.handler_name)
        if registration is None:
            missing = MissingResponseError(route.handler_name, str(route))
            return await self._answer_error(request, exchange, missing)
        registration.used = True
        if registration.canned is not None:
            sent = send_at_once(registration.canned, request, exchange)
            if sent is None:
                sent = await send_large(registration.canned, request, exchange)
            return sent
        request.registration = registration
        request.exchange = exchange
        request.path_params = exchange.path_params
        return await self._answer(request, exchange, registration)

    def _is_body_refused(self, request: MockRequest) -> bool:
        """Tell whether the response to this head answers without the body."""
        if not request.waits_with_body:
            return False
        exchange, _ = self._route(request)
        name = None if exchange.route is None else exchange.route.handler_name
        registration = None if name is None else self.registrations.get(name)
        if registration is None:
            return False
        request.registration = registration
        request.path_params = exchange.path_params
        return registration.response.refuses_body(request)

    def _route(self, request: MockRequest) -> tuple[Exchange, tuple[Candidate, ...]]:
        """Find the first route whose match fits."""
        message = request.head
        target = message.path
        path = target.partition("?")[0]
        if "%" in path or "#" in path or path[:1] != "/":
            path = request.rel_url.path_safe
        found = self._table.find(message.method, path)
        arrival = self._arrival(request, message)
        record: RecordedRequest | None = None
        for route, path_params in found.candidates:
            if route.match is None:
                return Exchange(arrival, route, path_params), ()
            if record is None:
                record = RecordedRequest.of(arrival, route.handler_name, path_params)
            else:
                record = record.routed(route.handler_name, path_params)
            # The record is not kept: parsed JSON would make a long journal large.
            if route.match.matches(record):
                return Exchange(arrival, route, path_params), ()
        return Exchange(arrival, None), found.candidates

    def _arrival(self, request: MockRequest, message: RawRequestMessage) -> Arrival:
        connection, raw_headers = request.connection, message.raw_headers
        if connection.raw_headers == raw_headers:
            headers = connection.headers
        else:
            headers = self._known_headers(request, raw_headers)
            connection.raw_headers, connection.headers = raw_headers, headers
        return (
            message.method,
            message.path,
            headers,
            request.body_bytes,
            request.received_at,
            connection.origin,
        )

    def _known_headers(
        self, request: MockRequest, raw_headers: RawHeaders
    ) -> CIMultiDictProxy[str]:
        """Return the headers: clients repeat them, so equal ones are kept once."""
        headers = self._headers.get(raw_headers)
        if headers is None:
            if len(self._headers) >= _KNOWN_HEADERS:
                self._headers.clear()
            headers = self._headers[raw_headers] = request.headers
        return headers

    async def _answer(
        self, request: MockRequest, exchange: Exchange, registration: Registration
    ) -> web.StreamResponse:
        """Let the response answer, and note how that ended."""
        try:
            try:
                answering = registration.response.response(request)
                if type(answering) is not CoroutineType:
                    _check_awaitable(answering, registration)
                answer = await answering
            except web.HTTPException as raised:  # aiohttp's way to answer by raising
                answer = raised
            _check_answer(answer, request, registration)
            # Noted before the first byte: a client in another thread may ask at the last one.
            exchange.status, exchange.fault = answer.status or None, getattr(answer, "fault", None)
            await answer.prepare(request)
            await answer.write_eof()
            exchange.finish(exchange.status, exchange.fault)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and _is_being_cancelled():
                exchange.finish(exchange.status, ended_by(request))
                raise
            if isinstance(error, ConnectionError) and not is_connected(request):
                exchange.finish(exchange.status, ended_by(request))
                return SENT_LAST
            return await self._answer_error(request, exchange, error)
        return SENT if answer.keep_alive else SENT_LAST

    async def _answer_error(
        self, request: MockRequest, exchange: Exchange, error: BaseException
    ) -> web.StreamResponse:
        """Answer 500, naming the error and the handler; keep it for the test to see."""
        assert exchange.route is not None  # noqa: S101 - for the type checker
        name = exchange.route.handler_name
        error.add_note(f"while the mock server answered {exchange.request!r} by {name!r}")
        exchange.error = error
        self.errors.append(error)
        _log.error("%s: the response raised\n%s", exchange.request, _trace(error, request))
        if request.writer.output_size > 0:  # a part is sent: no status can be sent any more
            exchange.finish(exchange.status, "the answer broke off: its response raised")
            if request.break_off is not None:
                await request.break_off(error)
            if request.transport is not None:
                request.transport.close()
            return SENT_LAST
        return await send(text_answer(500, _describe_error(error, exchange)), request, exchange)

    async def _answer_no_route(
        self, request: MockRequest, exchange: Exchange, candidates: tuple[Candidate, ...]
    ) -> web.StreamResponse:
        """Answer 405 if only the method is wrong, else 404 with the nearest routes."""
        record, routes = exchange.request, self._table.routes
        if candidates:
            exchange.nearest = tuple(
                (item.route, explain_route(item.route, record)) for item in candidates[:3]
            )
        else:
            exchange.nearest = nearest_routes(routes, record)
        _log.warning("no route takes %s", render_target(record))
        path = record.url.path_safe
        allowed = () if candidates else self._table.find(record.method, path).allowed
        if allowed:
            body = (
                f"405: {clip(record.target)} takes {', '.join(allowed)}, not {record.method}\n\n"
                f"{render_advice(record)}\n"
            )
            answer = text_answer(405, body, {"Allow": ", ".join(allowed)})
        else:
            answer = text_answer(404, render_not_found(record, exchange.nearest, routes))
        return await send(answer, request, exchange)

    async def _handle_broken_body(
        self, request: MockRequest, error: Exception | asyncio.CancelledError
    ) -> web.StreamResponse:
        """Record a request whose body did not come whole."""
        exchange, _ = self._route(request)
        self._journal.append(exchange)
        request.recorded = True
        exchange.error = error
        if isinstance(error, BodyTooLarge):
            text = f"413: the body is larger than max_body_size={self._max_body_size} bytes\n"
            return await send(text_answer(413, text), request, exchange, keep_alive=False)
        if isinstance(error, asyncio.CancelledError) or not is_connected(request):
            by = ended_by(request)
            exchange.finish(fault=f"{by} within the body" if by is CLIENT_LEFT else by)
            if isinstance(error, asyncio.CancelledError):
                raise error
            return SENT_LAST
        text = f"400: the body could not be read: {describe_error(error)}\n"
        return await send(text_answer(400, text), request, exchange, keep_alive=False)

    def answer_malformed(
        self, request: MockRequest, data: bytes, error: BaseException
    ) -> web.StreamResponse:
        """Record bytes that are no HTTP request, and answer 400."""
        exchange, answer = malformed(request, data, error)
        self._journal.append(exchange)
        return answer


def _is_being_cancelled() -> bool:
    """Tell whether the request is cancelled from outside: a response may raise that by itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _check_awaitable(answering: object, registration: Registration) -> None:
    if not isawaitable(answering):
        name = type(registration.response).__name__
        raise TypeError(f"{name}.response() is a plain function: write `async def response`")


def _check_answer(
    answer: web.StreamResponse, request: MockRequest, registration: Registration
) -> None:
    # isinstance would ask an ABC: a microsecond for each answer
    prepared = getattr(answer, "prepared", None)
    if prepared is None:
        name = type(registration.response).__name__
        raise TypeError(
            f"{name}.response() returned {shorten(answer)}; "
            "it must return an aiohttp.web.Response or StreamResponse"
        )
    if prepared and request.writer.output_size == 0:
        name = type(registration.response).__name__
        raise RuntimeError(
            f"{name}.response() returned an answer that was already sent to another request; "
            "make a new one in each call"
        )


def _trace(error: BaseException, request: MockRequest) -> str:
    """Return the traceback for the log: no longer than it may be, and without secrets."""
    trace = "".join(traceback.format_exception(error)).rstrip()
    return clip(redact(trace, request.headers), _TRACE_LIMIT)


def _describe_error(error: BaseException, exchange: Exchange) -> str:
    request, route = exchange.request, exchange.route
    assert route is not None  # noqa: S101 - for the type checker
    if isinstance(error, MissingResponseError):
        return f"500: {error}\n"
    lines = [
        f"500: the response registered for {route.handler_name!r} raised "
        f"{redact(describe_error(error), request.headers)}",
        "",
        f"request    {render_target(request)} ({count(len(request.body), 'byte')})",
        f"route      {route}",
    ]
    # What a package raised was asked for in a line of the user's: that one is shown.
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not is_inner(f.filename)]
    if frames:
        last = next((frame for frame in reversed(frames) if is_own(frame.filename)), frames[-1])
        lines.append(f"raised at  {last.filename}:{last.lineno} in {last.name}")
    lines.append("the exception is in service.errors")
    return "\n".join(lines) + "\n"
