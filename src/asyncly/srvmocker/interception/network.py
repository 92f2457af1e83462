"""`intercept` and the network that it gives: from a real name to the door of a mock service."""

from __future__ import annotations

import errno
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

from ..doors import Doors
from ..tls import authority
from ..waiting import refuse_in_loop
from .for_aiohttp import make_connector

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from types import TracebackType

    import aiohttp
    import httpx
    import requests
    import requests.adapters
    import urllib3

    from ..server.host import Host

__all__ = ["Locate", "MockNetwork", "intercept"]

Locate: TypeAlias = Callable[[str, int], "tuple[str, int]"]
"""Returns the address and port of the door for a host and port; raises OSError if it has none."""

_WHERE = "intercept()"
_Session = TypeVar("_Session", bound="requests.Session")


def intercept(services: Mapping[str, Host], *, patch: bool = False) -> MockNetwork:
    """Answer for hosts whose URL the client has hard-coded, until the block is left.

    Use it as `async with intercept(...) as net:`, or without a loop as `with`. Nothing leaves
    this machine: each host gets a port of its own on 127.0.0.1, where its service answers with
    a certificate for that name. What the network gives goes there and nowhere else.

    Args:
        services: the running services by what they answer for: an origin
            (`"https://api.github.com"`), a host at any port (`"api.github.com"`), or every host
            below a domain (`"https://*.s3.amazonaws.com"`).
        patch: redirect clients that take nothing from `net`, too. While the block runs, this
            process resolves the listed hosts, and only those, to their services, and trusts
            their certificates.

    Raises:
        TypeError: `services` is no mapping of texts to services.
        ValueError: a pattern is none, two of them overlap, or one is an IP address.
        ImportError: the extra `tls` is not installed, and a host is not for plain HTTP alone.
        RuntimeError: when the block is entered: a service does not run.

    Example:
        >>> async def test_whoami():
        ...     async with start_service([MockRoute("GET", "/user", "user")]) as service:
        ...         service.register("user", JsonResponse({"login": "cat"}))
        ...         async with intercept({"https://api.github.com": service}) as net:
        ...             async with httpx.AsyncClient(transport=net.httpx_transport()) as client:
        ...                 answer = await client.get("https://api.github.com/user")
        ...         assert answer.json() == {"login": "cat"}
        >>> asyncio.run(test_whoami())
    """
    return MockNetwork(services, patch=patch)


class MockNetwork:
    """The hosts that mock services answer for, and what leads clients there.

    Made by `intercept` or by the `mock_network` fixture. A client that asks for a host that is
    not listed gets the error that it gets for any host that cannot be reached; its text names
    the host and the listed ones. The Host header, the name that the certificate is checked for,
    redirects and cookies stay those of the URL that the client asks for.
    """

    def __init__(self, services: Mapping[str, Host], *, patch: bool = False) -> None:
        if not isinstance(patch, bool):
            raise TypeError(f"intercept(patch=...) takes True or False, got {patch!r}")
        self._doors = Doors(services, _WHERE)
        for pattern in self._doors.patterns:
            if pattern.is_address:
                raise ValueError(
                    f"{_WHERE} takes names, and {pattern.text!r} is an IP address, which no "
                    "client looks up. Use start_proxy(intercept={...}) for it, and give the "
                    "client that proxy"
                )
        self._patch = patch
        self._is_open = False

    # --- for clients that take something ------------------------------------------------

    def aiohttp_connector(self, **options: Any) -> aiohttp.TCPConnector:
        """Return a connector: `aiohttp.ClientSession(connector=net.aiohttp_connector())`.

        Args:
            options: of `aiohttp.TCPConnector`, but for `resolver` and `socket_factory`.

        Raises:
            RuntimeError: the block is not entered, or no loop runs.
            TypeError: an option is none.
        """
        self._require("aiohttp", "aiohttp_connector")
        return make_connector(self._locate, self._context(), options)

    def httpx_transport(self, **options: Any) -> httpx.AsyncBaseTransport:
        """Return a transport: `httpx.AsyncClient(transport=net.httpx_transport())`.

        Args:
            options: of `httpx.AsyncHTTPTransport`. Limits count for each host.

        Raises:
            RuntimeError: the block is not entered.
            TypeError: an option is none.
            ImportError: httpx is not installed.
        """
        self._require("httpx", "httpx_transport")
        from .for_httpx import make_async_transport

        return make_async_transport(self._locate, self._context(), options)

    def httpx_sync_transport(self, **options: Any) -> httpx.BaseTransport:
        """Return a transport: `httpx.Client(transport=net.httpx_sync_transport())`.

        Args:
            options: of `httpx.HTTPTransport`. Limits count for each host.

        Raises:
            RuntimeError: the block is not entered.
            TypeError: an option is none.
            ImportError: httpx is not installed.
        """
        self._require("httpx", "httpx_sync_transport")
        from .for_httpx import make_transport

        return make_transport(self._locate, self._context(), options)

    def requests_adapter(self, **options: Any) -> requests.adapters.HTTPAdapter:
        """Return an adapter: `session.mount("https://", net.requests_adapter())`.

        It verifies against the authority of the tests, whatever `verify` says, and takes no
        proxy.

        Args:
            options: of `requests.adapters.HTTPAdapter`.

        Raises:
            RuntimeError: the block is not entered.
            TypeError: an option is none.
            ImportError: requests is not installed.
        """
        self._require("requests", "requests_adapter")
        from .for_requests import make_adapter

        return make_adapter(self._locate, self._ca_pem(), self._client_cert(), options)

    def mount(self, session: _Session) -> _Session:
        """Mount such adapters on a session, in the place of all for HTTP, and return it.

        Each tries again as often as the one that it replaces.

        Args:
            session: a `requests.Session`.

        Raises:
            RuntimeError: the block is not entered.
            TypeError: it is no session.
            ImportError: requests is not installed.
        """
        self._require("requests", "mount")
        from .for_requests import mount

        mount(session, self._locate, self._ca_pem(), self._client_cert())
        return session

    def urllib3_pool(self, **options: Any) -> urllib3.PoolManager:
        """Return a pool manager, for code that takes one.

        Args:
            options: of `urllib3.PoolManager`.

        Raises:
            RuntimeError: the block is not entered.
            TypeError: an option is none.
            ImportError: urllib3 is not installed.
        """
        self._require("urllib3", "urllib3_pool")
        from .for_urllib3 import make_pool_manager

        return make_pool_manager(self._locate, self._ca_pem(), self._client_cert(), options)

    # --- for clients that take only certificates ----------------------------------------

    @property
    def ca_pem(self) -> str:
        """The path of the authority's certificate, a PEM file that is removed at exit.

        For a client with certificates of its own that `patch=True` redirects:
        `stripe.ca_bundle_path = net.ca_pem`.
        """
        return authority().ca_pem

    def client_context(self) -> ssl.SSLContext:
        """Return a context for a client that trusts the authority and nobody else.

        It shows a certificate if a service requires one (`Tls(client_cert="required")`).
        """
        return authority().client_context(self._doors.asks_for_client_cert)

    # --- its life -----------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._check_closed()
        try:
            await self._doors.open()
            self._begin()
        except BaseException:
            await self._doors.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
        await self._doors.close()

    def __enter__(self) -> Self:
        refuse_in_loop("intercept(...)")
        self._check_closed()
        try:
            self._doors.open().block()
            self._begin()
        except BaseException:
            self._doors.close().block()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
        self._doors.close().block()

    def _check_closed(self) -> None:
        if self._is_open:
            raise RuntimeError(f"{self!r} is entered already")

    def _begin(self) -> None:
        self._is_open = True
        if self._patch:
            from .patching import REDIRECTION

            try:
                REDIRECTION.add(self._doors, trust=self._doors.speaks_tls)
            except BaseException:
                self._is_open = False
                raise

    def _end(self) -> None:
        self._is_open = False
        if self._patch:
            from .patching import REDIRECTION

            REDIRECTION.remove(self._doors)

    # --- inside -------------------------------------------------------------------------

    def _locate(self, host: str, port: int) -> tuple[str, int]:
        """Return the address and port of the door for a host.

        Raises:
            OSError: it is not listed, or the block is left.
        """
        if not self._is_open:
            text = f"{host}:{port} is not intercepted any more: the block of {_WHERE} is left"
            raise ConnectionRefusedError(errno.ECONNREFUSED, text)
        door = self._doors.find(host, port)
        if door is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, self._doors.refusal(host, port))
        return door

    def _require(self, package: str, method: str) -> None:
        """Refuse to give anything outside of the block, or for a client that is not there.

        Raises:
            RuntimeError: the block is not entered.
            ImportError: the client is not installed; the text names the pip command.
        """
        if not self._is_open:
            raise RuntimeError(
                f"{self!r} is not entered: write `async with intercept(...) as net:` around it, "
                "or `with` where no loop runs"
            )
        try:
            import_module(package)
        except ImportError as error:
            raise ImportError(
                f"net.{method}() needs the package {package!r}: pip install {package}"
            ) from error

    def _context(self) -> ssl.SSLContext | None:
        return self.client_context() if self._doors.speaks_tls else None

    def _client_cert(self) -> str | None:
        return authority().client_cert_pem if self._doors.asks_for_client_cert else None

    def _ca_pem(self) -> str | None:
        return self.ca_pem if self._doors.speaks_tls else None

    def __repr__(self) -> str:
        listed = ", ".join(repr(pattern.text) for pattern in self._doors.patterns)
        state = "open" if self._is_open else "closed"
        return f"<MockNetwork {listed or 'of no hosts'}, {'patch, ' * self._patch}{state}>"
