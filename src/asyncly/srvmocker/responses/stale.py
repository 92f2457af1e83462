"""Connections that are dead when a client uses them again."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from ..exceptions import SrvMockerError
from .base import BaseMockResponse, check_response
from .heads import check_count
from .raw import RawResponse
from .steps import Fin, Reset
from .wire import WireAnswer, WireResponse

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["StaleConnection"]

_How = Literal["fin", "reset"]


@dataclass(frozen=True, repr=False)
class StaleConnection(BaseMockResponse):
    """Answers the first requests of a connection; the next one finds it closed.

    This is the race of a keep-alive connection that the server closes just when a client sends
    on it again, without the race: the request has arrived, and gets a FIN or a RST. The requests
    of a connection are counted whatever their route.

    aiohttp and curl send an idempotent request again, on a new connection; a POST raises
    aiohttp's `ServerDisconnectedError` (FIN) or `ClientOSError` (RST). httpx raises
    `RemoteProtocolError` (FIN) or `ReadError` (RST), requests `ConnectionError`.

    Args:
        wrapped: answers the first requests of each connection.
        after_requests: how many are answered, at least 1.
        how: `"fin"` closes in order, `"reset"` sends a RST.

    Raises:
        TypeError: `wrapped` is no response, or `after_requests` no int.
        ValueError: `after_requests` is less than 1, or `how` another word.

    Example:
        >>> StaleConnection(RawResponse("ok"), after_requests=2, how="reset").how
        'reset'
    """

    wrapped: BaseMockResponse = field(default_factory=RawResponse)
    _: KW_ONLY
    after_requests: int = 1
    how: _How = "fin"

    def __post_init__(self) -> None:
        check_response(self.wrapped, "StaleConnection")
        check_count(self.after_requests, "after_requests")
        if self.how not in get_args(_How):
            words = ", ".join(map(repr, get_args(_How)))
            raise ValueError(f"how takes one of {words}, got {self.how!r}")

    @property
    def parts(self) -> tuple[BaseMockResponse, ...]:
        """The wrapped response."""
        return (self.wrapped,)

    @property
    def script(self) -> WireResponse:
        """What is done to the connection when one request too many arrives."""
        return WireResponse(Fin() if self.how == "fin" else Reset())

    def __repr__(self) -> str:
        steps = ", ".join(map(repr, self.script.steps))
        return (
            f"StaleConnection({self.wrapped!r}, after_requests={self.after_requests}, "
            f"how={self.how!r}, script=[{steps}])"
        )

    async def response(self, request: web.Request) -> web.StreamResponse:
        """Answer, or end the connection."""
        connection = getattr(request, "connection", None)
        if connection is None:
            raise SrvMockerError(
                "StaleConnection counts the requests of a connection to a service; this request "
                "came from none. Register it: service.register(name, response)"
            )
        count: int = connection.requests
        if count <= self.after_requests:
            return await self.wrapped.response(request)
        (step,) = self.script.steps
        fault = f"a stale connection: {step.words} at its request {count}"
        return WireAnswer([step], fault=fault)
