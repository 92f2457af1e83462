"""Why a handshake failed, in words."""

from __future__ import annotations

import re
import ssl
from typing import Literal, NamedTuple

from ..report import count
from ..text import shorten
from ..tls.alerts import ALERTS, alert_name, alert_record
from ..tls.hello import asked_name

__all__ = ["CUT", "Failure", "check_name", "explain"]

CUT = "the service stopped, or went down, within the handshake"

_RECORDS = range(0x14, 0x18)
_SSL_2 = (b"\x01\x00\x02", b"\x01\x03\x00", b"\x01\x03\x01", b"\x01\x03\x02", b"\x01\x03\x03")
"""A hello in the form of SSL 2.0 and the newest version that it offers (RFC 5246 §E.2)."""
_ALERT = re.compile(r"(?:SSLV3|TLSV1|TLSV13)_(?:ALERT_)?(\w+)")
_ABOUT_THE_CERTIFICATE = frozenset(range(42, 47)) | {48}
_TRUST_US = (
    "let the client trust the authority: service.tls.client_context(), service.tls.ca_pem, "
    "or service.tls.env() in a subprocess"
)
_TRUST_YOURS = "let the client trust the authority of your ssl_context"
_SHOW_OURS = "service.tls.client_context() shows a certificate, service.tls.client_cert_pem is one"


class Failure(NamedTuple):
    """Why it failed, what can be done about that, and who ended it."""

    reason: str
    hint: str = ""
    by: Literal["client", "server"] = "server"
    was_reset: bool = False


class _NameError(ssl.SSLError):
    """A client asks for a name that is none; the text is that name."""


def check_name(began: bytes, outgoing: ssl.MemoryBIO) -> None:
    """Refuse a client that asks for a name that is not ASCII, as RFC 6066 §3 wants it.

    Args:
        began: what it has sent.
        outgoing: takes the alert.

    Raises:
        ssl.SSLError: it does.
    """
    name = asked_name(began)
    if not name.isascii():
        outgoing.write(alert_record(ALERTS["illegal_parameter"]))
        raise _NameError(ssl.SSLErrorNumber.SSL_ERROR_SSL, shorten(name))


def explain(error: OSError, began: bytes, *, ours: bool, is_answered: bool) -> Failure:
    """Return why a handshake failed.

    Args:
        error: what it raised.
        began: what the client began with.
        ours: whether the certificate is of our authority.
        is_answered: whether the client was sent anything but an alert.
    """
    is_late = isinstance(error, ConnectionAbortedError) and error.errno is None  # the loop's own
    if not is_answered and not _is_tls(began):
        failure = _explain_no_tls(began)
    elif isinstance(error, _NameError):
        failure = Failure(
            f"the client asked for a name that is not ASCII: {error.strerror}",
            "let the client encode the name (IDNA)",
        )
    elif isinstance(error, ssl.SSLError):
        return _explain_tls(error, ours=ours)
    elif is_late:
        failure = Failure("the client did not finish the handshake in time")
    else:
        failure = _explain_leaving(began, ours=ours, is_answered=is_answered)
    if is_late or isinstance(error, ssl.SSLError):
        return failure
    return failure._replace(by="client", was_reset=error.errno is not None)


def _is_tls(began: bytes) -> bool:
    """Tell whether it may be a record of TLS (RFC 8446 §5.1): its type, then major version 3."""
    return not began or (began[0] in _RECORDS and began[1:2] in (b"", b"\x03"))


def _explain_no_tls(began: bytes) -> Failure:
    if began[0] & 0x80 and began[2:5] in _SSL_2:
        return Failure(
            "no TLS: it began with a hello of SSL 2.0", "let the client speak TLS 1.2 or newer"
        )
    line = began.partition(b"\n")[0].rstrip(b"\r").decode("latin-1")
    return Failure(f"no TLS: it began with {shorten(line)}", "the URL begins with https://")


def _explain_leaving(began: bytes, *, ours: bool, is_answered: bool) -> Failure:
    if not began:
        return Failure("the client left before it began")
    if not is_answered:
        return Failure(f"the client left after {count(len(began), 'byte')} of its first message")
    # Those of asyncio refuse a certificate so: it drops their alerts too.
    hint = _TRUST_US if ours else _TRUST_YOURS
    return Failure("the client left when it had the certificate", hint)


def _explain_tls(error: ssl.SSLError, *, ours: bool) -> Failure:
    reason = error.reason or str(error)
    said = _ALERT.fullmatch(reason)
    number = None if said is None else ALERTS.get(said[1].lower())
    if number is not None:
        what = " the certificate" if number in _ABOUT_THE_CERTIFICATE else ""
        hint = (_TRUST_US if ours else _TRUST_YOURS) if what else ""
        return Failure(
            f"the client refused{what}: {alert_name(number)} (TLS alert {number})", hint, "client"
        )
    if reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return Failure("the client showed no certificate", _SHOW_OURS if ours else "")
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message
        return Failure(f"the client's certificate is refused: {why}", _SHOW_OURS if ours else "")
    if reason in ("UNSUPPORTED_PROTOCOL", "NO_SHARED_CIPHER"):
        what = "version" if reason == "UNSUPPORTED_PROTOCOL" else "cipher"
        return Failure(f"client and server share no {what} of TLS")
    return Failure(f"the handshake failed: {reason.lower().replace('_', ' ')}")
