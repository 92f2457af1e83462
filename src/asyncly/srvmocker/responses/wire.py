"""The wire: scripts written straight to the connection. Every fault is one."""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from aiohttp import web

from ..text import shorten
from .base import BaseMockResponse
from .steps import Fin, HalfClose, Send, Stall, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp.abc import AbstractStreamWriter

__all__ = ["Fin", "ScriptedResponse", "Send", "Step", "WireAnswer", "WireResponse"]

_INTERIM = rb"(?:HTTP/1\.\d 1(?!01)\d\d [^\r]*\r\n(?:[^\r]+\r\n)*\r\n)*"
_FINAL_STATUS = re.compile(_INTERIM + rb"HTTP/1\.\d (101|[2-9]\d\d)\s")
"""The status line of an answer, behind any interim ones (RFC 9110 §15.2)."""


class WireAnswer(web.StreamResponse):
    """Runs a script in place of an answer; the connection ends with it.

    Args:
        steps: run in order.
        fault: what this is, in words, for the exchange.
        status: the status that the script sends; 0 if it sends none.
    """

    def __init__(self, steps: Sequence[Step], *, fault: str, status: int = 0) -> None:
        super().__init__(status=status)
        self.fault = fault
        self._steps = steps
        self._done = False

    @property
    def keep_alive(self) -> bool:
        """Always False."""
        return False

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Run the script, once."""
        if not self._done:
            self._done = True
            for step in self._steps:
                await step.run(request)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: the script has said all."""


class ScriptedResponse(BaseMockResponse):
    """The base of every fault that is a script: a dataclass that names its steps."""

    @property
    @abstractmethod
    def script(self) -> WireResponse:
        """What is done on the wire, step by step."""

    @property
    @abstractmethod
    def fault(self) -> str:
        """What this does, in words, as `exchange.fault` shows it."""

    def check_transport(self, *, tls: bool) -> None:
        """Refuse a service on which a step of the script cannot happen.

        Raises:
            ValueError: one cannot; the text says why.
        """
        for step in self.script.steps:
            step.check_transport(tls=tls)

    async def response(self, request: web.Request) -> web.StreamResponse:
        """Run the script on the connection of `request`, and end it."""
        script = self.script
        return WireAnswer(script.steps, fault=self.fault, status=script.status)

    def __repr__(self) -> str:
        given = [
            f"{field.name}={shorten(getattr(self, field.name))}"
            for field in fields(self)  # type: ignore[arg-type] # every subclass is a dataclass
            if field.repr and getattr(self, field.name) != field.default
        ]
        steps = ", ".join(map(repr, self.script.steps))
        return f"{type(self).__name__}({', '.join([*given, f'script=[{steps}]'])})"


@dataclass(frozen=True, init=False, repr=False)
class WireResponse(ScriptedResponse):
    r"""A script of your own: bytes, pauses and ends, in any order, straight to the connection.

    Each step is over before the next begins: what was sent has left for the client. Nothing is
    added to the bytes, so a whole answer needs its status line and its headers. The connection
    ends with the script; a script whose last step does not end it ends with `Fin()` by itself.

    Args:
        steps: `Send`, `Pause`, `HalfClose`, and at the end `Fin`, `Reset` or `Stall`.

    Raises:
        TypeError: one is no step.
        ValueError: a step comes after the end, or a `Send` after a `HalfClose`.

    Example:
        >>> WireResponse(Send(b"HTTP/1.1 200 OK\r\n"), Pause(0.1), Reset())
        WireResponse(Send(b'HTTP/1.1 200 OK\r\n'), Pause(0.1), Reset())
        >>> WireResponse(Send(b"SSH-2.0-OpenSSH_9.6\r\n"))
        WireResponse(Send(b'SSH-2.0-OpenSSH_9.6\r\n'), Fin())
    """

    steps: tuple[Step, ...]

    def __init__(self, *steps: Step) -> None:
        for number, step in enumerate(steps):
            _check_step(step, steps[:number])
        if not steps or not steps[-1].ends:
            steps = (*steps, Fin())
        vars(self).update(steps=steps)

    @property
    def script(self) -> WireResponse:
        """This script."""
        return self

    @property
    def status(self) -> int:
        """The status that the bytes of the script begin with; 0 if they are no HTTP/1."""
        sent = b"".join(step.data for step in self.steps if isinstance(step, Send))
        found = _FINAL_STATUS.match(sent)
        return int(found[1]) if found else 0

    @property
    def fault(self) -> str:
        """The steps, in words."""
        return "on the wire: " + ", ".join(step.words for step in self.steps)

    def __repr__(self) -> str:
        return f"WireResponse({', '.join(map(repr, self.steps))})"


def _check_step(step: object, before: tuple[Step, ...]) -> None:
    if not isinstance(step, Step):
        if isinstance(step, type) and issubclass(step, Step):
            hint = f"that is the class; make one: {step.__name__}(...)"
        elif isinstance(step, bytes):
            hint = "write Send(...) around bytes"
        elif isinstance(step, int | float):
            hint = "write Pause(...) around seconds"
        else:
            hint = "it takes Send, Pause, HalfClose, Fin, Reset and Stall"
        raise TypeError(f"WireResponse takes steps, got {shorten(step)}; {hint}")
    if before and before[-1].ends:
        never = "lasts until the client leaves" if isinstance(before[-1], Stall) else "ends it all"
        raise ValueError(f"{step!r} can never happen: {before[-1]!r} before it {never}")
    if isinstance(step, Send) and any(isinstance(earlier, HalfClose) for earlier in before):
        raise ValueError(f"{step!r} cannot be sent: HalfClose() before it has ended this direction")
