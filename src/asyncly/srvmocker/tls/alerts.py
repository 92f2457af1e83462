"""The alerts of TLS: their numbers, their names, and what they are on the wire."""

from __future__ import annotations

__all__ = ["ALERTS", "alert_name", "alert_number", "alert_record"]

ALERTS = {
    "close_notify": 0,
    "unexpected_message": 10,
    "bad_record_mac": 20,
    "decryption_failed": 21,
    "record_overflow": 22,
    "decompression_failure": 30,
    "handshake_failure": 40,
    "no_certificate": 41,
    "bad_certificate": 42,
    "unsupported_certificate": 43,
    "certificate_revoked": 44,
    "certificate_expired": 45,
    "certificate_unknown": 46,
    "illegal_parameter": 47,
    "unknown_ca": 48,
    "access_denied": 49,
    "decode_error": 50,
    "decrypt_error": 51,
    "export_restriction": 60,
    "protocol_version": 70,
    "insufficient_security": 71,
    "internal_error": 80,
    "inappropriate_fallback": 86,
    "user_canceled": 90,
    "no_renegotiation": 100,
    "missing_extension": 109,
    "unsupported_extension": 110,
    "certificate_unobtainable": 111,
    "unrecognized_name": 112,
    "bad_certificate_status_response": 113,
    "bad_certificate_hash_value": 114,
    "unknown_psk_identity": 115,
    "certificate_required": 116,
    "no_application_protocol": 120,
}
"""RFC 8446 §6, and what older versions had (RFC 5246 §7.2, RFC 6066 §9)."""

_NAMES = {number: name for name, number in ALERTS.items()}
_WARNINGS = frozenset({ALERTS["close_notify"], ALERTS["user_canceled"]})
"""RFC 8446 §6: all others are fatal."""


def alert_number(alert: object) -> int:
    """Return the number of an alert that is given by its number or its name.

    Raises:
        TypeError: it is neither.
        ValueError: there is no such number or name.
    """
    if isinstance(alert, bool) or not isinstance(alert, int | str):
        raise TypeError(
            f"TlsFault.alert takes a number or a name, such as 'handshake_failure', got {alert!r}"
        )
    if isinstance(alert, str):
        if alert not in ALERTS:
            raise ValueError(
                f"TlsFault.alert: there is no alert {alert!r}; it takes a number from 0 to 255, "
                f"or one of {', '.join(ALERTS)}"
            )
        return ALERTS[alert]
    if not 0 <= alert <= 255:
        raise ValueError(f"TlsFault.alert takes a number from 0 to 255, got {alert}")
    return alert


def alert_name(number: int) -> str:
    """Return the name of an alert in plain words: "unknown CA"."""
    name = _NAMES.get(number, "an alert without a name")
    return name.replace("_", " ").replace("unknown ca", "unknown CA")


def alert_record(number: int) -> bytes:
    """Return an alert as it is sent before anything is encrypted (RFC 8446 §5.1, §6)."""
    level = 1 if number in _WARNINGS else 2
    return bytes([0x15, 0x03, 0x03, 0, 2, level, number])
