"""Messages of a WebSocket: how they are sent, what a close frame takes, and how they compare."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from ..comparing import Mismatch, compare
from ..text import shorten

if TYPE_CHECKING:
    from ..journal import WebSocketMessage

__all__ = ["as_meant", "check_close", "clip_reason", "encode_message", "explain"]

_REASON_LIMIT = 123
"""Bytes of the reason of a close frame (RFC 6455 §5.5: 125 with the code)."""

_RESERVED = (1004, 1005, 1006, 1015)
"""Codes that never stand in a close frame (RFC 6455 §7.4.1)."""


def encode_message(data: object) -> tuple[Literal["text", "binary"], bytes]:
    """Return the kind and the payload of what a script sends.

    Raises:
        TypeError: JSON has no form for it.
        ValueError: it is no Unicode text.
    """
    if isinstance(data, bytes | bytearray | memoryview):
        return "binary", bytes(data)
    if isinstance(data, str):
        return "text", data.encode()
    try:
        return "text", json.dumps(data).encode()
    except TypeError as error:
        raise TypeError(
            "a WebSocket sends text, bytes, or what JSON has a form for: "
            f"{error}; it is {shorten(data)}"
        ) from error


def check_close(code: object, reason: object) -> None:
    """Refuse what a close frame cannot hold.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: the code never stands in a frame, or the reason is too long.
    """
    if isinstance(code, bool) or not isinstance(code, int):
        raise TypeError(f"a close code is a number such as 1000, got {shorten(code)}")
    if not 1000 <= code <= 4999 or code in _RESERVED:
        raise ValueError(
            f"the close code {code} cannot be sent (RFC 6455 §7.4): take one from 1000 to 4999, "
            f"but for {', '.join(map(str, _RESERVED))}"
        )
    if not isinstance(reason, str):
        raise TypeError(f"the reason of a close is text, got {shorten(reason)}")
    if (size := len(reason.encode())) > _REASON_LIMIT:
        raise ValueError(
            f"the reason of a close frame takes {_REASON_LIMIT} bytes (RFC 6455 §5.5), "
            f"this has {size}: {shorten(reason)}"
        )


def clip_reason(reason: str) -> str:
    """Return the first line of a reason, of as many bytes as a close frame takes."""
    line = reason.partition("\n")[0]
    data = line.encode("utf-8", "replace")
    if len(data) <= _REASON_LIMIT:
        return data.decode()
    return data[: _REASON_LIMIT - len("…".encode())].decode("utf-8", "ignore") + "…"


_JSON = (dict, list, tuple, int, float, bool, type(None))


def as_meant(message: WebSocketMessage, expected: object) -> object:
    """Return a message in the form that it is compared in, to be shown."""
    if isinstance(expected, dict | list | tuple):
        with suppress(ValueError):
            return message.json()
    return message.data


def explain(where: str, expected: Any, message: WebSocketMessage) -> list[Mismatch]:
    """Return what differs between a message and what was expected.

    Text, bytes and patterns speak of what was sent, JSON values of what it says. Any other
    matcher may mean either: what was sent is tried first, then the JSON.
    """
    found: list[Mismatch] = []
    if isinstance(expected, str | bytes | re.Pattern):
        compare(where, expected, message.data, found)
        return found
    try:
        parsed = message.json()
    except ValueError as error:
        if isinstance(expected, _JSON):
            return [Mismatch(where, expected, message.data, f"it is no JSON: {error}")]
        compare(where, expected, message.data, found)
        return found
    if not isinstance(expected, _JSON):
        compare(where, expected, message.data, found)
        if not found:
            return found
    in_json: list[Mismatch] = []
    compare(where, expected, parsed, in_json)
    return in_json
