"""aiohttp's own ways: its resolvers, what they remember, and the certificates that it trusts."""

from __future__ import annotations

import functools
import ssl
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import aiohttp
import aiohttp.connector

from .for_aiohttp import answer
from .replacing import replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .patching import Find

__all__ = ["aiohttp_redirected", "aiohttp_trusts"]


@contextmanager
def aiohttp_redirected(find: Find) -> Iterator[None]:
    """Let the resolvers of aiohttp answer with the doors of the listed hosts.

    They ask the loop, or aiodns, and neither need ask Python.

    Args:
        find: finds a door.
    """

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def resolve(self: Any, host: str, port: int = 0, *args: Any, **options: Any) -> Any:
            door = find(host, port)
            if door is not None:
                return answer(host, door)
            return await original(self, host, port, *args, **options)

        return resolve

    with ExitStack() as stack:
        for resolver in (aiohttp.ThreadedResolver, aiohttp.AsyncResolver):
            stack.enter_context(replaced(resolver, "resolve", make))
        stack.enter_context(_nothing_remembered(find))
        yield


@contextmanager
def _nothing_remembered(find: Find) -> Iterator[None]:
    """Let connectors forget what they were told of a host when that changes.

    They remember it for ten seconds, and a session may live longer than the block.
    """
    known: WeakKeyDictionary[aiohttp.TCPConnector, dict[tuple[str, int], tuple[str, int]]]
    known = WeakKeyDictionary()

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def connect(self: aiohttp.TCPConnector, req: Any, *args: Any, **options: Any) -> Any:
            host, port = req.url.raw_host, req.url.port
            door = find(host, port)
            if door is not None:
                doors = known.setdefault(self, {})
                if doors.get((host, port)) != door:
                    self.clear_dns_cache(host, port)
                    doors[host, port] = door
            return await original(self, req, *args, **options)

        return connect

    try:
        with replaced(aiohttp.TCPConnector, "connect", make):
            yield
    finally:
        for connector, doors in list(known.items()):
            for host, port in doors:
                connector.clear_dns_cache(host, port)


@contextmanager
def aiohttp_trusts(bundle: str) -> Iterator[None]:
    """Let connectors that were told nothing of TLS trust the certificates of a file.

    Args:
        bundle: the path of the file.
    """
    # aiohttp reads SSL_CERT_FILE once, when it is imported, into this one context; there is no
    # public way to it. tests/wire/test_patching.py fails if it moves.
    context = _make_context(bundle)
    with replaced(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", lambda _: context):
        yield


@functools.lru_cache(maxsize=4)
def _make_context(bundle: str) -> ssl.SSLContext:
    """Return a context as aiohttp makes one; it is kept, because reading a bundle is slow."""
    context = ssl.create_default_context()
    context.load_verify_locations(bundle)
    context.set_alpn_protocols(["http/1.1"])
    return context
