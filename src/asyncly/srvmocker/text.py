"""How values are shown in messages: short, in one piece, and without secrets."""

from __future__ import annotations

import re
import reprlib
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from multidict import MultiMapping

__all__ = [
    "ABSENT",
    "ERROR_LIMIT",
    "VALUE_LIMIT",
    "Absent",
    "clip",
    "describe",
    "describe_error",
    "difference",
    "hide_password",
    "is_secret",
    "local_name",
    "mask",
    "name_function",
    "quote_error",
    "redact",
    "shorten",
    "show_target",
]

VALUE_LIMIT = 120
"""Characters that one value may take in a message."""

ERROR_LIMIT = 1000
"""Characters that the text of an exception may take in the body of an answer."""

_SHORTEST_SECRET = 4
"""Characters; to hide what is shorter would only spoil the text around it."""

_CONTEXT = 28
"""Characters shown before and after the first difference of two long values."""

_BLOCK = 64 * 1024
"""Characters that are compared at once, at the speed of C, to find where texts part."""

_PASSWORD = re.compile(r"(^|//|[\s'\"])([^\s/?#:@'\"]*):[^\s/?#]*@")
"""The credentials of a URL, or of an authority (RFC 3986 §3.2.1)."""

_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})


class Absent(Enum):
    """The type of `ABSENT`: there is no value at this place, which is not the same as None."""

    ABSENT = "ABSENT"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent.ABSENT
"""Stands for "nothing here" in a mismatch: a missing header, an unexpected JSON key."""


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 5
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = 12
        self.maxstring = self.maxlong = self.maxother = VALUE_LIMIT
        self.fillvalue = "…"

    def repr_bytes(self, x: bytes, level: int) -> str:
        return self._cut(x[: self.maxstring], len(x) > self.maxstring)

    def repr_str(self, x: str, level: int) -> str:
        return self._cut(x[: self.maxstring], len(x) > self.maxstring)

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        """Keep the order of the keys, which reprlib would sort."""
        if level <= 0:
            return "{…}"
        shown = [
            f"{self.repr1(key, level - 1)}: {self.repr1(item, level - 1)}"
            for key, item in list(x.items())[: self.maxdict]
        ]
        return "{" + ", ".join(shown + ["…"] * (len(x) > self.maxdict)) + "}"

    def _cut(self, value: str | bytes, cut: bool) -> str:
        return repr(value) + ("…" if cut else "")


_short = _Short()


def shorten(value: object, limit: int = VALUE_LIMIT) -> str:
    """Return a repr of `value` of about `limit` characters at the most, on one line."""
    text = describe(value) or _short.repr(value)
    return clip(text.replace("\n", "\\n"), limit)


def clip(text: str, limit: int = VALUE_LIMIT) -> str:
    """Return `text`, cut at `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def hide_password(text: str) -> str:
    """Return `text` without the passwords of the URLs in it."""
    return _PASSWORD.sub(r"\1\2:***@", text) if "@" in text else text


def show_target(target: str, limit: int = VALUE_LIMIT) -> str:
    """Return the target of a request as texts show it: short, and without a password."""
    return clip(hide_password(target), limit)


def describe(value: object) -> str | None:
    """Return words for values whose repr says little: patterns, functions and types."""
    if isinstance(value, re.Pattern):
        return f"a match of {value.pattern!r}"
    if isinstance(value, type):
        return value.__name__
    if callable(value) and hasattr(value, "__qualname__"):
        name: str = value.__qualname__
        return "a value that the lambda accepts" if "<lambda>" in name else f"{name}(value)"
    return None


def local_name(value: object) -> str | None:
    """Return the name of a function or a class without the function that it stands in."""
    name: str | None = getattr(value, "__qualname__", None)
    return None if name is None else name.rpartition("<locals>.")[2]


def name_function(value: object) -> str:
    """Return "the function fetch" or "the lambda"; anything else as `shorten` shows it."""
    name = local_name(value) if callable(value) else None
    if name is None or isinstance(value, type):
        return shorten(value)
    return "the lambda" if name == "<lambda>" else f"the function {name}"


def difference(expected: str | bytes, got: str | bytes) -> tuple[int, str, str]:
    """Return where two texts first differ, and both around that place, aligned."""
    end = min(len(expected), len(got))
    block = next(
        (i for i in range(0, end, _BLOCK) if expected[i : i + _BLOCK] != got[i : i + _BLOCK]), end
    )
    at = next((i for i in range(block, end) if expected[i] != got[i]), end)
    start = max(0, at - _CONTEXT)

    def window(value: str | bytes) -> str:
        cut = value[start : at + _CONTEXT]
        return ("…" * (start > 0)) + repr(cut) + ("…" * (at + _CONTEXT < len(value)))

    return at, window(expected), window(got)


def is_secret(where: str) -> bool:
    """Tell whether the value at this place must not be printed.

    Masked are the headers Authorization, Cookie and Proxy-Authorization, and every cookie.
    """
    part, _, name = where.partition(".")
    return part == "cookies" or (part == "headers" and name.lower() in _SECRET_HEADERS)


def redact(text: str, headers: MultiMapping[str]) -> str:
    """Return `text`, which somebody else wrote, without the secrets of a request's headers.

    What is shorter than four characters stays: it hides nothing, and stands everywhere.
    """
    for name in _SECRET_HEADERS & {name.lower() for name in headers}:
        for value in headers.getall(name):
            parts = value.split(";") if name == "cookie" else [value]
            between = "=" if name == "cookie" else " "  # a name or a scheme is no secret
            secrets = [part.partition(between)[2].strip() or part.strip() for part in parts]
            secrets = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]
            for secret in sorted(secrets, key=len, reverse=True):
                text = text.replace(secret, "***")
    return text


def describe_error(error: BaseException, limit: int = ERROR_LIMIT) -> str:
    """Return the type and the text of an exception, the text cut at `limit` characters."""
    try:
        text = str(error)
    except Exception as failure:  # what a user's class does must not hide its name
        text = f"(its __str__ raised {type(failure).__name__})"
    return f"{type(error).__name__}: {clip(text, limit)}" if text else type(error).__name__


def quote_error(error: BaseException) -> str:
    """Return the repr of an exception, short, with its type: what pytest raises hides its own."""
    shown, name = shorten(error), type(error).__name__
    return shown if shown.startswith(name) else f"{name}({shown!r})"


def mask(value: object) -> str:
    """Return `value` with everything secret hidden but its scheme and its length."""
    if isinstance(value, re.Pattern):
        return "a match of *** (a pattern, masked)"
    if not isinstance(value, str):
        return shorten(value) if describe(value) else f"*** ({type(value).__name__})"
    scheme, space, rest = value.partition(" ")
    shown = f"{scheme} ***" if space and rest and "=" not in scheme else "***"
    unit = "character" if len(value) == 1 else "characters"
    return f"'{shown}' ({len(value)} {unit}, masked)"
