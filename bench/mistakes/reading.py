"""What a tester gets to read: exceptions with their notes, error answers, the log."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

    from .cases import Call

__all__ = ["NoFeature", "Reading", "answer_order"]


class NoFeature(Exception):  # noqa: N818 - it is no error
    """This mock has no way to say what the case expects."""


def answer_order(*_: object, **__: object) -> Any:
    """Be the function that answers, and that has a bug."""
    raise ValueError("no stock for 4711")


class Reading(logging.Handler):
    """Collects it; pytest would show the same. Use it as a block around what may raise."""

    def __init__(self, *, tracebacks: bool) -> None:
        super().__init__(logging.WARNING)
        self._tracebacks = tracebacks
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(logging.Formatter().format(record))

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception) or isinstance(error, NoFeature):
            return False
        self.add(error)
        return True

    def add(self, error: BaseException) -> None:
        """Add an exception: its text and notes, and where it was raised if that is asked for."""
        if self._tracebacks:
            self.texts.append("".join(traceback.format_exception(error)))
        else:
            self.texts.append("".join(traceback.format_exception_only(error)))

    async def send(self, base: str, call: Call) -> None:
        """Send a call with aiohttp's client and read the answer, if it is an error."""
        import aiohttp

        with self:
            async with (
                aiohttp.ClientSession() as session,
                session.request(call.method, base + call.path, **arguments(call)) as answer,
            ):
                if answer.status >= 400:
                    self.texts.append(await answer.text())

    def send_httpx(self, base: str, call: Call) -> None:
        """Send a call with httpx's client."""
        import httpx

        kwargs = {**arguments(call), "content": call.body, "data": call.form or None}
        cookies = kwargs.pop("cookies", None)
        with self, httpx.Client(cookies=cookies) as client:
            answer = client.request(call.method, base + call.path, **kwargs)
            if answer.status_code >= 400:
                self.texts.append(answer.text)


def arguments(call: Call) -> dict[str, Any]:
    """Return a call as arguments of a client; those that say nothing are left out."""
    named = {
        "json": call.json,
        "data": call.body or call.form,
        "headers": call.headers,
        "params": call.query,
        "cookies": call.cookies,
    }
    return {name: value for name, value in named.items() if value}
