"""The bound socket: where clients connect, and what they connect to."""

from __future__ import annotations

import socket
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from yarl import URL

from .accepting import Acceptor
from .handshake import Handshake
from .local import reached_at, turn_away_others
from .outage import ServiceStopped, dig_hole, empty_queue, hold, listen_again
from .peek import begins_with_tls

if TYPE_CHECKING:
    from .accepting import Begin
    from .connection import HttpServer
    from .handshake import Security
    from .outage import State

__all__ = ["Listener"]

_BACKLOG = 1024


class Listener:
    """A listening socket with a URL, bound at once and served when a loop is there.

    Between the two the kernel queues the clients, so a URL may be handed out early.

    Args:
        host: the address or name to bind to.
        port: the port; 0 lets the system choose a free one.
        security: serves TLS with this context, or as a `Tls` says; None serves plain HTTP.
        known_as: the URL that clients ask for, where that is another one than its own.
        also_plain: serves plain HTTP too, told apart by the first byte. What TLS needs is made
            for the first client that speaks it then.
        local_only: turns clients of other machines away, where the host lets them come.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: there is no such port.
        ImportError: a `Tls` needs the extra `tls`.
    """

    def __init__(
        self,
        host: str,
        port: int,
        security: Security | Handshake | None = None,
        known_as: URL | None = None,
        *,
        also_plain: bool = False,
        local_only: bool = False,
    ) -> None:
        if not isinstance(host, str):
            raise TypeError(f"host takes an address or a name, such as '127.0.0.1', got {host!r}")
        if isinstance(port, bool) or not isinstance(port, int):
            raise TypeError(f"port takes a number, 0 for a free one, got {port!r}")
        if not 0 <= port <= 65535:
            raise ValueError(f"port takes a number from 0 to 65535, got {port}")
        self._address = (host, port)
        self.also_plain = also_plain
        self._local_only = local_only
        self._security = security
        if not also_plain:
            self.handshake  # noqa: B018 - what is missing for it is told now
        self._socket: socket.socket | None = None
        self._bound_to: tuple[Any, ...] | None = None
        self._url: URL | None = None
        self._known_as = known_as
        self._fillers: list[socket.socket] = []
        self._changing = threading.Lock()  # a test's thread may close what the loop's one enters
        self.state: State = "up"

    def bind(self) -> socket.socket:
        """Bind and listen, if that is not done yet.

        Raises:
            OSError: the address cannot be bound; the text says what to do.
        """
        if self._socket is None:
            self._socket = _bind(*self._address)
            self._bound_to = self._socket.getsockname()
            self._url = None
        return self._socket

    @property
    def tls(self) -> bool:
        """Whether it speaks nothing but TLS."""
        return self._security is not None and not self.also_plain

    @property
    def handshake(self) -> Handshake | None:
        """What begins a connection under TLS; None if it speaks plain HTTP only.

        Raises:
            ImportError: a `Tls` needs the extra `tls`.
        """
        security = self._security
        if security is not None and not isinstance(security, Handshake):
            security = self._security = Handshake(security)
        return security

    @property
    def is_bound(self) -> bool:
        """Whether the port is ours now."""
        return self._socket is not None

    @property
    def has_url(self) -> bool:
        """Whether it is, or was, bound."""
        return self._bound_to is not None

    @property
    def url(self) -> URL:
        """The URL of the socket, without a path; it stays when the socket is closed.

        Raises:
            RuntimeError: it is not bound yet.
        """
        if self._url is None:
            if self._bound_to is None:
                raise RuntimeError(
                    "the service has no URL before it is started: its `with` block starts it"
                )
            host, port = reached_at(self._bound_to[0]), self._bound_to[1]
            scheme = "https" if self.tls else "http"
            host = f"[{host}]" if ":" in host else host
            self._url = URL.build(scheme=scheme, authority=f"{host}:{port}", encoded=True)
        return self._url

    @property
    def absence(self) -> str:
        """Why nobody is served while it is not bound, in words."""
        if self.has_url:
            return f"the service at {self.url} does not run any more"
        return "the service does not run: it is not started yet"

    @property
    def queue(self) -> socket.socket | None:
        """The socket in which clients wait until they are accepted; None if they wait in vain."""
        return self._socket if self.state == "up" else None

    def locate(self) -> URL:
        """Return the URL that its clients asked for, without a path."""
        return self._known_as or self.url

    def locate_plain(self) -> URL:
        """Return the same, for a client that spoke plain HTTP."""
        return self.locate().with_scheme("http")

    def locate_secure(self) -> URL:
        """Return the same, for a client that spoke TLS."""
        return self.locate().with_scheme("https")

    def accept(self, server: HttpServer) -> Acceptor:
        """Accept connections in the running loop from now on, until what is returned is stopped.

        Args:
            server: gets the connections.

        Raises:
            ServiceStopped: it is closed.
        """
        begin: Begin = partial(self._begin_plain, server)
        if self.also_plain:
            begin = partial(self._tell_apart, server)
            if self._local_only:
                begin = partial(turn_away_others, server, begin)
        elif self.handshake is not None:
            begin = partial(self.handshake.shake, self, server)
        with self._changing:
            if self._socket is None:
                raise ServiceStopped(self.absence)
            return Acceptor(self._socket, begin, server.beginning)

    async def _begin_plain(self, server: HttpServer, raw: socket.socket) -> None:
        server.beginning.add(raw)
        try:
            await server.running_loop.connect_accepted_socket(partial(server.connect, self), raw)
        except OSError:  # macOS refuses to set options of one whose client has gone
            raw.close()
        finally:
            server.beginning.discard(raw)

    async def _tell_apart(self, server: HttpServer, raw: socket.socket) -> None:
        """Begin a connection, under TLS or plain, as its client does."""
        try:
            is_secure = await begins_with_tls(raw)
        except BaseException:
            raw.close()
            raise
        if not is_secure:
            await self._begin_plain(server, raw)
            return
        try:
            handshake = self.handshake
        except ImportError as error:
            with raw:
                record = server.log.open(raw)
                record.handshake_error = str(error)
                record.fail("server")
            return
        assert handshake is not None  # noqa: S101 - for the type checker
        await handshake.shake(self, server, raw)

    def enter(self, state: State) -> None:
        """Let the port be served, or go on without anybody who serves it.

        Raises:
            OSError: the system refuses.
        """
        with self._changing:
            if state != self.state and self._socket is not None:
                self._enter(state, self._socket)

    def _enter(self, state: State, bound: socket.socket) -> None:
        if self.state == "refused":
            listen_again(bound, _BACKLOG)
        elif self.state != "up":
            fillers, self._fillers = self._fillers, []
            empty_queue(bound, fillers, _BACKLOG)
        if state == "refused":
            self._socket = hold(bound)
        elif state == "blackhole":
            self._fillers = dig_hole(bound)
        self.state = state

    def close(self) -> None:
        """Give the port back."""
        with self._changing:
            if self._socket is not None:
                self._socket.close()
                self._socket = None
            while self._fillers:
                self._fillers.pop().close()
            self.state = "up"


def _bind(host: str, port: int) -> socket.socket:
    family, address = _resolve(host, port)
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it would let two services share a port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        hint = "use port=0 for a free one" if port else "is it an address of this machine?"
        raise OSError(
            error.errno, f"cannot listen on {host}:{port}: {error.strerror}; {hint}"
        ) from None
    return bound


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    if host == "127.0.0.1":  # nearly always, and a lookup costs as much as the binding
        return socket.AF_INET, (host, port)
    try:
        kind, flags = socket.SOCK_STREAM, socket.AI_PASSIVE  # to bind, not to connect
        found = socket.getaddrinfo(host, port, type=kind, flags=flags)[0]
    except OSError as error:
        raise OSError(
            error.errno, f"cannot listen on the host {host!r}: {error.strerror}"
        ) from None
    return found[0], found[4][:2]  # type: ignore[return-value] # an address of IPv4 or IPv6
