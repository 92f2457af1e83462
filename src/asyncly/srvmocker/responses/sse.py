"""Server-sent events: their wire form, and a response of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..matching import UNSET
from ..serialization import JsonSerializer
from ..text import shorten
from .streams import StreamedResponse

if TYPE_CHECKING:
    from .pieces import Pieces

__all__ = ["ServerSentEvent", "SseResponse", "encode_event"]

_LINE_END = re.compile(r"\r\n|\r|\n")
_FORBIDDEN = {"event": "\r\n", "id": "\r\n\0"}
_dump = JsonSerializer().dumps


@dataclass(frozen=True)
class ServerSentEvent:
    r"""One event of a `text/event-stream` (WHATWG HTML §9.2.5). `bytes(event)` is its wire form.

    Args:
        data: text, sent as it is, a line for each of its lines; or anything that JSON has a form
            for, sent as JSON. Without it the client dispatches nothing: a comment, for example.
        event: the event's type; without one, clients call it "message".
        id: what the client sends back as `Last-Event-ID` when it connects again.
        retry: milliseconds that the client waits before it connects again.
        comment: text that clients ignore: a keep-alive.

    Raises:
        TypeError: an argument is of the wrong type, or `data` has no form in JSON.
        ValueError: it is empty; `event` or `id` holds a line break, or `id` a NUL, which the
            format cannot say; `retry` is negative; or a text is no Unicode text.

    Example:
        >>> bytes(ServerSentEvent("one\ntwo", event="note", id="7"))
        b'event: note\nid: 7\ndata: one\ndata: two\n\n'
        >>> bytes(ServerSentEvent({"fact": "Meow."}))
        b'data: {"fact": "Meow."}\n\n'
        >>> bytes(ServerSentEvent(comment="keep-alive"))
        b': keep-alive\n\n'
    """

    data: Any = UNSET
    event: str | None = None
    id: str | None = None
    retry: int | None = None
    comment: str | None = None

    def __post_init__(self) -> None:
        for name in ("event", "id", "comment"):
            _check_text(name, getattr(self, name))
        if self.retry is not None:
            if isinstance(self.retry, bool) or not isinstance(self.retry, int):
                raise TypeError(f"retry takes milliseconds, an int, got {self.retry!r}")
            if self.retry < 0:
                raise ValueError(f"retry takes milliseconds from 0 up, got {self.retry!r}")
        if not self._wire.strip():
            raise ValueError(
                "a ServerSentEvent without data, event, id, retry and comment says nothing; "
                'a keep-alive is ServerSentEvent(comment="keep-alive")'
            )

    @cached_property
    def _wire(self) -> bytes:
        """The bytes, made once: what is done to `data` later is not sent."""
        lines = []
        if self.comment is not None:
            lines += [f": {line}" for line in _LINE_END.split(self.comment)]
        if self.event is not None:
            lines.append(f"event: {self.event}")
        if self.id is not None:
            lines.append(f"id: {self.id}")
        if self.retry is not None:
            lines.append(f"retry: {self.retry:d}")
        if self.data is not UNSET:
            lines += _data_lines(self.data)
        return _encode("\n".join(lines) + "\n\n")

    def __bytes__(self) -> bytes:
        return self._wire


def encode_event(event: object) -> bytes:
    """Return the wire form of an event; of text and JSON-able values, as the data of one.

    Raises:
        TypeError: it is none of these.
        ValueError: it is no Unicode text.
    """
    if isinstance(event, ServerSentEvent):
        return bytes(event)
    return _encode("\n".join(_data_lines(event)) + "\n\n")


def _data_lines(data: object) -> list[str]:
    if not isinstance(data, str):
        try:
            return [f"data: {_dump(data).decode()}"]  # JSON holds no line break
        except (TypeError, ValueError) as error:
            raise TypeError(
                "the data of a ServerSentEvent is text or what JSON has a form for: "
                f"{error}; it is {shorten(data)}"
            ) from error
    if "\n" not in data and "\r" not in data:
        return [f"data: {data}"]
    return [f"data: {line}" for line in _LINE_END.split(data)]


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"an event stream is UTF-8 (WHATWG HTML §9.2.5), and this is no Unicode text: {error}"
        ) from None


def _check_text(name: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, str):
        raise TypeError(f"{name} takes text, got {shorten(value)}")
    if any(character in value for character in _FORBIDDEN.get(name, "")):
        what = "a line break or a NUL" if name == "id" else "a line break"
        raise ValueError(
            f"{name} cannot hold {what}, for which the format has no form "
            f"(WHATWG HTML §9.2.6): {shorten(value)}"
        )


@dataclass(frozen=True)
class SseResponse(StreamedResponse):
    """Server-sent events, each written by itself (`text/event-stream`, WHATWG HTML §9.2).

    The stream ends with the last event; clients such as a browser's then connect again.

    Args:
        events: an iterable or async iterable of `ServerSentEvent`, text, or values that JSON has
            a form for; or a function without arguments that returns one. A list can be served
            any number of times, a generator once: pass the function that makes it.
        interval: seconds between one event and the next.
        status: the status code.
        headers: a mapping or pairs; a Content-Type here wins.

    Raises:
        TypeError: an argument, or an event of a list, is of the wrong type.
        ValueError: an answer of this status has no body, or the interval is negative or not
            finite.

    Example:
        >>> SseResponse(["one", ServerSentEvent({"n": 2}, id="2")], interval=0.5).status
        200
    """

    events: Pieces

    content_type = "text/event-stream"

    @property
    def pieces(self) -> Pieces:
        """The events."""
        return self.events

    def encode(self, piece: Any) -> bytes:
        """Return the wire form of one event."""
        return encode_event(piece)
