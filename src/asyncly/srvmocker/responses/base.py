"""What a response is, and what a service keeps for one that is registered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web

from ..exceptions import SrvMockerError
from ..text import name_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..journal import Exchange, Journal
    from .canned import Canned

__all__ = [
    "BaseMockResponse",
    "Registration",
    "check_response",
    "exchange_of",
    "state_of",
    "walk",
]

_State = TypeVar("_State")


class BaseMockResponse(ABC):
    """What a handler answers. Subclass it to answer in any way that aiohttp can.

    A response is a value: it may be registered under several names and with several services.
    What it has to remember from one request to the next, it keeps with `state_of`.

    Example:
        >>> class Echo(BaseMockResponse):
        ...     async def response(self, request):
        ...         return web.Response(body=await request.read())
    """

    @abstractmethod
    async def response(self, request: web.Request) -> web.StreamResponse:
        """Return the answer to `request`, prepared or not.

        The body of the request has arrived: `read()`, `json()`, `post()` and `multipart()` do
        not wait. `request.match_info` holds the values of the names in the route's path.
        An exception raised here is answered by a 500 that names it, and is kept in
        `service.errors`; an `aiohttp.web.HTTPException` is an answer.
        """

    def canned(self) -> Canned | None:
        """Return the bytes to send, if they are the same for every request; else None.

        Asked once, at registration: such a response is sent without building any object.
        """
        return None

    @property
    def parts(self) -> tuple[BaseMockResponse, ...]:
        """The responses that this one hands requests on to: those of a sequence, for example."""
        return ()

    def refuses_body(self, request: web.Request) -> bool:
        """Tell whether a client that waits with its body is answered without it.

        Asked for a request with `Expect: 100-continue` whose body has not come, before the
        client is told to send it (RFC 9110 §10.1.1). A response with one part asks that part.
        """
        parts = self.parts
        return len(parts) == 1 and parts[0].refuses_body(request)

    def check_transport(self, *, tls: bool) -> None:  # noqa: B027 - most can be sent anywhere
        """Refuse to be registered where the answer cannot be sent.

        Asked at registration, of the response and of all its parts.

        Args:
            tls: whether the service speaks TLS.

        Raises:
            ValueError: it cannot be sent there; the text says why.
        """

    def registered(self, registration: Registration) -> None:  # noqa: B027 - most need not know
        """Learn where it is registered. Called at each registration, also on all its parts."""


class Registration:
    """One response under one handler name, with whatever it remembers there.

    A sequence's place, for example, belongs here and not to the response, which may be
    registered elsewhere too.

    Args:
        handler_name: the name.
        response: what is registered.
        tls: whether the service speaks TLS.
        journal: what arrives at the service.

    Raises:
        TypeError: `response` is no response, or its body cannot be encoded.
        ValueError: it cannot be sent by such a service.
    """

    __slots__ = ("__weakref__", "_states", "canned", "handler_name", "journal", "response", "used")

    def __init__(
        self, handler_name: str, response: BaseMockResponse, *, tls: bool, journal: Journal
    ) -> None:
        check_response(response, f"register({handler_name!r}, ...)")
        parts = tuple(walk(response))
        for part in parts:
            part.check_transport(tls=tls)
        self.handler_name = handler_name
        self.response = response
        self.canned = response.canned()
        self.journal = journal
        self.used = False
        self._states: dict[int, tuple[object, Any]] = {}
        for part in parts:
            part.registered(self)

    def state(self, owner: BaseMockResponse, make: Callable[[], _State]) -> _State:
        """Return what `owner` remembers in this registration; `make()` at the first time."""
        kept = self._states.get(id(owner))
        if kept is None:
            # The owner is held: its id stays its own. Another thread may reset it all meanwhile.
            kept = self._states[id(owner)] = (owner, make())
        state: _State = kept[1]
        return state

    def reset(self) -> None:
        """Forget what was remembered: sequences begin anew."""
        self._states.clear()


def state_of(owner: BaseMockResponse, request: web.Request, make: Callable[[], _State]) -> _State:
    """Return what `owner` remembers for the registration that `request` came to.

    Args:
        owner: the response, at any depth inside the registered one.
        request: as given to `response()`.
        make: makes the state at the first request; `service.reset()` makes it be called again.

    Raises:
        SrvMockerError: the request did not come from a service, so there is no registration.
    """
    registration: Registration | None = getattr(request, "registration", None)
    if registration is None:
        raise SrvMockerError(
            f"{type(owner).__name__} keeps its state in the service that it is registered "
            "with; this request came from none. Register it: service.register(name, response)"
        )
    return registration.state(owner, make)


def exchange_of(owner: BaseMockResponse, request: web.Request) -> Exchange:
    """Return the exchange that `request` belongs to, to read its record and note its status.

    Raises:
        SrvMockerError: the request did not come from a service, so nothing is recorded.
    """
    exchange: Exchange | None = getattr(request, "exchange", None)
    if exchange is None:
        raise SrvMockerError(
            f"{type(owner).__name__} needs the record of the request, and this request came from "
            "no service. Register it: service.register(name, response)"
        )
    return exchange


def walk(response: BaseMockResponse) -> Iterator[BaseMockResponse]:
    """Yield a response and every response inside it, at any depth."""
    yield response
    for part in response.parts:
        yield from walk(part)


def check_response(response: object, where: str) -> None:
    """Refuse what is no response.

    Raises:
        TypeError: with the way out in its text.
    """
    if isinstance(response, BaseMockResponse):
        return
    if isinstance(response, type) and issubclass(response, BaseMockResponse):
        hint = f"that is the class; make one: {response.__name__}(...)"
    elif isinstance(response, web.StreamResponse):
        hint = (
            "an answer of aiohttp can be sent once: "
            "CallbackResponse(lambda request: web.Response(...)) makes one for each request"
        )
    elif isinstance(response, list | tuple) and any(
        isinstance(element, BaseMockResponse) for element in response
    ):
        hint = "one after the other is SequenceResponse([...])"
    elif callable(response):
        hint = "wrap a function in CallbackResponse(...)"
    else:
        hint = "wrap data in JsonResponse(...), bytes or text in RawResponse(...)"
    raise TypeError(f"{where} takes a response, got {name_function(response)}; {hint}")
