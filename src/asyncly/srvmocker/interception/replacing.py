"""Replacing what is not ours, an attribute or a variable, and putting it back."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["put_back", "replaced"]


def put_back(variables: Mapping[str, str | None]) -> None:
    """Give variables of the environment the values that they had; None is not set."""
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


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
