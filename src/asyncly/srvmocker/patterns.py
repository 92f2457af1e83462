"""Which hosts are meant: `"api.github.com"`, `"*.s3.amazonaws.com"`, `"https://10.0.0.5:8443"`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

from yarl import URL

from .text import shorten

__all__ = ["HostPattern", "check_overlaps", "encode_name"]

_PORTS = {"https": 443, "http": 80}
_LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"({_LABEL}\.)*(?![0-9.]+$){_LABEL}")
"""RFC 1123 §2.1, and the underscore that is met all the same; numbers alone are an address."""
_LONGEST = 253
_FORMS = "a host such as 'api.github.com' or '*.example.com', or an origin such as 'https://host'"


def encode_name(name: str) -> str:
    """Return a name as most clients ask for it: in lower case, IDNA-encoded.

    yarl, and so aiohttp, encodes as httpx and requests do, by IDNA 2008 (RFC 5891). Python's own
    codec is that of 2003, for which "straße.de" is "strasse.de": another host.

    Raises:
        ValueError: no name may be so.
    """
    return URL.build(scheme="https", host=name).raw_host or ""


@dataclass(frozen=True)
class HostPattern:
    """A host, or every host below a domain, at one port or at all.

    Attributes:
        text: as the user wrote it.
        host: in lower case, IDNA-encoded; the domain if `is_wild`.
        is_wild: whether it stands for every host below `host`, at any depth.
        port: of the origin; None is any port.
        scheme: `"https"` or `"http"`; None is both, told apart by the first byte.
    """

    text: str
    host: str
    is_wild: bool = False
    port: int | None = None
    scheme: str | None = None

    @classmethod
    def parse(cls, text: object, where: str) -> HostPattern:
        """Return the pattern that a user wrote.

        Args:
            text: the pattern.
            where: who asks for it, for messages.

        Raises:
            TypeError: it is no text.
            ValueError: it is no host and no origin; the text says what is wrong.
        """
        if isinstance(text, URL):
            text = str(text)
        if not isinstance(text, str):
            raise TypeError(f"{where} takes {_FORMS}, got {shorten(text)}")
        try:
            return cls(text, *_take_apart(text))
        except ValueError as error:
            raise ValueError(f"{where} takes {_FORMS}, got {text!r}: {error}") from None

    @property
    def is_address(self) -> bool:
        """Whether it is an IP address, which no client resolves."""
        return _is_address(self.host)

    @property
    def url(self) -> URL:
        """An origin that it stands for; https if it stands for both schemes."""
        scheme = self.scheme or "https"
        port = None if self.port == _PORTS[scheme] else self.port
        return URL.build(scheme=scheme, host=self.host, port=port)

    def fits(self, host: str, port: int) -> bool:
        """Tell whether a host, as a client asks for it, is meant."""
        if self.port is not None and self.port != port:
            return False
        host = host.lower().rstrip(".")
        return host.endswith("." + self.host) if self.is_wild else host == self.host

    def overlaps(self, other: HostPattern) -> bool:
        """Tell whether there is a host and port that both mean."""
        if None not in (self.port, other.port) and self.port != other.port:
            return False
        if self.is_wild and other.is_wild:
            one, two = f".{self.host}", f".{other.host}"
            return one.endswith(two) or two.endswith(one)
        if self.is_wild:
            return other.host.endswith("." + self.host)
        return other.fits(self.host, other.port or 0)


def _take_apart(text: str) -> tuple[str, bool, int | None, str | None]:
    """Return host, whether it is wild, port and scheme.

    Raises:
        ValueError: with the reason alone.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    elif scheme.lower() not in _PORTS:
        raise ValueError(f"the scheme is https or http, not {scheme!r}")
    is_wild = rest.startswith("*.")
    host, port = _host_and_port(rest.removeprefix("*."))
    if is_wild and _is_address(host):
        raise ValueError("there is nothing below an address")
    if port is None and scheme:
        port = _PORTS[scheme.lower()]
    return host, is_wild, port, scheme.lower() or None


def _host_and_port(name: str) -> tuple[str, int | None]:
    if "*" in name:
        raise ValueError("a '*' may only stand for what is before the first dot")
    if name.count(":") > 1 and not name.startswith("["):
        raise ValueError("an IPv6 address stands in brackets: '[::1]'")
    url = URL(f"https://{name}")
    if url.user is not None or url.password is not None:
        raise ValueError("a host has no login")
    if url.path not in ("", "/") or "?" in name or "#" in name:
        raise ValueError("a host has no path; declare paths as routes of the service")
    host = (url.raw_host or "").lower().removesuffix(".")
    if not host or any(mark.isspace() for mark in name):
        raise ValueError("there is no host in it")
    if url.explicit_port == 0:
        raise ValueError("nobody listens at port 0")
    if not _is_address(host) and not (_NAME.fullmatch(host) and len(host) <= _LONGEST):
        raise ValueError(f"{host!r} is no name of a host")
    return host, url.explicit_port


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def check_overlaps(patterns: list[HostPattern], where: str) -> None:
    """Refuse patterns of which two mean the same host.

    Raises:
        ValueError: with both, and what to do.
    """
    for number, pattern in enumerate(patterns):
        for other in patterns[:number]:
            if pattern.overlaps(other):
                raise ValueError(
                    f"{where}: {other.text!r} and {pattern.text!r} overlap: which service would "
                    "answer? Keep one of them, or narrow the wider one"
                )
