"""How a connection begins under TLS.

asyncio shakes hands. What it leaves out is added from outside, through the context that it is
given: a server's alert reaches the client (asyncio drops it, python/cpython#98078), and the reason
of every failure is recorded.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from ..tls import Tls, TlsKit
from ..tls.names import choose_names
from .attempt import Attempt, WatchedContext
from .played import is_played, play, wait_for_hello

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from .connection import HttpServer
    from .listener import Listener

__all__ = ["Handshake", "Security"]

Security: TypeAlias = ssl.SSLContext | Tls
"""What secures a listener: a context of the user's own, or a `Tls`."""

_VERIFY = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}


class Handshake:
    """Shakes hands with the clients of one listener.

    Args:
        security: a context of the user's own, or a `Tls`.

    Attributes:
        kit: what the test holds of it; None where the context is the user's own.

    Raises:
        ImportError: a `Tls` needs the extra `tls`.
    """

    def __init__(self, security: Security) -> None:
        self.kit: TlsKit | None = None
        if isinstance(security, Tls):
            self.kit = TlsKit(security)
            security = self._make_context(security)
        self._context = WatchedContext(ssl.PROTOCOL_TLS_SERVER, security)

    async def shake(self, listener: Listener, server: HttpServer, raw: socket.socket) -> None:
        """Shake hands over an accepted socket, which a connection takes over, or which is closed.

        Cancelled, it resets the connection.
        """
        try:
            host = listener.locate().host or ""
            attempt = Attempt(raw, server.log.open, host, ours=self.kit is not None)
        except OSError:  # no descriptor is left
            raw.close()
            return
        connect = partial(server.connect, listener, attempt.record)
        try:
            await self._try(attempt, connect)
        except asyncio.CancelledError:
            attempt.cut()
            raise
        except OSError as error:
            await attempt.fail(error)
        finally:
            attempt.end()

    async def _try(self, attempt: Attempt, connect: Callable[[], asyncio.Protocol]) -> None:
        kit, record = self.kit, attempt.record
        if kit is not None and kit.has_faults and await wait_for_hello(attempt.raw):
            record.tls_fault = kit.take_fault()
        if record.tls_fault is not None and is_played(record.tls_fault):
            await play(record.tls_fault, attempt.twin, record)
            return
        attempt.make_current()
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(connect, attempt.raw, ssl=self._context)

    def _make_context(self, spec: Tls) -> ssl.SSLContext:
        """Return what begins each handshake; the certificate is given when its name is known."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if spec.min_version is not None:
            context.minimum_version = spec.min_version
        if spec.max_version is not None:
            context.maximum_version = spec.max_version
        context.verify_mode = _VERIFY[spec.client_cert]
        context.sni_callback = self._choose
        return context

    def _choose(self, shaking: Any, name: str | None, context: ssl.SSLContext) -> int | None:
        """Give a handshake the certificate that its client asks for (RFC 6066 §3)."""
        assert self.kit is not None  # noqa: S101 - for the type checker
        attempt: Attempt = shaking.attempt
        fault = attempt.record.tls_fault
        try:
            names = choose_names(self.kit.spec.hostnames, name, attempt.reached)
            flaw = None if fault is None else fault.word
            shaking.context = self.kit.authority.server_context(*names, flaw=flaw)
        except Exception as error:  # what is raised here is only printed
            attempt.own_error = error
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        return None
