"""How a request goes to its target: as the client wrote it, and once."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from yarl import URL

__all__ = ["BrokeOff", "UnaskedUpgrade", "open_session", "wire_url"]

_SIZE_LIMIT = 2**18
"""Bytes of a line, and the number of headers: what a target may answer is for the test to judge."""


class BrokeOff(aiohttp.ClientError):
    """Stands for its cause, which aiohttp would take as a reason to send the request again."""


class UnaskedUpgrade(aiohttp.ClientError):
    """The target has changed the protocol by itself: no HTTP follows, and no client knows what."""


def open_session(timeout: float) -> aiohttp.ClientSession:
    """Return a session that changes nothing of what passes.

    Args:
        timeout: seconds that a target may take to accept, and then between two pieces.
    """
    limits: dict[str, Any] = {"max_line_size": _SIZE_LIMIT, "max_field_size": _SIZE_LIMIT}
    if "max_headers" in inspect.signature(aiohttp.ClientSession).parameters:  # from 3.14 on
        limits["max_headers"] = _SIZE_LIMIT
    return aiohttp.ClientSession(
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=timeout, sock_read=timeout),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        middlewares=(_send_once,),
        **limits,
    )


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send a request, and never again: aiohttp does where the connection breaks, even a new one."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:  # not sent yet, and not repeated
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise BrokeOff from error


def wire_url(url: URL, target: str) -> URL:
    """Return a URL for which aiohttp sends path and query as they stand in a request's target.

    Args:
        url: names the host and the port. aiohttp would make a header of its credentials.
        target: in absolute-form or origin-form (RFC 9112 §3.2).
    """
    rest = target.partition("#")[0]
    if not rest.startswith("/"):
        rest = rest.partition("://")[2]
        rest = rest[min((rest.find(mark) for mark in "/?" if mark in rest), default=len(rest)) :]
    # The query is left in the path: by itself an empty one would go.
    return url.with_user(None).with_path("/" * (rest[:1] != "/") + rest, encoded=True)
