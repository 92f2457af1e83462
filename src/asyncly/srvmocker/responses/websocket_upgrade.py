"""The opening handshake of a WebSocket, and what is answered to anything else."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from aiohttp import web

from .canned import Headers, check_headers

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Upgrade", "check_protocols", "refuse"]


class Upgrade(web.WebSocketResponse):
    """aiohttp's side of a WebSocket, of which it frames the messages and no more.

    Pings and close frames are left to whoever listens, so that they are recorded.

    Args:
        protocols: sub-protocols that the server speaks.
        headers: sent with the 101.
        compress: whether permessage-deflate is taken.
        max_message_size: bytes; None is no limit.
    """

    def __init__(
        self,
        protocols: Iterable[str] = (),
        headers: Headers | None = None,
        *,
        compress: bool = True,
        max_message_size: int | None = None,
    ) -> None:
        super().__init__(
            autoclose=False,
            autoping=False,
            protocols=protocols,
            compress=compress,
            max_msg_size=max_message_size or 0,
        )
        self.headers.extend(check_headers(headers))

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: the close frame is sent by whoever listens."""


def check_protocols(protocols: Iterable[str]) -> tuple[str, ...]:
    """Return the names of sub-protocols.

    Raises:
        TypeError: it is one text in place of a list.
    """
    if isinstance(protocols, str):
        raise TypeError(f"protocols takes a list of names; write [{protocols!r}]")
    return tuple(protocols)


def refuse(request: web.Request) -> web.Response | None:
    """Return the answer to a request that is no opening handshake (RFC 6455 §4.2.1), or None."""
    headers = request.headers
    upgrade = headers.get("Upgrade", "").strip().lower()
    tokens = [token.strip().lower() for token in headers.get("Connection", "").split(",")]
    if upgrade != "websocket" or "upgrade" not in tokens:
        text = (
            f"426: {request.path} speaks WebSocket, and this request asks for no upgrade to it: "
            "it needs the headers 'Upgrade: websocket' and 'Connection: Upgrade' (RFC 6455 "
            "§4.1)\nconnect with a WebSocket client: "
            f"{request.url.with_scheme('wss' if request.secure else 'ws')}\n"
        )
        return web.Response(
            status=426, text=text, headers={"Upgrade": "websocket", "Connection": "Upgrade"}
        )
    version = headers.get("Sec-WebSocket-Version")
    if version != "13":
        text = f"426: Sec-WebSocket-Version must be 13 (RFC 6455 §4.2.2), got {version!r}\n"
        more = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        return web.Response(status=426, text=text, headers=more)
    key = headers.get("Sec-WebSocket-Key", "")
    if not _is_key(key):
        text = f"400: Sec-WebSocket-Key must be 16 bytes in base64 (RFC 6455 §4.1), got {key!r}\n"
        return web.Response(status=400, text=text)
    return None


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key)) == 16
    except (binascii.Error, ValueError):
        return False
