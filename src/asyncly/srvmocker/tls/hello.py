"""The one thing that is read in a client's first message: the name that it asks for."""

from __future__ import annotations

__all__ = ["asked_name"]

_HANDSHAKE = 0x16
_CLIENT_HELLO = 1
_SERVER_NAME = b"\0\0"
_HOST_NAME = 0


def asked_name(began: bytes) -> bytes:
    """Return the host that a ClientHello asks for (RFC 6066 §3), as it came.

    Args:
        began: what the client has sent.

    Returns:
        Nothing where it asks for none, where the message is not there in full, or is none.
    """
    message = _message(began)
    if message[:1] != bytes([_CLIENT_HELLO]) or len(message) < 4 + int.from_bytes(message[1:4]):
        return b""
    rest = message[4 + 2 + 32 :]  # RFC 8446 §4.1.2: a version and a random number
    for width in (1, 2, 1):  # session, ciphers, compressions
        _, rest = _take(rest, width)
    extensions, _ = _take(rest, 2)
    while extensions:
        kind = extensions[:2]
        content, extensions = _take(extensions[2:], 2)
        if kind == _SERVER_NAME:
            names, _ = _take(content, 2)
            return _take(names[1:], 2)[0] if names[:1] == bytes([_HOST_NAME]) else b""
    return b""


def _message(records: bytes) -> bytes:
    """Return what records of TLS carry (RFC 8446 §5.1)."""
    parts = []
    while records and records[0] == _HANDSHAKE:
        part, records = _take(records[3:], 2)
        parts.append(part)
    return b"".join(parts)


def _take(data: bytes, width: int) -> tuple[bytes, bytes]:
    """Return a field that its length stands before, in `width` bytes, and what follows it."""
    end = width + int.from_bytes(data[:width])
    return data[width:end], data[end:]
