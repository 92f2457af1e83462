"""requests: an adapter over the pools of urllib3 that go to the doors of the listed hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from ..text import shorten
from .for_urllib3 import make_pool_manager

if TYPE_CHECKING:
    from .network import Locate

__all__ = ["make_adapter", "mount"]

_PORTS = {"http": 80, "https": 443}


def make_adapter(
    locate: Locate, ca_pem: str | None, client_cert: str | None, options: dict[str, Any]
) -> HTTPAdapter:
    """Return an adapter that reaches the doors of the listed hosts.

    Args:
        locate: finds a door, or refuses.
        ca_pem: the file of the certificates that it trusts.
        client_cert: the file of the certificate that it shows, unless a request has its own.
        options: of `requests.adapters.HTTPAdapter`.
    """
    return _Adapter(locate, ca_pem, client_cert, **options)


def mount(
    session: requests.Session, locate: Locate, ca_pem: str | None, client_cert: str | None
) -> None:
    """Put such an adapter in the place of every one for HTTP that a session has.

    Each tries again as often as the one that it replaces.

    Raises:
        TypeError: it is no session.
    """
    if not isinstance(session, requests.Session):
        raise TypeError(f"net.mount() takes a requests.Session, got {shorten(session)}")
    for prefix in {"http://", "https://", *session.adapters}:
        if prefix.lower().startswith(("http://", "https://")):
            replaced = session.adapters.get(prefix)
            options = {}
            if isinstance(replaced, HTTPAdapter):
                options["max_retries"] = replaced.max_retries
            session.mount(prefix, make_adapter(locate, ca_pem, client_cert, options))


class _Adapter(HTTPAdapter):
    def __init__(
        self, locate: Locate, ca_pem: str | None, client_cert: str | None, **options: Any
    ) -> None:
        self._locate = locate
        self._ca_pem = ca_pem
        self._client_cert = client_cert
        super().__init__(**options)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **options: Any
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, **options)
        options.update(num_pools=connections, maxsize=maxsize, block=block)
        self.poolmanager = make_pool_manager(self._locate, self._ca_pem, None, options)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Send a request, past any proxy, with a certificate that the authority has signed.

        A host that is not listed is refused here: the pools would try again.
        """
        url = urlsplit(request.url or "")
        try:
            self._locate(str(url.hostname), url.port or _PORTS[url.scheme])
        except OSError as refusal:
            text = str(refusal.strerror)
            raise requests.exceptions.ConnectionError(text, request=request) from refusal
        return super().send(
            request, stream, timeout, self._ca_pem or verify, cert or self._client_cert
        )
