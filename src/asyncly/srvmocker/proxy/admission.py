"""Who may pass: what a request asks the proxy for, and whether it is done."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from hmac import compare_digest
from typing import TYPE_CHECKING, Literal, TypeAlias

from yarl import URL

from ..text import shorten, show_target
from .refusals import Refusal, explain_connect
from .targets import is_same, parse_authority

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..doors import Doors
    from ..server.incoming import MockRequest

__all__ = ["Admission", "Errand", "Unlisted", "check_auth", "check_unlisted"]

Unlisted: TypeAlias = Literal["tunnel", "refuse"]


@dataclass(frozen=True, slots=True)
class Errand:
    """What the proxy is to do.

    Attributes:
        host: the name or address to connect to.
        port: the port.
        url: what is asked for there; None for a tunnel.
        asked: the same as the client puts it, by the name that it knows.
    """

    host: str
    port: int
    url: URL | None = None
    asked: URL | None = None


class Admission:
    """Decides about each request by its head.

    Args:
        origin: returns the URL of the proxy.
        auth: login and password that a client must send; None asks for none.
        doors: where the hosts are that are listed; None lists none.
        unlisted: what is done for other hosts.
        everywhere: whether the proxy listens at every address of this machine.
    """

    def __init__(
        self,
        origin: Callable[[], URL],
        auth: tuple[str, str] | None,
        doors: Doors | None,
        unlisted: Unlisted,
        *,
        everywhere: bool,
    ) -> None:
        self._origin = origin
        self._credentials = () if auth is None else _basic(*auth)
        self._doors = doors
        self._unlisted = unlisted
        self._everywhere = everywhere

    def admit(self, request: MockRequest) -> Errand | Refusal:
        """Return what is to be done for a request, or why not."""
        if self._credentials and not self._is_known(given := _credentials_of(request)):
            what = "wrong" if given else "no"
            text = f"{what} Proxy-Authorization; this proxy was started with auth="
            return Refusal(407, text, {"Proxy-Authenticate": 'Basic realm="mock proxy"'})
        try:
            host, port, asked = self._read(request)
        except ValueError as error:
            return Refusal(400, str(error))
        if self._is_itself(host, port):
            shown = show_target(request.raw_path)
            return Refusal(421, f"{shown} is the proxy itself; it forwards to other servers only")
        door = None if self._doors is None else self._doors.find(host, port)
        if door is not None:
            url = asked and asked.with_host(door[0]).with_port(door[1])
            return Errand(*door, url, asked)
        if self._unlisted == "tunnel":
            return Errand(host, port, asked, asked)
        why = (
            f"{host}:{port} is refused" if self._doors is None else self._doors.refusal(host, port)
        )
        return Refusal(403, f'{why}; unlisted="tunnel" would let it pass')

    def _is_itself(self, host: str, port: int | None) -> bool:
        return is_same(host, port, self._origin(), everywhere=self._everywhere)

    def _is_known(self, given: bytes) -> bool:
        scheme, _, rest = given.partition(b" ")  # written in any case (RFC 9110 §11.1)
        given = scheme.capitalize() + b" " + rest.strip()
        return any(compare_digest(given, known) for known in self._credentials)

    def _read(self, request: MockRequest) -> tuple[str, int, URL | None]:
        """Return the host, the port, and the URL that is asked for there; None for a tunnel.

        Raises:
            ValueError: the request names none; the text says what to do.
        """
        target = request.raw_path
        if request.method == "CONNECT":
            try:
                return *parse_authority(target), None
            except ValueError as error:
                raise ValueError(explain_connect(error)) from None
        for name, value in request.headers.items():
            if not value.isascii() and value != value.encode("utf-8", "ignore").decode():
                raise ValueError(
                    f"the header {name} is no UTF-8, which is all that this proxy can send on"
                )
        url = self._read_origin_form(request) or _read_absolute_form(target)
        if url is None:
            raise ValueError(
                f"{request.method} {show_target(target)} does not name a host: "
                "this is a forward proxy. "
                f"Give {self._origin()} to your client as its proxy, not as its base URL"
            )
        return url.raw_host or "", url.port or 0, url

    def _read_origin_form(self, request: MockRequest) -> URL | None:
        """Return the URL of a request that takes the proxy for a server that is listed."""
        target, named = request.raw_path, request.headers.get("Host", "")
        if self._doors is None or not target.startswith("/"):
            return None
        scheme = request.connection.origin.locate().scheme
        try:
            url = URL(f"{scheme}://{named}{target}", encoded=True)
            is_listed = self._doors.find(url.raw_host or "", url.port or 0) is not None
        except ValueError:
            return None
        if not url.raw_host or self._is_itself(url.raw_host, url.port):
            return None
        return url if is_listed or self._unlisted == "refuse" else None


def _read_absolute_form(target: str) -> URL | None:
    """Return the URL that is asked for; None if it is none.

    Raises:
        ValueError: it is one that a client asks for in another way.
    """
    scheme, _, rest = target.partition("://")
    if scheme.lower() in ("https", "wss"):
        raise ValueError(
            f"{show_target(target)} would have the proxy speak TLS with the target; "
            f"a client asks for an {scheme}:// URL by CONNECT"
        )
    if rest and scheme.lower() not in ("http", "ws"):
        raise ValueError(
            f"{show_target(target)} is no http:// URL; this proxy sends on nothing else"
        )
    try:
        url = URL(f"http://{rest}", encoded=True)
    except ValueError:
        return None
    return url if url.raw_host and url.port else None


def check_auth(auth: object) -> tuple[str, str] | None:
    """Return login and password; `BasicAuth` is a tuple of them with an encoding.

    Raises:
        TypeError: it is no such pair.
    """
    if auth is None:
        return None
    pair = tuple(auth[:2]) if isinstance(auth, tuple) else ()
    if len(pair) == 2 and all(isinstance(part, str) for part in pair):
        return pair[0], pair[1]
    raise TypeError(
        "auth takes aiohttp.BasicAuth(login, password) or a pair of texts, "
        f"got {type(auth).__name__}"
    )


def check_unlisted(unlisted: object, *, intercepts: bool) -> Unlisted:
    """Return what is done for hosts that are not listed.

    Raises:
        ValueError: it is another word.
    """
    if unlisted is None:
        return "refuse" if intercepts else "tunnel"
    if unlisted not in ("tunnel", "refuse"):
        raise ValueError(f"unlisted takes 'tunnel' or 'refuse', got {shorten(unlisted)}")
    return unlisted


def _credentials_of(request: MockRequest) -> bytes:
    return request.headers.get("Proxy-Authorization", "").encode("utf-8", "surrogateescape")


def _basic(login: str, password: str) -> tuple[bytes, ...]:
    """Return the credentials as clients send them (RFC 7617 §2): in UTF-8, or in Latin-1."""
    plain = f"{login}:{password}"
    forms = {plain.encode(encoding, "replace") for encoding in ("utf-8", "latin-1")}
    return tuple(b"Basic " + b64encode(form) for form in forms)
