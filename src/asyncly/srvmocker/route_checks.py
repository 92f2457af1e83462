"""What cannot be a route is refused where it is written, with the way out."""

from __future__ import annotations

import re
from typing import Final

from .text import shorten

__all__ = ["check_name", "check_path", "check_words"]

_METHOD: Final = re.compile(r"[0-9A-Za-z!#$%&'*+\-.^_`|~]+")
_IF_EMPTY: Final = {
    "method": "write one, or '*' for every method",
    "path": "the root is '/'",
    "handler_name": "register() needs a name",
}


def check_words(method: object, path: object, handler_name: object) -> None:
    """Refuse what is no text, and what is no method.

    Raises:
        TypeError: one of the three is no text.
        ValueError: one is empty, or the method is none.
    """
    for name, value in (("method", method), ("path", path), ("handler_name", handler_name)):
        if not isinstance(value, str):
            raise TypeError(f"MockRoute: {name} takes a text, got {_show(name, value)}")
        if not value:
            raise ValueError(f"MockRoute: {name} is empty; {_IF_EMPTY[name]}")
    assert isinstance(method, str)  # noqa: S101 - for the type checker
    if not _METHOD.fullmatch(method):
        swapped = method.startswith("/") and isinstance(path, str) and _METHOD.fullmatch(path)
        hint = f"; it comes first: MockRoute({path!r}, {method!r}, ...)" if swapped else ""
        raise ValueError(f"MockRoute: {method!r} is no HTTP method (RFC 9110 §9.1){hint}")


def _show(name: str, value: object) -> str:
    if name == "path" and isinstance(value, re.Pattern):
        return "a pattern; write it behind a name: '/users/{id:[0-9]+}'"
    if name == "method" and isinstance(value, list | tuple | set | frozenset):
        return f"{shorten(value)}; declare a route for each method, or '*' for every one"
    return shorten(value)


def check_path(path: str, literal: str) -> None:
    """Refuse what is more, or less, than a path.

    Args:
        path: as the user wrote it.
        literal: the same without its names: in an expression a `?` means something else.

    Raises:
        ValueError: it does not start with a slash, or has a host, a query or a fragment.
    """
    start = f"MockRoute: the path {path!r}"
    if not path.startswith("/"):
        if "://" in literal:
            rest = path.partition("://")[2].partition("/")[2]
            raise ValueError(
                f"{start} holds a host; write the path alone, "
                f"the server has a host of its own: {'/' + rest!r}"
            )
        every = path == "*"
        way_out = "; every path is '/{path:.*}'" if every else f": {'/' + path!r}"
        raise ValueError(f"{start} must start with a slash{way_out}")
    if "?" in literal:
        raise ValueError(f"{start} holds a query; match it with match=Match(query={{...}}) instead")
    if "#" in literal:
        raise ValueError(f"{start} holds a fragment, which no client sends: leave it out")


def check_name(name: object) -> None:
    """Refuse what is no handler name, where a test asks for one.

    Raises:
        TypeError: it is no text.
    """
    if isinstance(name, str):
        return
    own = getattr(name, "handler_name", None)  # that of a route, or of a record
    if isinstance(own, str):
        raise TypeError(f"a handler name is a text, got {shorten(name)}: pass {own!r}")
    if isinstance(name, list | tuple | set | frozenset):
        raise TypeError(
            f"a handler name is a text, got {shorten(name)}: pass one name after the other"
        )
    raise TypeError(f"a handler name is a text, the one of its MockRoute, got {shorten(name)}")
