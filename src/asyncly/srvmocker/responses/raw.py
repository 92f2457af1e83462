"""Bytes or text, as they are."""

from __future__ import annotations

from dataclasses import dataclass

from .content import SerializedResponse, encode_raw

__all__ = ["RawResponse"]


@dataclass(frozen=True)
class RawResponse(SerializedResponse):
    """Bytes or text, sent as they are: HTML, XML, broken JSON, an empty body.

    Args:
        body: bytes, or text that is sent as UTF-8.
        status: the status code.
        headers: a mapping or pairs. Without a Content-Type here, `text/plain; charset=utf-8`
            is sent.

    Example:
        >>> RawResponse("<ok/>", headers={"Content-Type": "application/xml"}).status
        200
    """

    body: bytes | str = b""

    def _encode(self) -> bytes:
        return encode_raw(self.body)

    @property
    def _content_type(self) -> str:
        return "text/plain; charset=utf-8"
