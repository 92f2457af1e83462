"""Names that clients insist on, and the doors of the services that answer for them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from .patterns import HostPattern, check_overlaps
from .serialization.base import import_extra
from .server.host import Host
from .text import shorten
from .waiting import in_turn

if TYPE_CHECKING:
    from collections.abc import Generator

    from .server.listener import Listener
    from .waiting import Wait

__all__ = ["Doors"]


class Doors:
    """For each name a door: a port of this machine where its service answers as that name.

    Over TLS it has a certificate for the name that is asked for.

    Args:
        services: which service answers for which hosts, by pattern: `"api.github.com"`,
            `"*.example.com"`, `"https://api.github.com"`.
        where: who opens them, for messages: `"intercept()"`.

    Raises:
        TypeError: `services` is no mapping of texts to services.
        ValueError: a pattern is none, or two of them overlap.
        ImportError: TLS needs the extra `tls`.
    """

    def __init__(self, services: Mapping[str, Host], where: str) -> None:
        if not isinstance(services, Mapping):
            raise TypeError(
                f"{where} takes a mapping such as {{'api.github.com': service}}, "
                f"got {shorten(services)}"
            )
        self._doors: list[tuple[HostPattern, Host, Listener]] = []
        for text, service in services.items():
            pattern = HostPattern.parse(text, where)
            if not isinstance(service, Host):
                raise TypeError(
                    f"{where} takes a running service for {text!r}, got {shorten(service)}"
                )
            tls, plain = pattern.scheme != "http", pattern.scheme != "https"
            if tls:
                import_extra("trustme", extra="tls", used_by=f"{where} of a host that speaks TLS")
            door = service.ports.make_door(pattern.url, tls=tls, plain=plain)
            self._doors.append((pattern, service, door))
        check_overlaps([pattern for pattern, _, _ in self._doors], where)
        self._where = where

    @property
    def patterns(self) -> tuple[HostPattern, ...]:
        """The patterns, in order."""
        return tuple(pattern for pattern, _, _ in self._doors)

    @property
    def speaks_tls(self) -> bool:
        """Whether clients have to trust our authority."""
        return any(pattern.scheme != "http" for pattern in self.patterns)

    def open(self) -> Wait[None]:
        """Open every door, wherever its service is served; if that fails, `close()` them.

        Raises:
            RuntimeError: a service does not run; the text says what to do.
        """

        def steps() -> Generator[Wait[None], None, None]:
            for pattern, service, _ in self._doors:
                self._check_runs(pattern, service)
            for _, service, door in self._doors:
                yield service.ports.open_door(door)

        return in_turn(steps, f"{self._where}: open")

    def close(self) -> Wait[None]:
        """Close every door, and the connections that came in by it; also if it is cancelled."""

        def steps() -> Generator[Wait[None], None, None]:
            left = list(self._doors)
            try:
                while left:
                    _, service, door = left[0]
                    yield service.ports.close_door(door)
                    del left[0]
            finally:
                for _, service, door in left:
                    service.ports.halt_door(door)

        return in_turn(steps, f"{self._where}: close")

    def find(self, host: str, port: int) -> tuple[str, int] | None:
        """Return the address and port of the door for a host, or None if it is not listed."""
        for pattern, _, door in self._doors:
            if pattern.fits(host, port):
                assert door.url.port is not None  # noqa: S101 - for the type checker
                return "127.0.0.1", door.url.port
        return None

    @property
    def asks_for_client_cert(self) -> bool:
        """Whether a service refuses clients that show no certificate."""
        kits = [door.handshake.kit for _, _, door in self._doors if door.handshake is not None]
        return any(kit is not None and kit.spec.client_cert == "required" for kit in kits)

    def refusal(self, host: str, port: int) -> str:
        """Return what is told to a client that asks for a host that is not listed."""
        host = f"[{host}]" if ":" in host else host
        listed = ", ".join(repr(pattern.text) for pattern in self.patterns) or "none"
        return f"{host}:{port} is not intercepted; listed in {self._where}: {listed}"

    def _check_runs(self, pattern: HostPattern, service: Host) -> None:
        with suppress(RuntimeError):
            service.url  # noqa: B018 - a fixture's service begins to run where it is asked for that
        if not service.runs:
            raise RuntimeError(
                f"{self._where}: the service for {pattern.text!r} does not run: {service!r}. "
                "Enter its `async with start_service(...)` first, and leave it last"
            )
