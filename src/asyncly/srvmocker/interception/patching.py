"""`intercept(..., patch=True)`: what is replaced in this process while such a block runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ..tls.bundle import make_bundle
from .patched_aiohttp import aiohttp_redirected, aiohttp_trusts
from .patched_names import anyio_redirected, names_redirected, uvloop_redirected
from .patched_proxies import PastProxies
from .patched_urllib import urllib_trusts
from .trust import environment_trusts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from ..patterns import HostPattern

__all__ = ["REDIRECTION", "Find", "Redirection"]


Find: TypeAlias = Callable[[str, int], "tuple[str, int] | None"]
"""Returns the address and port of the door for a host and port, or None if it has none."""


class _Doors(Protocol):
    @property
    def patterns(self) -> tuple[HostPattern, ...]: ...
    def find(self, host: str, port: int) -> tuple[str, int] | None: ...


class Redirection:
    """Which blocks redirect hosts now. What they need is replaced once, for all of them.

    Blocks may be left in any order, and in other threads than they were entered in. Where two
    of them list the same host, the one that was entered last answers for it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks: tuple[_Doors, ...] = ()
        self._names = _Shared(partial(_redirected, self.find))
        self._trust = _Shared(_trusted)
        self._past_proxies = PastProxies()

    def add(self, doors: _Doors, *, trust: bool) -> None:
        """Redirect the hosts of these doors from now on.

        Args:
            doors: where they go.
            trust: whether certificates of the tests' authority are to be trusted for it.
        """
        with self._lock:
            with ExitStack() as undo:
                self._names.hold(doors)
                undo.callback(self._names.release, doors)
                if trust:
                    self._trust.hold(doors)
                undo.pop_all()
            self._blocks = (*self._blocks, doors)
            self._past_proxies.update(self._blocks)

    def remove(self, doors: _Doors) -> None:
        """Redirect them no more."""
        with self._lock:
            self._blocks = tuple(other for other in self._blocks if other is not doors)
            self._past_proxies.update(self._blocks)
            self._trust.release(doors)
            self._names.release(doors)

    def find(self, host: str, port: int) -> tuple[str, int] | None:
        """Return the address and port of the door for a host that is listed somewhere."""
        for doors in reversed(self._blocks):
            if (door := doors.find(host, port)) is not None:
                return door
        return None


class _Shared:
    """A context that the first of its holders enters and the last one leaves."""

    def __init__(self, make: Callable[[], AbstractContextManager[None]]) -> None:
        self._make = make
        self._stack = ExitStack()
        self._holders: list[object] = []

    def hold(self, holder: object) -> None:
        if not self._holders:
            self._stack.enter_context(self._make())
        self._holders.append(holder)

    def release(self, holder: object) -> None:
        if holder in self._holders:
            self._holders.remove(holder)
            if not self._holders:
                self._stack.close()


@contextmanager
def _redirected(find: Find) -> Iterator[None]:
    with (
        names_redirected(find),
        anyio_redirected(find),
        uvloop_redirected(find),
        aiohttp_redirected(find),
    ):
        yield


@contextmanager
def _trusted() -> Iterator[None]:
    bundle = make_bundle()
    with environment_trusts(bundle), aiohttp_trusts(bundle), urllib_trusts():
        yield


REDIRECTION = Redirection()
"""The one of this process."""
