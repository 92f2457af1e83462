"""A body in TOML."""

from __future__ import annotations

from dataclasses import dataclass

from ..serialization import TomlSerializer
from .content import SerializedResponse

__all__ = ["TomlResponse"]


@dataclass(frozen=True)
class TomlResponse(SerializedResponse):
    """A body in TOML; needs the extra `toml`.

    Args:
        body: any data that the format has a form for.
        status: the status code.
        headers: a mapping or pairs; a Content-Type here wins over the format's.

    Raises:
        ImportError: at registration, if the extra is not installed; it names the pip command.

    Example:
        >>> TomlResponse({"a": 1}).status
        200
    """

    serializer = TomlSerializer()
