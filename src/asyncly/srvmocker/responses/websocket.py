"""WebSockets: a script, in steps or as a function, on a real connection (RFC 6455)."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, TypeAlias

from aiohttp import web

from ..exceptions import StreamClosedError
from ..text import name_function, shorten
from . import ws
from .base import BaseMockResponse, exchange_of
from .canned import Headers, check_headers
from .websocket_connection import WebSocketConnection
from .websocket_link import WebSocketLink
from .websocket_upgrade import Upgrade, check_protocols, refuse

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

__all__ = ["WebSocketResponse"]

Script: TypeAlias = Sequence[ws.Step] | Callable[[WebSocketConnection], Awaitable[object]]
"""Steps, or an async function of the connection."""


@dataclass(frozen=True)
class WebSocketResponse(BaseMockResponse):
    """Speaks WebSocket (RFC 6455): takes the client's upgrade and runs a script.

    After the script the connection is closed with 1000. If the client does something else than
    the script expects, or goes before it is through, a `WebSocketScriptError` is in
    `service.errors`, and the client gets a close frame that says so: 1008, or 1011 if the script
    itself raised. What both sides said is in `exchange.messages`. A request that asks for no
    upgrade is answered 426 (RFC 9110 §15.5.22).

    Args:
        script: a list of steps from the namespace `ws`, run in order; or an async function that
            gets the `WebSocketConnection`. A function whose client goes without a close frame
            is cancelled, unless it waits for a message then.
        protocols: sub-protocols that the server speaks; the first that the client offers among
            them is agreed on, or else none.
        compress: take permessage-deflate (RFC 7692) if the client offers it.
        headers: a mapping or pairs, sent with the 101.
        answer_pings: False leaves the client's pings without a pong, as a server that hangs.
        max_message_size: a larger message, in bytes, ends the connection with 1009; None takes
            any.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: a step can never be reached, or a number is out of range.

    Example:
        >>> WebSocketResponse([ws.Expect("ping"), ws.Send("pong")], protocols=["chat"]).protocols
        ('chat',)
    """

    script: Script
    _: KW_ONLY
    protocols: Iterable[str] = ()
    compress: bool = True
    headers: Headers | None = None
    answer_pings: bool = True
    max_message_size: int | None = None

    def __post_init__(self) -> None:
        check_headers(self.headers)
        size = self.max_message_size
        if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
            raise ValueError(f"max_message_size takes bytes from 1 up, or None, got {size!r}")
        vars(self)["protocols"] = check_protocols(self.protocols)
        if not callable(self.script):
            vars(self)["script"] = _check_steps(self.script)

    async def response(self, request: web.Request) -> web.StreamResponse:
        """Return the answer that will run the script; 426 or 400 if this is no upgrade."""
        refusal = refuse(request)
        return _Answer(self) if refusal is None else refusal

    async def run(self, link: WebSocketLink) -> None:
        """Run the script.

        Raises:
            WebSocketScriptError: the client did something else, or went.
        """
        connection = WebSocketConnection(link)
        if callable(self.script):
            connection.place = f"in {name_function(self.script)}"
            made = self.script(connection)
            if not inspect.isawaitable(made):
                raise TypeError(
                    f"{name_function(self.script)} returned {shorten(made)}: the script of a "
                    "WebSocketResponse is an async function"
                )
            await _run(connection, link, made, "before it returned")
            return
        for number, step in enumerate(self.script, 1):
            connection.place = f"at step {number} of {len(self.script)}"
            await _run(connection, link, step.run(connection), step.wish)


async def _run(
    connection: WebSocketConnection, link: WebSocketLink, part: Awaitable[object], wish: str
) -> None:
    try:
        await part
    except StreamClosedError as error:
        raise connection.failure(str(error), wish) from None
    except asyncio.CancelledError:
        if not link.is_abandoned:
            raise
        await link.see_it_end()
        if not link.closed:
            raise connection.failure(str(link.departure), wish) from None


class _Answer(Upgrade):
    """Takes the upgrade and runs a script in place of a body."""

    def __init__(self, response: WebSocketResponse) -> None:
        super().__init__(
            response.protocols,
            response.headers,
            compress=response.compress,
            max_message_size=response.max_message_size,
        )
        self._response = response

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Run the script, once."""
        begun = self.prepared
        writer = await super().prepare(request)
        if begun:
            return writer
        assert isinstance(request, web.Request)  # noqa: S101 - for the type checker
        response = self._response
        exchange = exchange_of(response, request)
        link = WebSocketLink(self, request, exchange, answer_pings=response.answer_pings)
        request.break_off = link.break_off
        await response.run(link)
        await link.finish()
        return writer


def _check_steps(script: object) -> tuple[ws.Step, ...]:
    if not isinstance(script, Sequence) or isinstance(script, str | bytes):
        raise TypeError(
            "WebSocketResponse takes a list of steps such as ws.Send('hi'), or an async function "
            f"of the connection, got {shorten(script)}"
        )
    for number, step in enumerate(script, 1):
        if isinstance(step, type) and issubclass(step, ws.Step):
            raise TypeError(f"step {number} is the class; make one: ws.{step.__name__}(...)")
        if not isinstance(step, ws.Step):
            raise TypeError(
                f"step {number} is {shorten(step)}; a step is one of the namespace ws: "
                f"ws.Send(...) or ws.Expect(...), for example"
            )
        if isinstance(step, ws.Close | ws.Reset) and number < len(script):
            raise ValueError(
                f"step {number} of {len(script)}, {step!r}, ends the connection: what follows "
                "can never be reached"
            )
    return tuple(script)
