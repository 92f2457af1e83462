"""Replacing an attribute of something that is not ours, and putting it back."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["replaced"]


@contextmanager
def replaced(owner: Any, name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    """Let an attribute be what `make(original)` returns while the block runs.

    If somebody else has replaced it meanwhile it stays as it is: what is theirs may lead to
    ours, and ours leads to the original one.

    Args:
        owner: a module or a class.
        name: of its attribute, which may be inherited.
        make: makes what stands in for the original one.
    """
    inherited = name not in vars(owner)
    original = getattr(owner, name)
    ours = make(original)
    setattr(owner, name, ours)
    try:
        yield
    finally:
        if getattr(owner, name) is ours:
            if inherited:
                delattr(owner, name)
            else:
                setattr(owner, name, original)
