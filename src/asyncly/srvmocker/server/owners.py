"""Whose a file is: the user's own, Python's, or that of an installed package."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["STDLIB", "is_inner", "is_own"]

STDLIB = os.path.dirname(os.__file__) + os.sep  # noqa: PTH120 - as in the frames
"""Where Python's own files are."""
_PACKAGE = str(Path(__file__).resolve().parents[2]) + os.sep
_INSTALLED = ("site-packages", "dist-packages")


def is_inner(filename: str) -> bool:
    """Tell whether a file belongs to Python or to this package."""
    return filename.startswith((STDLIB, _PACKAGE, "<frozen "))


def is_own(filename: str) -> bool:
    """Tell whether a file belongs neither to Python, nor to an installed package, nor to us."""
    if is_inner(filename):
        return False
    return not any(part in _INSTALLED for part in Path(filename).parts)
