"""A body in MessagePack."""

from __future__ import annotations

from dataclasses import dataclass

from ..serialization import MsgpackSerializer
from .content import SerializedResponse

__all__ = ["MsgpackResponse"]


@dataclass(frozen=True)
class MsgpackResponse(SerializedResponse):
    """A body in MessagePack; needs the extra `msgpack`.

    Args:
        body: any data that the format has a form for.
        status: the status code.
        headers: a mapping or pairs; a Content-Type here wins over the format's.

    Raises:
        ImportError: at registration, if the extra is not installed; it names the pip command.

    Example:
        >>> MsgpackResponse({"a": 1}).status
        200
    """

    serializer = MsgpackSerializer()
