"""aiohttp: a connector whose resolver knows the listed hosts, and no others."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

if TYPE_CHECKING:
    import ssl

    from aiohttp import AddrInfoType

    from .network import Locate

__all__ = ["answer", "make_connector"]

_OURS = ("resolver", "socket_factory")


def make_connector(
    locate: Locate, context: ssl.SSLContext | None, options: dict[str, Any]
) -> aiohttp.TCPConnector:
    """Return a connector that reaches the doors of the listed hosts.

    Args:
        locate: finds a door, or refuses.
        context: whom it trusts.
        options: of `aiohttp.TCPConnector`.

    Raises:
        TypeError: one of the options is what this connector is made of.
    """
    for name in _OURS:
        if name in options:
            raise TypeError(
                f"net.aiohttp_connector() brings its own {name}: leave {name}= out, or make an "
                "aiohttp.TCPConnector of your own and use intercept(..., patch=True)"
            )
    if context is not None:
        options = {"ssl": context, **options}
    options = {"use_dns_cache": False, **options}  # there is nothing to look up
    resolver = _Resolver(locate)
    return aiohttp.TCPConnector(resolver=resolver, socket_factory=resolver.open, **options)


def answer(host: str, door: tuple[str, int]) -> list[ResolveResult]:
    """Return what a resolver says of a host that has a door; aiohttp uses the port, too."""
    return [
        ResolveResult(
            hostname=host,
            host=door[0],
            port=door[1],
            family=socket.AF_INET,
            proto=0,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
    ]


class _Resolver(AbstractResolver):
    """Says where the doors are.

    It is not asked about IP addresses: those are refused where their socket would be opened.
    """

    def __init__(self, locate: Locate) -> None:
        self._locate = locate
        self._asked: dict[tuple[str, int], tuple[str, int]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the door of a host.

        Raises:
            OSError: it is not listed.
        """
        door = self._locate(host, port)
        self._asked[door] = (host, port)
        return answer(host, door)

    def open(self, info: AddrInfoType) -> socket.socket:
        """Return a new socket for an address.

        Raises:
            OSError: it is no door's, or no longer one.
        """
        family, kind, proto, _, address = info
        target = str(address[0]), int(address[1])
        self._locate(*self._asked.get(target, target))
        return socket.socket(family, kind, proto)

    async def close(self) -> None:
        """Do nothing: it holds nothing."""
