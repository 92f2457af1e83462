"""A body in JSON."""

from __future__ import annotations

from dataclasses import dataclass

from ..serialization import JsonSerializer
from .content import SerializedResponse

__all__ = ["JsonResponse"]


@dataclass(frozen=True)
class JsonResponse(SerializedResponse):
    """A body in JSON (RFC 8259).

    Args:
        body: any data that the format has a form for.
        status: the status code.
        headers: a mapping or pairs; a Content-Type here wins over the format's.

    Example:
        >>> JsonResponse({"fact": "Meow."}, 201).status
        201
    """

    serializer = JsonSerializer()
