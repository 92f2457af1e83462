"""Clients that take their proxy from the environment go past it to the hosts that are listed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from .replacing import put_back

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..patterns import HostPattern

__all__ = ["PastProxies"]

_NAMES = ("no_proxy", "NO_PROXY")


class _Listing(Protocol):
    @property
    def patterns(self) -> tuple[HostPattern, ...]: ...


class PastProxies:
    """Adds hosts to `NO_PROXY`: behind a proxy the real host would be asked, unnoticed."""

    def __init__(self) -> None:
        self._before: dict[str, str | None] | None = None

    def update(self, listings: Iterable[_Listing]) -> None:
        """Let clients go past their proxy to the hosts that are listed now, and to no others."""
        hosts = [
            f".{pattern.host}" if pattern.is_wild else pattern.host
            for listing in listings
            for pattern in listing.patterns
        ]
        if self._before is None:
            if not hosts:
                return
            self._before = {name: os.environ.get(name) for name in _NAMES}
        if hosts:
            known = self._before["no_proxy"] or self._before["NO_PROXY"]
            value = ",".join(filter(None, (known, *hosts)))
            os.environ.update(dict.fromkeys(_NAMES, value))
            return
        put_back(self._before)
        self._before = None
