"""A request as a response gets it: aiohttp's own, with its body already received."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn

from aiohttp import HttpVersion11, MultipartReader, StreamReader, web

from ..request import NO_PARAMS, decode_content

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp.http_parser import RawRequestMessage

    from ..journal import Exchange
    from ..responses.base import Registration
    from .connection import Connection

__all__ = ["BodyTooLarge", "MockRequest"]

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class BodyTooLarge(Exception):  # noqa: N818 - it is a state of the request, answered by a 413
    """The body is larger than `max_body_size`."""


class MockRequest(web.Request):
    """The request that a response gets: aiohttp's own, with its body already received.

    `match_info` holds the values of the names in the route's path. There is no application
    behind it, so `app` and `config_dict` say so. An answer under way that can end in words of
    its own protocol sets `break_off`: it is called if the answer raises, once that is noted.
    """

    ATTRS = web.Request.ATTRS | frozenset(
        [
            "body_bytes",
            "break_off",
            "connection",
            "head",
            "exchange",
            "path_params",
            "received_at",
            "recorded",
            "registration",
            "exchange",
            "replay",
            "stream",
        ]
    )

    connection: Connection
    head: RawRequestMessage
    stream: StreamReader
    received_at: float
    body_bytes: bytes = b""
    path_params: Mapping[str, str] = NO_PARAMS
    registration: Registration | None = None
    exchange: Exchange | None = None
    break_off: Callable[[BaseException], Awaitable[None]] | None = None
    recorded: bool = False
    replay: StreamReader | None = None

    @property
    def stopping(self) -> bool:
        """Whether the service cuts its connections now; else it is the client that left."""
        return self.connection.is_cut or self.connection.server.stopping

    async def receive(self, limit: int | None) -> None:
        """Read the whole body into `body_bytes`, which keeps what came if the client leaves.

        Raises:
            BodyTooLarge: more than `limit` bytes came.
        """
        stream = self.stream
        if stream.is_eof():  # it came together with the head: nothing to wait for
            self.body_bytes = stream.read_nowait()
            if limit is not None and len(self.body_bytes) > limit:
                raise BodyTooLarge
            return
        await self.expect_continue()
        parts: list[bytes] = []
        size = 0
        try:
            while not stream.at_eof():
                part = await stream.readany()
                parts.append(part)
                size += len(part)
                if limit is not None and size > limit:
                    raise BodyTooLarge
        finally:
            self.body_bytes = parts[0] if len(parts) == 1 else b"".join(parts)

    @property
    def waits_with_body(self) -> bool:
        """Whether the client waits to be told to send its body (RFC 9110 §10.1.1)."""
        if self.stream.is_eof():
            return False
        expected = self.headers.get("Expect", "").lower()
        return expected == "100-continue" and self.version >= HttpVersion11

    async def expect_continue(self) -> None:
        """Tell a client that waits with its body to send it."""
        if self.waits_with_body:
            await self.writer.write(_CONTINUE)
            self.writer.output_size = 0

    async def read(self) -> bytes:
        """Return the body, its content coding undone where it can be, as aiohttp's server does."""
        try:
            return decode_content(self.body_bytes, self.headers)
        except ValueError:
            return self.body_bytes

    @property
    def content(self) -> StreamReader:  # pyright: ignore[reportIncompatibleVariableOverride]
        """A stream over the received body, the same one at each access."""
        if self.replay is None:
            self.replay = self._replay()
        return self.replay

    def _replay(self) -> StreamReader:
        # The limit is above the size: a full stream would pause the connection's reading.
        size = len(self.body_bytes) + 1
        stream = StreamReader(self.protocol, size, loop=asyncio.get_running_loop())
        stream.feed_data(self.body_bytes)
        stream.feed_eof()
        return stream

    async def multipart(self) -> MultipartReader:
        """Return a reader of the parts of a multipart body, from its beginning."""
        return MultipartReader(self.headers, self._replay())

    @property
    def can_read_body(self) -> bool:
        """Whether there is a body."""
        return bool(self.body_bytes)

    @property
    def match_info(self) -> Mapping[str, str]:  # type: ignore[override] # no route of aiohttp
        """The values of the names in the route's path."""
        return self.path_params

    @property
    def app(self) -> NoReturn:
        """Always an error: the mock server is no application."""
        raise RuntimeError("a mock server has no aiohttp Application: request.app is not there")

    @property
    def config_dict(self) -> NoReturn:
        """Always an error: the mock server is no application."""
        raise RuntimeError("a mock server has no aiohttp Application: no request.config_dict")

    def clone(self, **changes: Any) -> MockRequest:
        """Return a copy with other values, as aiohttp does, with the same received body."""
        twin = super().clone(**changes)
        assert isinstance(twin, MockRequest)  # noqa: S101 - for the type checker
        twin.connection = self.connection
        twin.head = self.head
        twin.stream = self.stream
        twin.received_at = self.received_at
        twin.body_bytes = self.body_bytes
        twin.path_params = self.path_params
        twin.registration = self.registration
        twin.exchange = self.exchange
        return twin
