"""urllib's own way: the opener that `urlopen` makes at its first call and keeps."""

from __future__ import annotations

import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["urllib_trusts"]


@contextmanager
def urllib_trusts() -> Iterator[None]:
    """Let `urllib.request.urlopen` make a new opener, which trusts what the environment names.

    From Python 3.12 on an opener reads the certificates when it is made. Afterwards the former
    one is there again. One that somebody has installed, with handlers of his own, stays.
    """
    # urllib keeps it in one place, which can be written in public, but not be read.
    # tests/wire/test_patching.py fails if it moves.
    former: Any = urllib.request._opener  # type: ignore[attr-defined] # noqa: SLF001
    if _is_special(former):
        yield
        return
    install: Any = urllib.request.install_opener
    install(None)
    try:
        yield
    finally:
        if not _is_special(urllib.request._opener):  # type: ignore[attr-defined] # noqa: SLF001
            install(former)


def _is_special(opener: Any) -> bool:
    """Tell whether an opener has other handlers than those that it gets by default."""
    return opener is not None and _kinds(opener) != _kinds(urllib.request.build_opener())


def _kinds(opener: Any) -> set[type]:
    """Return the kinds of its handlers but for that of proxies.

    The environment decides whether there is one, and it is another within the block.
    """
    return {type(handler) for handler in opener.handlers} - {urllib.request.ProxyHandler}
