"""How a connection begins under TLS.

asyncio shakes hands. What it leaves out is added from outside, through the context that it is
given: a server's alert reaches the client (asyncio drops it, python/cpython#98078), and the reason
of every failure is recorded.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeAlias

from ..tls import Tls, TlsKit
from ..tls.authority import VERIFY_MODES
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

    @cached_property
    def _faulty_context(self) -> ssl.SSLContext:
        """What begins a handshake whose certificate is wrong: no session is resumed in it.

        A client that resumes one (RFC 8446 §2.2) would not look at the certificate.
        """
        assert self.kit is not None  # noqa: S101 - for the type checker
        context = self._make_context(self.kit.spec)
        context.num_tickets = 0
        context.options |= ssl.OP_NO_TICKET
        return WatchedContext(ssl.PROTOCOL_TLS_SERVER, context)

    async def shake(self, listener: Listener, server: HttpServer, raw: socket.socket) -> None:
        """Shake hands over an accepted socket, which a connection takes over, or which is closed.

        Cancelled, it resets the connection.
        """
        try:
            host = listener.locate().host or ""
            attempt = Attempt(raw, server.log.open, host, ours=self.kit is not None)
        except OSError as error:  # no descriptor is left
            with raw:
                record = server.log.open(raw)
                record.handshake_error = f"no handshake was begun: {error}"
                record.fail("server")
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
            await play(record.tls_fault, attempt.twin, record, attempt.began)
            return
        attempt.make_current()
        context = self._context if record.tls_fault is None else self._faulty_context
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(connect, attempt.raw, ssl=context)

    def _make_context(self, spec: Tls) -> ssl.SSLContext:
        """Return what begins each handshake; the certificate is given when its name is known."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if spec.min_version is not None:
            context.minimum_version = spec.min_version
        if spec.max_version is not None:
            context.maximum_version = spec.max_version
        context.verify_mode = VERIFY_MODES[spec.client_cert]
        context.sni_callback = self._choose
        return context

    def _choose(self, shaking: Any, name: str | None, context: ssl.SSLContext) -> int | None:
        """Give a handshake the certificate that its client asks for (RFC 6066 §3)."""
        assert self.kit is not None  # noqa: S101 - for the type checker
        spec, attempt = self.kit.spec, shaking.attempt
        fault = attempt.record.tls_fault
        try:
            names, fits = choose_names(spec.hostnames, name, attempt.reached)
            if not fits:
                attempt.mismatch = f"it wants {name or attempt.reached[0]!r}, got {names[0]!r}"
            # Some of what is verified is taken from this context, some from the first one.
            shaking.context = self.kit.authority.server_context(
                *names, flaw=fault and fault.word, client_cert=spec.client_cert
            )
        except Exception as error:  # what is raised here is only printed
            attempt.own_error = error
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        return None
