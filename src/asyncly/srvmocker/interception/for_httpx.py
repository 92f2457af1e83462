"""httpx: transports that go to the doors of the listed hosts, and nowhere else.

The URL is rewritten on its way down, below everything of the client's: redirects, cookies,
`response.url` and `response.request` see the one that was asked for.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import httpx

if TYPE_CHECKING:
    import ssl

    from .network import Locate

__all__ = ["make_async_transport", "make_transport"]

_PORTS = {"http": 80, "https": 443}
_Inner = TypeVar("_Inner", httpx.HTTPTransport, httpx.AsyncHTTPTransport)


def make_transport(
    locate: Locate, context: ssl.SSLContext | None, options: dict[str, Any]
) -> httpx.BaseTransport:
    """Return a transport for `httpx.Client`.

    Args:
        locate: finds a door, or refuses.
        context: whom it trusts.
        options: of `httpx.HTTPTransport`.

    Raises:
        TypeError: one of the options is none.
    """
    return _Transport(locate, httpx.HTTPTransport, _options(context, options))


def make_async_transport(
    locate: Locate, context: ssl.SSLContext | None, options: dict[str, Any]
) -> httpx.AsyncBaseTransport:
    """Return a transport for `httpx.AsyncClient`; the arguments are those of `make_transport`."""
    return _AsyncTransport(locate, httpx.AsyncHTTPTransport, _options(context, options))


def _options(context: ssl.SSLContext | None, options: dict[str, Any]) -> dict[str, Any]:
    inspect.signature(httpx.HTTPTransport).bind(**options)  # now, not at the first request
    for name in ("proxy", "uds"):
        if options.get(name) is not None:
            raise TypeError(
                f"{name}={options[name]!r} leads past the listed hosts; what net gives goes to "
                "them alone. Make a transport of httpx for it"
            )
    return options if context is None else {"verify": context, **options}


class _Redirected(Generic[_Inner]):
    """One transport of httpx for each host.

    httpx pools connections by the address that they go to. Two hosts of one pattern have one
    door, and the certificate that was checked for one of them says nothing of the other.
    """

    def __init__(self, locate: Locate, kind: type[_Inner], options: dict[str, Any]) -> None:
        self._locate = locate
        self._kind: type[_Inner] = kind
        self._options = options
        self._inner: dict[str, _Inner] = {}

    def _redirect(self, request: httpx.Request) -> tuple[_Inner, httpx.Request]:
        """Return what sends a request, and the request as it is sent.

        Raises:
            httpx.ConnectError: its host is not listed.
        """
        url = request.url
        host = url.raw_host.decode("ascii")
        try:
            door = self._locate(host, url.port or _PORTS[url.scheme])
        except OSError as refusal:
            raise httpx.ConnectError(str(refusal.strerror), request=request) from refusal
        inner = self._inner.get(host)
        if inner is None:
            inner = self._inner.setdefault(host, self._kind(**self._options))
        return inner, httpx.Request(
            request.method,
            url.copy_with(host=door[0], port=door[1]),
            headers=request.headers,
            stream=request.stream,
            extensions={"sni_hostname": host, **request.extensions},
        )


class _Transport(_Redirected[httpx.HTTPTransport], httpx.BaseTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        inner, sent = self._redirect(request)
        return inner.handle_request(sent)

    def close(self) -> None:
        while self._inner:
            self._inner.popitem()[1].close()


class _AsyncTransport(_Redirected[httpx.AsyncHTTPTransport], httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        inner, sent = self._redirect(request)
        return await inner.handle_async_request(sent)

    async def aclose(self) -> None:
        while self._inner:
            await self._inner.popitem()[1].aclose()
