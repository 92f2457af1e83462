"""What a client asks a proxy for: names and ports, and whether they are those of a wish."""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from yarl import URL

from ..comparing import Mismatch, compare, has_own_eq
from ..server.local import address_of
from ..text import hide_password, shorten

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from ..request import RecordedRequest

__all__ = ["check_wish", "explain_target", "is_same", "parse_authority"]


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


def is_same(host: str | None, port: int | None, here: URL, *, everywhere: bool) -> bool:
    """Tell whether a target is the proxy itself, by any name of this machine's loopback.

    Args:
        host: the name or address of the target.
        port: its port.
        here: the URL of the proxy.
        everywhere: whether it listens at every address of this machine.
    """
    if port != here.port or host is None:
        return False
    if host.lower() in ("localhost", here.host):
        return True
    with suppress(OSError, ValueError):  # 127.1 and 2130706433 are 127.0.0.1, too
        host = socket.inet_ntoa(socket.inet_aton(host))
    address = address_of(host)
    if address is None:
        return False
    return address.is_loopback or address.is_unspecified or (everywhere and _is_ours(address))


def _is_ours(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address is one of this machine: only then it can be bound."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as tried:
        try:
            tried.bind((str(address), 0))
        except OSError:
            return False
    return True


def check_wish(target: object, method: object) -> None:
    """Refuse what no request could fit: an expectation that nothing came would always be met.

    Raises:
        TypeError: of another type.
        ValueError: a text that is neither a URL nor a host.
    """
    if method is not None and not (isinstance(method, str) and method):
        raise TypeError(f"method takes a text such as 'GET', got {shorten(method)}")
    if target is None or isinstance(target, re.Pattern) or callable(target):
        return
    if not isinstance(target, str | URL):
        if type(target).__module__ != "builtins" and has_own_eq(target):  # as everywhere else
            return
        raise TypeError(
            "target takes a URL, a host, a compiled pattern or a function, "
            f"got {hide_password(shorten(target))}"
        )
    text = str(target)
    if "://" in text:
        return
    reason = None
    if not text or text.startswith("/"):
        reason = "it names no host"
    elif "/" in text:
        reason = f"a path needs a scheme; write {hide_password(shorten('http://' + text))}"
    elif "*" in text:
        reason = "for several hosts give a compiled pattern"
    if reason is not None:
        got = hide_password(shorten(text))
        raise ValueError(f"target takes a URL or a host, got {got}: {reason}")


def explain_target(request: RecordedRequest, target: Any, method: str | None) -> list[Mismatch]:
    """Return how a request differs from the method and the target asked for."""
    found: list[Mismatch] = []
    if method is not None:
        compare("method", method.upper(), request.method, found)
    if target is None:
        return found
    url = request.target if request.method == "CONNECT" else str(request.url)
    wish = str(target) if isinstance(target, str | URL) else target
    if not isinstance(wish, str):
        compare("target", wish, url, found)
    elif "://" not in wish:
        if wish.lower().rstrip(".") not in _names(request.url):
            compare("target host", wish, request.url.host_port_subcomponent, found)
    elif request.method == "CONNECT":
        found.append(Mismatch("target", wish, url, "of a tunnel only host and port are known"))
    elif _plain(wish) != _plain(url):
        found.append(_differ(wish, url))
    return [_without_passwords(item) for item in found]


def _names(url: URL) -> set[str]:
    """Return what a host may be called in a wish: with its port or without, IDNA or decoded."""
    hosts = {url.raw_host}
    with suppress(ValueError):  # it is no IDNA
        hosts.add(url.host)
    names = {url.raw_authority.lower()}
    for host in filter(None, hosts):
        name = host.lower().rstrip(".")
        in_url = f"[{name}]" if ":" in name else name
        names |= {name, in_url, f"{in_url}:{url.port}"}
    return names


def _plain(text: str) -> str:
    """Return a URL in the one form that all its equal ones have (RFC 9110 §4.2.3)."""
    with suppress(ValueError):
        text = str(URL(text, encoded=True))
    scheme, _, rest = text.partition("://")
    authority = re.match(r"[^/?#]*", rest)
    assert authority is not None  # noqa: S101 - it may be empty
    login, at, place = authority[0].rpartition("@")
    port = {"http": ":80", "ws": ":80", "https": ":443", "wss": ":443"}.get(scheme.lower(), "")
    path = rest[authority.end() :]
    if not path.startswith("/"):
        path = "/" + path
    return f"{scheme}://".lower() + login + at + place.lower().removesuffix(port) + path


def _differ(wish: str, url: str) -> Mismatch:
    """Return the difference of two URLs."""
    are_alike = hide_password(wish) == hide_password(url)
    return Mismatch("target", wish, url, "the passwords differ" if are_alike else "")


def _without_passwords(item: Mismatch) -> Mismatch:
    expected = hide_password(item.expected) if isinstance(item.expected, str) else item.expected
    return replace(item, expected=expected, got=hide_password(str(item.got)))
