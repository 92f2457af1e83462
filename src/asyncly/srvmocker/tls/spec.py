"""What a service is told of TLS: frozen values."""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

from ..patterns import encode_name
from ..text import shorten
from .alerts import alert_name, alert_number

__all__ = ["ClientCert", "Faults", "Tls", "TlsFault", "check_faults", "check_security"]

ClientCert: TypeAlias = Literal["none", "optional", "required"]
_Version: TypeAlias = ssl.TLSVersion | Literal["1.2", "1.3"]

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_SHOWN = {version: text for text, version in _VERSIONS.items()}
_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_ALERT = "alert"


@dataclass(frozen=True, repr=False)
class TlsFault:
    """Something that goes wrong in a TLS handshake; the values are its attributes.

    Those of the certificate are up to the client: one that verifies nothing is served.

    Raises:
        ValueError: there is no such fault.

    Example:
        >>> TlsFault.expired
        TlsFault.expired
        >>> TlsFault.alert("handshake_failure")
        TlsFault.alert(40)
    """

    word: str
    number: int | None = None

    expired: ClassVar[TlsFault]
    """The certificate was valid once."""
    not_yet_valid: ClassVar[TlsFault]
    """The certificate will be valid one day."""
    wrong_host: ClassVar[TlsFault]
    """The certificate is for another name."""
    untrusted: ClassVar[TlsFault]
    """The certificate is signed by an authority that nobody knows."""
    self_signed: ClassVar[TlsFault]
    """The certificate is signed by itself."""
    old_version: ClassVar[TlsFault]
    """The server speaks nothing newer than TLS 1.1."""
    no_shared_cipher: ClassVar[TlsFault]
    """The server has no cipher that the client has: the alert `handshake_failure`."""
    unknown_name: ClassVar[TlsFault]
    """The server does not know the name that is asked for: the alert `unrecognized_name`."""
    handshake_reset: ClassVar[TlsFault]
    """The connection is reset (TCP RST) when the client has begun."""
    handshake_stall: ClassVar[TlsFault]
    """The server never answers the client's first message."""
    plain_http: ClassVar[TlsFault]
    """The port speaks plain HTTP."""

    def __post_init__(self) -> None:
        if self.word == _ALERT:
            vars(self).update(number=alert_number(self.number))
        elif self.word not in _WORDS or self.number is not None:
            raise ValueError(f"there is no {self!r}: {_TAKEN}")

    @classmethod
    def alert(cls, alert: int | str) -> TlsFault:
        """Return the fault that answers the client's first message by an alert.

        Args:
            alert: the number, from 0 to 255, or the name in RFC 8446 §6: `"handshake_failure"`.
        """
        return cls(_ALERT, alert_number(alert))

    def __str__(self) -> str:
        if self.number is None:
            return self.word
        return f"{_ALERT} {self.number} ({alert_name(self.number)})"

    def __repr__(self) -> str:
        number = "" if self.number is None else f"({self.number})"
        return f"TlsFault.{self.word}{number}"


_WORDS = tuple(
    name for name, kind in TlsFault.__annotations__.items() if kind == "ClassVar[TlsFault]"
)
_TAKEN = (
    f"a fault of TLS is one of TlsFault.{', '.join(_WORDS)}, TlsFault.alert(number), or such a word"
)
for _word in _WORDS:
    setattr(TlsFault, _word, TlsFault(_word))

Faults: TypeAlias = TlsFault | tuple[TlsFault | None, ...] | None
"""The fault of every handshake, those of the first ones in turn, or none."""


def check_faults(faults: object) -> Faults:
    """Return what a user gave as `fault`: a fault, its word, or a list of those.

    Raises:
        TypeError: it is nothing of that kind.
        ValueError: there is no such fault.
    """
    if isinstance(faults, list | tuple):
        return tuple(map(_check_fault, faults))
    return _check_fault(faults)


def _check_fault(fault: object) -> TlsFault | None:
    if fault is None or isinstance(fault, TlsFault):
        return fault
    if isinstance(fault, str) and fault in _WORDS:
        return TlsFault(fault)
    if isinstance(fault, str):
        raise ValueError(f"there is no fault {fault!r}: {_TAKEN}")
    raise TypeError(f"fault takes a TlsFault, its word, or a list of those, got {shorten(fault)}")


@dataclass(frozen=True, init=False, repr=False)
class Tls:
    """How a service speaks TLS: `start_service(routes, tls=Tls(...))`; `tls=True` is `Tls()`.

    The certificates are signed by an authority that this process makes for itself. It is for
    tests: trust it in the client under test, and nowhere else.

    Args:
        hostnames: the names that the server has certificates for: `"api.example.com"`,
            `"*.example.com"`, `"127.0.0.1"`. A client that asks for another one gets the
            certificate of the first. None are given by default: then any name is right.
        client_cert: whether clients show a certificate of this authority: `"none"` does not ask
            for one, `"optional"` takes one, and `"required"` refuses who has none.
        min_version: the oldest version of TLS, `"1.2"` or `"1.3"`; None leaves it to OpenSSL.
        max_version: the newest one.
        fault: what goes wrong in each handshake; a list holds what goes wrong in the first
            ones, in turn, None among them for nothing. `service.tls.fault = ...` changes it.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: a name, a word or a version is none.
        ImportError: at the start of a service, if the extra `tls` is not installed.

    Example:
        >>> Tls(client_cert="required", fault=["handshake_reset", None])
        Tls(client_cert='required', fault=(TlsFault.handshake_reset, None))
    """

    hostnames: tuple[str, ...] = ()
    client_cert: ClientCert = "none"
    min_version: ssl.TLSVersion | None = None
    max_version: ssl.TLSVersion | None = None
    fault: Faults = None

    def __init__(
        self,
        hostnames: str | Iterable[str] = (),
        client_cert: ClientCert = "none",
        min_version: _Version | None = None,
        max_version: _Version | None = None,
        fault: TlsFault | str | Iterable[TlsFault | str | None] | None = None,
    ) -> None:
        if client_cert not in get_args(ClientCert):
            words = ", ".join(map(repr, get_args(ClientCert)))
            raise ValueError(f"client_cert takes one of {words}, got {shorten(client_cert)}")
        oldest = _check_version("min_version", min_version)
        newest = _check_version("max_version", max_version)
        if oldest is not None and newest is not None and oldest > newest:
            raise ValueError("min_version is newer than max_version: no version is left")
        vars(self).update(
            hostnames=_check_names(hostnames),
            client_cert=client_cert,
            min_version=oldest,
            max_version=newest,
            fault=check_faults(fault),
        )

    def __repr__(self) -> str:
        given = [
            f"{name}={_SHOWN.get(value, value)!r}"
            for name, value in vars(self).items()
            if value != getattr(Tls, name)
        ]
        return f"Tls({', '.join(given)})"


def _check_version(name: str, version: object) -> ssl.TLSVersion | None:
    if version is None or version in _VERSIONS.values():
        return version  # type: ignore[return-value] # it is one of them
    if not isinstance(version, str) or version not in _VERSIONS:
        raise ValueError(
            f"{name} takes '1.2' or '1.3', got {shorten(version)}; "
            "a server that is older is played by fault=TlsFault.old_version"
        )
    return _VERSIONS[version]


def _check_names(names: object) -> tuple[str, ...]:
    if isinstance(names, str):
        names = (names,)
    if not isinstance(names, Iterable):
        raise TypeError(f"hostnames takes a list of names, got {shorten(names)}")
    return tuple(map(_check_name, names))


def _check_name(name: object) -> str:
    """Return a name as clients ask for it (RFC 6066 §3): lower case, without a trailing dot."""
    if not isinstance(name, str):
        raise TypeError(f"hostnames takes names that are texts, got {shorten(name)}")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    wild, bare = ("*.", name[2:]) if name.startswith("*.") else ("", name)
    try:
        known = encode_name(bare).removesuffix(".")
    except ValueError:
        known = ""
    if not _NAME.fullmatch(known):
        raise ValueError(
            f"hostnames takes names such as 'api.example.com', '*.example.com' or '127.0.0.1', "
            f"without a scheme, a port or a path, got {shorten(name)}"
        )
    return wild + known


def check_security(tls: object, ssl_context: object) -> Tls | ssl.SSLContext | None:
    """Return what secures a service: what a user gave as `tls` or as `ssl_context`.

    Raises:
        TypeError: one of them is of the wrong type.
        ValueError: both are given, or the context is one for clients.
    """
    if tls is not None and not isinstance(tls, bool | Tls):
        hint = "; pass your own context as ssl_context=" if isinstance(tls, ssl.SSLContext) else ""
        raise TypeError(f"tls takes True or a Tls(...), got {shorten(tls)}{hint}")
    if ssl_context is not None and not isinstance(ssl_context, ssl.SSLContext):
        raise TypeError(f"ssl_context takes an ssl.SSLContext, got {ssl_context!r}")
    if not tls:
        if ssl_context is not None and ssl_context.protocol == ssl.PROTOCOL_TLS_CLIENT:
            raise ValueError(
                "ssl_context is a context for clients; a server needs "
                "ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) with a certificate, or pass tls=True"
            )
        return ssl_context
    if ssl_context is not None:
        raise ValueError(
            "tls and ssl_context are two ways to one thing: pass tls=True for certificates that "
            "are made for you, or ssl_context= for your own"
        )
    return tls if isinstance(tls, Tls) else Tls()
