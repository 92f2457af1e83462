"""A body in YAML."""

from __future__ import annotations

from dataclasses import dataclass

from ..serialization import YamlSerializer
from .content import SerializedResponse

__all__ = ["YamlResponse"]


@dataclass(frozen=True)
class YamlResponse(SerializedResponse):
    """A body in YAML (RFC 9512); needs the extra `yaml`.

    Args:
        body: any data that the format has a form for.
        status: the status code.
        headers: a mapping or pairs; a Content-Type here wins over the format's.

    Raises:
        ImportError: at registration, if the extra is not installed; it names the pip command.

    Example:
        >>> YamlResponse({"a": 1}).status
        200
    """

    serializer = YamlSerializer()
