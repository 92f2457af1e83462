"""What a client asks a proxy for: names and ports, and whether they are those of a wish."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from yarl import URL

from ..comparing import Mismatch, compare
from ..server.local import address_of
from ..text import hide_password

if TYPE_CHECKING:
    from ..request import RecordedRequest

__all__ = ["explain_target", "is_same", "parse_authority"]


def parse_authority(target: str) -> tuple[str, int]:
    """Return the host and the port of a CONNECT's target (RFC 9112 §3.2.3).

    Raises:
        ValueError: it is none; the text says why, without the target: that may hold a password.
    """
    if "@" in target:
        raise ValueError("it holds credentials, which belong into Proxy-Authorization")
    if "/" in target:
        raise ValueError("it is a URL")
    host, colon, port = target.rpartition(":")
    if not colon or port.endswith("]"):
        raise ValueError("it has no port")
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError("its port is no number from 1 to 65535")
    try:
        name = URL.build(scheme="http", authority=target).raw_host if host else None
    except ValueError:
        name = None
    if not name or (":" in host and not host.startswith("[")):
        raise ValueError("it names no host")
    return name, int(port)


def is_same(host: str | None, port: int | None, here: URL) -> bool:
    """Tell whether a target is the proxy itself, by any name of this machine's loopback."""
    if port != here.port or host is None:
        return False
    if host.lower() in ("localhost", here.host):
        return True
    with suppress(OSError, ValueError):  # 127.1 and 2130706433 are 127.0.0.1, too
        host = socket.inet_ntoa(socket.inet_aton(host))
    address = address_of(host)
    return address is not None and (address.is_loopback or address.is_unspecified)


def _names(url: URL) -> set[str | None]:
    """Return what a host may be called in a wish: with its port or without, IDNA or decoded."""
    names = {url.raw_host, url.host_port_subcomponent, url.raw_authority}
    with suppress(ValueError):  # it is no IDNA
        names |= {url.host, url.authority}
    return names


def explain_target(request: RecordedRequest, target: Any, method: str | None) -> list[Mismatch]:
    """Return how a request differs from the method and the target asked for."""
    found: list[Mismatch] = []
    if method is not None:
        compare("method", method.upper(), request.method, found)
    if target is None:
        return found
    url = request.target if request.method == "CONNECT" else str(request.url)
    wish = str(target) if isinstance(target, str) or hasattr(target, "human_repr") else target
    if isinstance(wish, str) and "://" not in wish:
        if wish not in _names(request.url):
            compare("target host", wish, request.url.host_port_subcomponent, found)
    elif isinstance(wish, str) and wish != url and wish.rstrip("/") == url.rstrip("/"):
        pass  # a host alone and its root are the same target (RFC 9110 §4.2.3)
    elif isinstance(wish, str) and wish != url:
        found.append(_differ(wish, url))
    else:
        compare("target", wish, url, found)
    return [replace(item, got=hide_password(str(item.got))) for item in found]


def _differ(wish: str, url: str) -> Mismatch:
    """Return the difference of two URLs, without their passwords."""
    expected, got = hide_password(wish), hide_password(url)
    note = "the passwords differ" if expected == got else ""
    return Mismatch("target", expected, got, note)
