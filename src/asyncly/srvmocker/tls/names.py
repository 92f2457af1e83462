"""Which certificate a client gets."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["choose_names", "is_named"]

_LOCAL = ("127.0.0.1", "::1", "localhost")


def choose_names(
    hostnames: Sequence[str], asked: str | None, reached: Sequence[str]
) -> tuple[tuple[str, ...], bool]:
    """Return the names in the certificate that a client gets, and whether they are right for it.

    Args:
        hostnames: what the server has certificates for; empty is any name.
        asked: what the client asks for; None for one that connects to an address (RFC 6066 §3).
        reached: under which hosts and addresses it came.
    """
    wanted = [asked.lower().removesuffix(".")] if asked else list(map(_plain, reached))
    if not hostnames:
        local = () if asked else _LOCAL
        return tuple(dict.fromkeys([*wanted, *local])), True
    for name in wanted:
        for known in hostnames:
            if is_named(name, known):
                return (known,), True
    return (hostnames[0],), False


def is_named(name: str, known: str) -> bool:
    """Tell whether a certificate for `known` is one for `name` (RFC 6125 §6.4.3)."""
    return name == known or (known[:2] == "*." and name.partition(".")[2] == known[2:])


def _plain(host: str) -> str:
    """Return an address without its zone, and that of IPv4 as such where IPv6 carries it."""
    with suppress(ValueError):
        address = ipaddress.ip_address(host.partition("%")[0])
        return str(getattr(address, "ipv4_mapped", None) or address)
    return host
