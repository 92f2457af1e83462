"""What resolves names in this process, and what connects to a name without resolving it here."""

from __future__ import annotations

import functools
import socket
import sys
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..patterns import encode_name
from .replacing import replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from .patching import Find

__all__ = ["anyio_redirected", "names_redirected", "uvloop_redirected"]

_NOT_TO_CONNECT = socket.AI_NUMERICHOST | socket.AI_PASSIVE
"""It is an address already, or a server asks, in order to bind to what it gets."""


@contextmanager
def names_redirected(find: Find) -> Iterator[None]:
    """Let `socket.getaddrinfo` answer with the doors of the listed hosts.

    All that is written in Python asks it, asyncio's own loop included, and nearly all of it
    connects to the port that it gives.

    Args:
        find: finds a door.
    """

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def getaddrinfo(
            host: Any,
            port: Any,
            family: int = 0,
            type: int = 0,  # noqa: A002 - its own name
            proto: int = 0,
            flags: int = 0,
        ) -> Any:
            door = None if flags & _NOT_TO_CONNECT else _find(find, host, port)
            if door is None:
                return original(host, port, family, type, proto, flags)
            answers = original(*door, family, type, proto, flags)
            if flags & socket.AI_CANONNAME:
                name = _name(host)
                return [(*head, name if known else "", at) for *head, known, at in answers]
            return answers

        return getaddrinfo

    with replaced(socket, "getaddrinfo", make):
        yield


def _find(find: Find, host: Any, port: Any) -> tuple[str, int] | None:
    """Return the door for a host and port as `getaddrinfo` takes them."""
    name = _name(host)
    if name is None:
        return None
    if isinstance(port, bytes):
        port = port.decode("ascii", "replace")
    if isinstance(port, str) and port and not port.isdecimal():
        try:
            port = socket.getservbyname(port)
        except OSError:
            return None
    number = int(port or 0)
    # A client that asks without a port means to choose it later: any door is nearer than none.
    return find(name, number) if number else find(name, 443) or find(name, 80)


def _name(host: Any) -> str | None:
    """Return a host as patterns know it: text, in punycode; None if it is no name.

    Who hands a name over that is not encoded gets that of Python's own codec, as without us, and
    `ssl` asks for the same one: IDNA 2003.
    """
    try:
        if isinstance(host, bytes | bytearray):
            return host.decode("ascii")
        if isinstance(host, str):
            return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        pass
    return None


def anyio_redirected(find: Find) -> AbstractContextManager[None]:
    """Let `anyio.connect_tcp` connect to the doors of the listed hosts.

    It uses the address that a lookup gives and its own port. httpx connects by it on asyncio.

    Args:
        find: finds a door.
    """
    try:
        anyio = import_module("anyio")
    except ImportError:
        return nullcontext()

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def connect_tcp(remote_host: Any, remote_port: int, **options: Any) -> Any:
            door = find(_encoded(str(remote_host)), remote_port)
            if door is None:
                return await original(remote_host, remote_port, **options)
            if options.get("tls") or options.get("ssl_context"):
                options["tls_hostname"] = options.get("tls_hostname") or str(remote_host)
            return await original(*door, **options)

        return connect_tcp

    return replaced(anyio, "connect_tcp", make)


def _encoded(host: str) -> str:
    """Return a host as anyio encodes it: by IDNA 2008."""
    with suppress(ValueError):
        return host if host.isascii() else encode_name(host)
    return host


def uvloop_redirected(find: Find) -> AbstractContextManager[None]:
    """Let loops of uvloop connect to the doors of the listed hosts.

    uvloop asks no Python for addresses.

    Args:
        find: finds a door.
    """
    if "uvloop" not in sys.modules:
        return nullcontext()

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def create_connection(
            self: Any, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
        ) -> Any:
            door = _find(find, host, port)
            if door is not None:
                if options.get("ssl") and options.get("server_hostname") is None:
                    options["server_hostname"] = _name(host)
                host, port = door
            return await original(self, protocol_factory, host, port, **options)

        return create_connection

    return replaced(sys.modules["uvloop"].Loop, "create_connection", make)
