"""Clients of this machine, and those of others."""

from __future__ import annotations

import logging
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from ..responses.steps import NO_LINGER

if TYPE_CHECKING:
    from .accepting import Begin
    from .connection import HttpServer

__all__ = ["address_of", "reached_at", "turn_away_others"]

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - it is asked for

_log = logging.getLogger("asyncly.srvmocker")


async def turn_away_others(server: HttpServer, begin: Begin, raw: socket.socket) -> None:
    """Begin a connection of this machine; reset any other, and say so in its record."""
    try:
        peer = raw.getpeername()[0]
    except OSError:  # it has gone already
        raw.close()
        return
    address = address_of(peer)
    if address is not None and address.is_loopback:
        await begin(raw)
        return
    with raw:
        record = server.log.open(raw)
        record.refusal = f"turned away: {peer} is not of this machine's loopback"
        _log.warning("%s, and a proxy that intercepts is for local clients only", record.refusal)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        record.fail("server", was_reset=True)


def reached_at(host: str) -> str:
    """Return the address at which this machine reaches what listens at one, or everywhere."""
    return _EVERYWHERE.get(host, host)


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a host is, that of IPv4 where IPv6 carries it; None for a name."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address
    return address
