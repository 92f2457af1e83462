"""The doors of the hosts that are listed, open while the proxy is served."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from ..doors import Doors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..server.host import Host

__all__ = ["Doorkeeper"]

_WHERE = "start_proxy(intercept=...)"
_TIMEOUT = 3.0
"""Seconds that services may take to answer for other hosts, and to end that."""


class Doorkeeper:
    """Opens the doors once, however many loops serve the proxy.

    Args:
        services: which service answers for which hosts.

    Attributes:
        doors: where they are.

    Raises:
        TypeError: `services` is no mapping of texts to services.
        ValueError: a pattern is none, or two of them overlap.
        ImportError: TLS needs the extra `tls`.
    """

    def __init__(self, services: Mapping[str, Host]) -> None:
        self.doors = Doors(services, _WHERE)
        self._is_open = False

    async def open(self) -> None:
        """Open the doors.

        Raises:
            RuntimeError: a service does not run, or its loop stands still.
        """
        if self._is_open:
            return
        self._is_open = True
        try:
            async with asyncio.timeout(_TIMEOUT):
                await self.doors.open()
        except TimeoutError:
            raise RuntimeError(
                f"{_WHERE}: the loop that a service runs in stands still, so it cannot answer. "
                "With `run_proxy` serve it by `run_service`, or in an async test write "
                "`async with start_proxy(...)`"
            ) from None

    async def close(self) -> None:
        """Close the doors, and the connections that came in by them."""
        if self._is_open:
            self._is_open = False
            with suppress(TimeoutError):  # the service gives its ports back itself, when it ends
                async with asyncio.timeout(_TIMEOUT):
                    await self.doors.close()
