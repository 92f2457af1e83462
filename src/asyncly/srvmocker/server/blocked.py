"""Where a thread stands still: the user's own line, and the call that it waits in."""

from __future__ import annotations

import linecache
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..text import clip
from .dispatch import Dispatcher
from .owners import STDLIB, is_own

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["Stuck", "observe"]

_DEBUGGERS = ("bdb", "pdb", "debugpy", "pydevd", "pydevd_bundle")


@dataclass(frozen=True)
class Stuck:
    """A line that blocks its thread.

    Attributes:
        filename: the file, as Python knows it.
        lineno: the line, from 1.
        source: what stands there; empty if the file cannot be read.
        call: the call that it waits in, from outside to inside; empty if it is the line itself.
        in_debugger: whether somebody looks at it with a debugger.
        handler_name: that of the response which runs there; None if none does.
    """

    filename: str
    lineno: int
    source: str
    call: str
    in_debugger: bool
    handler_name: str | None = None

    def __str__(self) -> str:
        lines = [f"  {self.filename}:{self.lineno}"]
        if self.source:
            lines[0] += f": {self.source}"
        if self.call:
            lines.append(f"  in {self.call}")
        return "\n".join(lines)


def observe(thread: int | None) -> Stuck | None:
    """Return where a thread is, by the user's own line that is innermost; None if it has ended.

    The user's own is what belongs neither to Python, nor to an installed package, nor to us.
    """
    innermost = sys._current_frames().get(thread or 0)  # noqa: SLF001 - documented
    if innermost is None:
        return None
    frames = [innermost]
    while (outer := frames[-1].f_back) is not None:
        frames.append(outer)
    at = next((index for index, frame in enumerate(frames) if is_own(frame.f_code.co_filename)), 0)
    own, inside = frames[at], frames[:at]
    filename, lineno = own.f_code.co_filename, own.f_lineno or 0
    source = linecache.getline(filename, lineno, own.f_globals).strip()
    call = dict.fromkeys(map(_name, (inside[-1], inside[0]) if inside else ()))
    return Stuck(
        filename,
        lineno,
        clip(source),
        " → ".join(call),
        any(_root(frame) in _DEBUGGERS for frame in frames),
        next((_handler_of(frame) for frame in frames if _is_answering(frame)), None),
    )


def _is_answering(frame: FrameType) -> bool:
    return frame.f_code is Dispatcher._answer.__code__  # noqa: SLF001 - one of us


def _handler_of(frame: FrameType) -> str | None:
    name: str | None = frame.f_locals["exchange"].handler_name
    return name


def _name(frame: FrameType) -> str:
    """Return `requests.get`, `socket.SocketIO.readinto`: as a user would write it."""
    module: str = frame.f_globals.get("__name__", "?")
    if not frame.f_code.co_filename.startswith(STDLIB) or module.startswith("_"):
        module = _root(frame)
    return f"{module}.{frame.f_code.co_qualname}"


def _root(frame: FrameType) -> str:
    name: str = frame.f_globals.get("__name__", "?")
    return name.partition(".")[0].lstrip("_")
