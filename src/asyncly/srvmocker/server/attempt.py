"""One handshake under way, and the context through which it is watched."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ..responses.steps import NO_LINGER
from .failures import CUT, Failure, check_name, explain
from .played import drain

if TYPE_CHECKING:
    from collections.abc import Callable

    from .evidence import ConnectionRecord

__all__ = ["Attempt", "WatchedContext"]

_current: ContextVar[Attempt] = ContextVar("asyncly handshake")


class Attempt:
    """One handshake under way.

    Args:
        raw: the accepted socket. Who shakes hands closes it.
        open_record: makes the record of the connection.
        reached: the host under which the listener is known.
        ours: whether the certificate is of our authority.

    Attributes:
        twin: the same connection once more: an alert goes out over it, and the client's end is
            waited for, when the other one is closed already.
        record: what is known of the connection.
        began: what the client has sent until it was answered.
        own_error: what went wrong here, in place of what the client did.
        mismatch: which names do not fit, in words; empty if they do.
    """

    def __init__(
        self,
        raw: socket.socket,
        open_record: Callable[[socket.socket], ConnectionRecord],
        reached: str,
        *,
        ours: bool,
    ) -> None:
        self.raw = raw
        self.twin = raw.dup()
        self.record = open_record(self.twin)
        self.began = bytearray()
        self.own_error: Exception | None = None
        self.mismatch = ""
        self._reached = reached
        self._ours = ours
        self._shaking: Any = None
        self._failure: Failure | None = None
        self._is_answered = False
        self._has_spoken = False

    @property
    def reached(self) -> tuple[str, str]:
        """Under which host and which address the client came."""
        return self._reached, self.raw.getsockname()[0]

    def make_current(self) -> None:
        """Let the context that this task gives to the loop find it."""
        _current.set(self)

    def watch(
        self,
        shaking: ssl.SSLObject,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        *,
        asks_for_name: bool,
    ) -> None:
        """See what comes first, how it ends, and send the alert that ends it.

        Args:
            shaking: the handshake.
            incoming: what the client sends.
            outgoing: what it is sent.
            asks_for_name: whether the name that it asks for is handed to a function. Python
                prints an error where that is not ASCII, before the function is asked.
        """
        shake = shaking.do_handshake

        def do_handshake() -> None:
            if not self._is_answered:  # until then OpenSSL leaves nothing in there
                came = incoming.read()
                incoming.write(came)
                self.began += came
            try:
                if asks_for_name and not self._is_answered:
                    check_name(bytes(self.began), outgoing)
                shake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                self._is_answered = self._is_answered or outgoing.pending > 0
                raise
            except ssl.SSLError as error:
                self._note(error)  # before the client can know
                self._send(outgoing.read())
                raise

        self._shaking = shaking
        vars(shaking).update(do_handshake=do_handshake, attempt=self)

    def _send(self, alert: bytes) -> None:
        if alert:
            self._has_spoken = True
            with suppress(OSError):
                self.twin.send(alert)

    def _note(self, error: OSError) -> Failure:
        if self._failure is None:
            failure = explain(
                error, bytes(self.began), ours=self._ours, is_answered=self._is_answered
            )
            if self.mismatch and failure.hint:
                failure = failure._replace(hint=f"{self.mismatch}: see Tls(hostnames=...)")
            if self.own_error is not None:
                failure = Failure(f"no certificate could be made: {self.own_error!r}")
            fault = self.record.tls_fault
            if fault is not None:
                failure = failure._replace(reason=f"{failure.reason}; fault: {fault}", hint="")
            self._failure = failure
            self.record.handshake_error, self.record.handshake_hint = failure[:2]
        return self._failure

    async def fail(self, error: OSError) -> None:
        """Take note that it has failed; a client that was told so has time to read that."""
        failure = self._note(error)
        self.raw.close()
        try:
            if self._has_spoken:
                await drain(self.twin)
        finally:
            self.record.fail(failure.by, was_reset=failure.was_reset)

    def cut(self) -> None:
        """Reset the connection, unless it has begun: then others do that, and tell its end."""
        if self.record.has_begun or not self.record.is_open:
            return
        if self.record.handshake_error is None:
            self.record.handshake_error = CUT
        with suppress(OSError):
            self.twin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.record.fail("server", was_reset=True)

    def end(self) -> None:
        """Close what is ours."""
        if self._shaking is not None:  # it leads back to itself
            for name in ("do_handshake", "attempt"):
                vars(self._shaking).pop(name, None)
            self._shaking = None
        self.twin.close()
        if not self.record.has_begun:
            self.raw.close()


class WatchedContext(ssl.SSLContext):
    """Stands for another context where a loop takes one: its handshakes are watched.

    A loop asks it for nothing but `wrap_bio`, which is public and the same in every loop.

    Args:
        protocol: `ssl.PROTOCOL_TLS_SERVER`.
        real: makes the handshakes.
    """

    def __init__(self, protocol: int, real: ssl.SSLContext) -> None:
        self._real = real

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begin a handshake of the other context, and watch it."""
        shaking = self._real.wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        asks = self._real.sni_callback is not None
        _current.get().watch(shaking, incoming, outgoing, asks_for_name=asks)
        return shaking
