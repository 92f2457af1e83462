"""The bound socket: where clients connect, and what they connect to."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from yarl import URL

from .outage import ServiceStopped, dig_hole, empty_queue, hold, listen_again

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .outage import State

__all__ = ["Acceptor", "Listener"]

_BACKLOG = 1024


class Listener:
    """A listening socket with a URL, bound at once and served when a loop is there.

    Between the two the kernel queues the clients, so a URL may be handed out early.

    Args:
        host: the address or name to bind to.
        port: the port; 0 lets the system choose a free one.
        ssl_context: serves TLS with it; None serves plain HTTP.
        known_as: the URL that clients ask for, where that is another one than its own.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: there is no such port.
    """

    def __init__(
        self,
        host: str,
        port: int,
        ssl_context: ssl.SSLContext | None = None,
        known_as: URL | None = None,
    ) -> None:
        if ssl_context is not None and not isinstance(ssl_context, ssl.SSLContext):
            raise TypeError(f"ssl_context takes an ssl.SSLContext, got {ssl_context!r}")
        if not isinstance(host, str):
            raise TypeError(f"host takes an address or a name, such as '127.0.0.1', got {host!r}")
        if isinstance(port, bool) or not isinstance(port, int):
            raise TypeError(f"port takes a number, 0 for a free one, got {port!r}")
        if not 0 <= port <= 65535:
            raise ValueError(f"port takes a number from 0 to 65535, got {port}")
        self._address = (host, port)
        self._ssl_context = ssl_context
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
        """Whether it speaks TLS."""
        return self._ssl_context is not None

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
                raise RuntimeError("the service has no URL before it is started")
            host, port = self._bound_to[:2]
            if host in ("0.0.0.0", "::"):  # noqa: S104 - every address is reached over loopback
                host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104
            scheme = "https" if self.tls else "http"
            host = f"[{host}]" if ":" in host else host
            self._url = URL(f"{scheme}://{host}:{port}", encoded=True)
        return self._url

    @property
    def queue(self) -> socket.socket | None:
        """The socket in which clients wait until they are accepted; None if they wait in vain."""
        return self._socket if self.state == "up" else None

    def locate(self) -> URL:
        """Return the URL that its clients asked for, without a path."""
        return self._known_as or self.url

    def accept(self, connect: Callable[[Listener], asyncio.Protocol]) -> Acceptor:
        """Return what accepts connections in the running loop, once it is started.

        The port stays bound when the accepting ends: a duplicate of the socket is served.

        Args:
            connect: makes the protocol of a connection to this listener.

        Raises:
            ServiceStopped: it is closed.
        """
        return Acceptor(self._share(), partial(connect, self), self._ssl_context)

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

    def _share(self) -> socket.socket:
        with self._changing:
            if self._socket is None:
                raise ServiceStopped(f"the service at {self.url} does not run any more")
            return self._socket.dup()

    def close(self) -> None:
        """Give the port back."""
        with self._changing:
            if self._socket is not None:
                self._socket.close()
                self._socket = None
            while self._fillers:
                self._fillers.pop().close()
            self.state = "up"


class Acceptor:
    """Accepts the connections of a listener in the running loop, until it is stopped.

    Args:
        served: the listening socket; it is closed when the accepting ends.
        connect: makes the protocol of a connection.
        ssl_context: for TLS.
    """

    def __init__(
        self,
        served: socket.socket,
        connect: Callable[[], asyncio.Protocol],
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._connect = connect
        self._ssl_context = ssl_context
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        # Sockets that nothing else closes yet: a task cancelled before its first step does not.
        self._unclaimed = {served}
        self._served = served

    async def start(self) -> None:
        """Accept from now on."""
        if self._ssl_context is not None:
            self._served.setblocking(False)
            self._spawn(self._served, self._accept())
            return
        # Cancelled while it started serving, create_server would leave it serving.
        self._server = await self._loop.create_server(
            self._connect, sock=self._served, backlog=_BACKLOG, start_serving=False
        )
        self._unclaimed.clear()
        await self._server.start_serving()

    def _spawn(self, owned: socket.socket, work: Coroutine[None, None, None]) -> None:
        """Run `work`, which closes the socket that it owns."""
        self._unclaimed.add(owned)
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self) -> None:
        """Accept TLS by hand: asyncio's own server would forget the handshakes under way."""
        self._unclaimed.discard(self._served)
        with self._served:
            while True:
                connection, _ = await self._loop.sock_accept(self._served)
                self._spawn(connection, self._shake_hands(connection))

    async def _shake_hands(self, connection: socket.socket) -> None:
        self._unclaimed.discard(connection)
        try:
            await self._loop.connect_accepted_socket(
                self._connect, connection, ssl=self._ssl_context
            )
        except OSError:  # the client refused the certificate, spoke plain HTTP, or left
            connection.close()

    def pause(self) -> None:
        """Accept no more; connections that are accepted already still begin, in the next turn."""
        with suppress(NotImplementedError):  # Windows: the loop has no readers
            self._loop.remove_reader(self._served)

    def halt(self) -> None:
        """Accept no more, in a loop that stands still: its tasks end when it runs again."""
        self.pause()
        self.stop()
        self._served.close()

    def stop(self) -> list[asyncio.Task[None]]:
        """Accept no more. Return the tasks that still end."""
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        while self._unclaimed:
            self._unclaimed.pop().close()
        return tasks


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
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise OSError(
            error.errno, f"cannot listen on the host {host!r}: {error.strerror}"
        ) from None
    return found[0], found[4][:2]  # type: ignore[return-value] # an address of IPv4 or IPv6
