"""Responses with a body that is known beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from aiohttp import web

from ..text import name_function, shorten
from .base import BaseMockResponse
from .canned import Canned, Headers, check_headers, check_status

if TYPE_CHECKING:
    from multidict import CIMultiDict

    from ..serialization import Serializer

__all__ = ["ContentResponse", "SerializedResponse"]


@dataclass(frozen=True)
class SerializedResponse(BaseMockResponse):
    """The base of responses whose body one serializer makes: a subclass names it.

    Args:
        body: what the serializer takes.
        status: the status code.
        headers: a mapping, or pairs where a name comes more than once. A Content-Type given
            here wins over the serializer's and is sent once.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: the status or a header cannot be sent.
    """

    body: Any = None
    status: int = 200
    headers: Headers | None = None
    serializer: ClassVar[Any] = None

    def __post_init__(self) -> None:
        check_status(self.status)
        if self.headers is not None:
            check_headers(self.headers)

    @cached_property
    def _encoded(self) -> bytes:
        """The bytes of the body, made once: what is done to `body` later is not sent."""
        try:
            return self._encode()
        except ImportError:
            raise
        except Exception as error:  # each format has errors of its own
            raise TypeError(
                f"{type(self).__name__}: the body cannot be sent as {self._content_type}: "
                f"{error}; it is {shorten(self.body)}"
            ) from error

    def _encode(self) -> bytes:
        encoded: object = self.serializer.dumps(self.body)
        if not isinstance(encoded, bytes | str):
            raise TypeError(f"dumps returned {shorten(encoded)}, not bytes or text")
        return encode_raw(encoded)

    @property
    def _content_type(self) -> str:
        content_type: str = self.serializer.content_type
        return content_type

    @property
    def _sent_headers(self) -> CIMultiDict[str]:
        headers = check_headers(self.headers)
        headers.setdefault("Content-Type", self._content_type)
        return headers

    def canned(self) -> Canned | None:
        """Return the bytes to send, unless a subclass answers in a way of its own."""
        if type(self).response is not SerializedResponse.response:
            return None
        body = self._encoded
        if self.headers is None:
            return Canned(int(self.status), (("Content-Type", self._content_type),), body)
        return Canned(int(self.status), tuple(self._sent_headers.items()), body)

    async def response(self, request: web.Request) -> web.StreamResponse:
        """Return a new `aiohttp.web.Response`, yours to change before it is sent."""
        headers = self._sent_headers
        chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
        if chunked:
            del headers["Transfer-Encoding"]
        answer = web.Response(status=check_status(self.status), headers=headers, body=self._encoded)
        if chunked:
            answer.enable_chunked_encoding()
        return answer


@dataclass(frozen=True)
class ContentResponse(SerializedResponse):
    """A body in any format: whatever the serializer makes of it.

    Args:
        body: what the serializer takes; without one, bytes or text as they are.
        status: the status code.
        headers: a mapping or pairs; a Content-Type here wins over the serializer's.
        serializer: makes the bytes and names their type.

    Raises:
        TypeError: the serializer is a class, or another argument is of the wrong type.
        ValueError: the status or a header cannot be sent.

    Example:
        >>> ContentResponse({"a": 1}, serializer=JsonSerializer())
        ContentResponse(body={'a': 1}, status=200, headers=None, serializer=JsonSerializer())
    """

    serializer: Serializer | None = None  # type: ignore[misc] # a field here, a class's word above

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.serializer, type):
            name = self.serializer.__name__
            raise TypeError(f"serializer takes an object, got the class {name}: write {name}()")
        makes = self.serializer
        if makes is not None and not (hasattr(makes, "dumps") and hasattr(makes, "content_type")):
            raise TypeError(
                "serializer takes a Serializer, an object with content_type and dumps(value), "
                f"got {name_function(makes)}"
            )

    def _encode(self) -> bytes:
        return encode_raw(self.body) if self.serializer is None else super()._encode()

    @property
    def _content_type(self) -> str:
        return "application/octet-stream" if self.serializer is None else super()._content_type


def encode_raw(body: object) -> bytes:
    """Return bytes as they are and text as UTF-8.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    if body is None:
        return b""
    raise TypeError("only bytes or text can be sent as they are; use JsonResponse for data")
