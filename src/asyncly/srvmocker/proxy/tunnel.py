"""A tunnel: bytes both ways between a client and its target, as they come, until both ended.

The client's transport is taken from aiohttp by `set_protocol`, and an end of the tunnel is put
on it; what arrives at one end is written to the other. Whatever ends one side ends the other in
the same way: a FIN as a FIN, a reset as a reset. The client's side goes last, unless the client
itself goes first; `Connection.connection_lost` tells aiohttp and the record of it.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, cast

from ..journal import CLIENT_LEFT, STOPPED, WENT_DOWN
from .tunnel_end import TunnelEnd

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.client_proto import ResponseHandler

    from ..journal import Exchange
    from ..server.incoming import MockRequest

__all__ = ["Tunnel"]


class Tunnel:
    """Carries bytes between a client's connection and its target.

    Args:
        request: asks for the tunnel.
        exchange: how it goes is noted there.

    Attributes:
        is_in_time: called when the target is reached; tells whether the tunnel is still wanted.
    """

    def __init__(self, request: MockRequest, exchange: Exchange) -> None:
        self.is_in_time: Callable[[], bool] | None = None
        self._connection = connection = request.connection
        self._stream = request.stream
        self._exchange = exchange
        self._fault: str | None = None
        self._first_fin: Literal["client", "server"] | None = None
        self._half_closes = True
        self._over = asyncio.Event()
        buffer = connection.server.buffer
        self._client = TunnelEnd(buffer, self._end_direction, self._lose)
        self._target = TunnelEnd(buffer, self._end_direction, self._lose)
        self._client.other, self._target.other = self._target, self._client

    def await_target(self, status: int, head: bytes) -> asyncio.BufferedProtocol:
        """Return the protocol of a new connection to the target: once made, it opens the tunnel.

        asyncio reads at once, so any later nothing would hold back what the target sends first.
        """
        self._target.begin = partial(self._open, status, head)
        return self._target

    def take_over(self, status: int, head: bytes, protocol: ResponseHandler) -> None:
        """Open the tunnel over a connection that aiohttp's client has made and used."""
        target, early = protocol.transport, _Tail()
        protocol.read_timeout = None
        protocol.set_parser(early, None)
        if target is None:  # the target has closed it behind its answer
            self._target.is_lost = True
        else:
            self._target.lost = protocol.connection_lost
            target.set_protocol(self._target)
        self._open(status, head + early.data, target)

    def _open(self, status: int, head: bytes, target: asyncio.Transport | None) -> None:
        """Answer the client with `head`, and let pass whatever comes from now on."""
        if target is not None:
            self._target.transport = target
        if self.is_in_time is not None and not self.is_in_time():
            self._client.is_lost = True  # for the tunnel: it gets an answer in place of that
            return
        client = self._connection.transport
        if client is None or client.is_closing():
            self._fault, self._client.is_lost = CLIENT_LEFT, True
            # Not within `connection_made`: uvloop would read from it next.
            asyncio.get_running_loop().call_soon(self._target.abort)
            return
        self._client.transport = client
        self._connection.onward = target
        self._half_closes = client.can_write_eof()  # TLS cannot
        self._exchange.status = status
        early = _Tail()  # what came right behind the request; aiohttp in pure Python streams it
        early.feed_data(self._stream.read_nowait())
        self._connection.set_parser(cast("Any", early))
        client.set_protocol(self._client)
        client.write(head)
        self._client.pass_on(early.data)
        for end in (self._client, self._target):
            end.resume_writing()
        if target is None:
            self._client.close()

    async def carry(self) -> None:
        """Wait for the end of both sides. aiohttp cancels that when it has lost the client."""
        try:
            await self._over.wait()
        except asyncio.CancelledError:
            if self._client.is_lost:  # the last that it sent may still be on its way
                await self._over.wait()
            raise
        finally:
            if not self._over.is_set():
                self._fault = self._fault or STOPPED
                self._client.abort()
                self._target.abort()
            self._exchange.finish(self._exchange.status, self._fault)

    # --- how it ends ----------------------------------------------------------------------

    @property
    def _is_in_order(self) -> bool:
        """Whether both sides have ended their directions."""
        ended = (self._client.at_eof, self._target.at_eof)
        return all(ended) if self._half_closes else any(ended)

    def _end_direction(self, end: TunnelEnd) -> bool:
        """Pass on that nothing more comes from one side. Return whether it still takes bytes."""
        if end.at_eof:
            return self._half_closes
        self._note_eof(end)
        if self._half_closes:
            end.other.end_writing()
            if end.other.at_eof:
                self._target.close()  # the client's side follows when all is sent
        else:
            self._note_in_order()  # later the socket tells nothing
            if end is self._target:
                self._client.close()
        return self._half_closes

    def _note_eof(self, end: TunnelEnd) -> None:
        end.at_eof = True
        if self._first_fin is None:
            self._first_fin = "client" if end is self._client else "server"

    def _note_in_order(self) -> None:
        if self._first_fin is not None:
            self._connection.record.note_end(self._first_fin, was_reset=False)

    def _lose(self, end: TunnelEnd, error: Exception | None) -> None:
        """Note the end of one side, and end the other one in the same way."""
        if isinstance(error, BrokenPipeError):  # Linux: its FIN came before the reset
            self._note_eof(end)
        if end is self._client:
            self._lose_client(error)
        else:
            self._lose_target(error)
        if self._client.is_lost and self._target.is_lost:
            self._over.set()

    def _fault_of_ours(self) -> str | None:
        """Return how we have cut it; None if it goes by itself."""
        if self._connection.is_cut:
            return WENT_DOWN
        return STOPPED if self._connection.server.stopping else None

    def _lose_client(self, error: Exception | None) -> None:
        client, target, connection = self._client, self._target, self._connection
        if connection.is_cut:
            self._fault = WENT_DOWN
        elif error is not None:
            self._fault = self._fault or (None if client.at_eof else CLIENT_LEFT)
        elif not target.is_lost and not self._is_in_order:
            self._fault = STOPPED
        if error is not None or connection.is_cut:
            target.reset()
        elif self._is_in_order:
            target.close()
        else:
            target.abort()
        if (error is not None and client.at_eof) or self._is_in_order:
            self._note_in_order()
        connection.connection_lost(error)

    def _lose_target(self, error: Exception | None) -> None:
        self._connection.onward = None
        if error is not None and not self._target.at_eof:
            self._fault = self._fault or f"the target broke off: {type(error).__name__}"
            self._connection.record.note_end("server", was_reset=True)
        if self._client.is_lost or error is None:
            self._fault = self._fault or self._fault_of_ours()
        if error is None:
            self._client.close()
        else:
            self._client.reset_in_turn()


class _Tail:
    """Takes the place of aiohttp's parser, to be given what waits behind a head.

    Attributes:
        data: that.
    """

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Keep it."""
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """Do nothing: the tunnel knows."""
