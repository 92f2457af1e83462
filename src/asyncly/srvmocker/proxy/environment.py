"""The variables by which the clients of a subprocess find the proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from ..tls import authority
from ..tls.bundle import make_bundle

if TYPE_CHECKING:
    from yarl import URL

__all__ = ["proxy_env"]

_PROXY = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_NO_PROXY = "NO_PROXY"
_ADDED = "NODE_EXTRA_CA_CERTS"
"""Names certificates that are trusted besides others; all the rest replaces them."""


def proxy_env(
    proxy: URL, auth: tuple[str, str] | None, *, intercepts: bool, passes_on: bool
) -> dict[str, str]:
    """Return the variables that name a proxy, and whom its clients trust.

    Args:
        proxy: its URL.
        auth: login and password, if it asks for them.
        intercepts: whether its clients have to trust our authority.
        passes_on: whether they meet others too, whom they trust already.
    """
    login = "" if auth is None else ":".join(quote(part, safe="") for part in auth) + "@"
    url = f"{proxy.scheme}://{login}{proxy.host_port_subcomponent}"
    found = dict.fromkeys(_PROXY, url) | {
        _NO_PROXY: "",
    }
    # curl reads http_proxy in no other way, since a server turns a header into HTTP_PROXY.
    found |= {name.lower(): value for name, value in found.items()}
    found["NODE_USE_ENV_PROXY"] = "1"
    if intercepts:
        trust = authority().env()
        if passes_on:
            everyone = make_bundle()
            trust = {name: path if name == _ADDED else everyone for name, path in trust.items()}
        found |= trust
    return found
