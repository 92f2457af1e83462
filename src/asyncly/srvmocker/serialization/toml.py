"""TOML, by tomli-w (extra `toml`)."""

from __future__ import annotations

from typing import Any

from .base import Serializer, import_extra

__all__ = ["TomlSerializer"]


class TomlSerializer(Serializer):
    """TOML, by tomli-w (extra `toml`)."""

    content_type = "application/toml"

    def dumps(self, value: Any) -> bytes:
        """Return `value` in this format.

        Raises:
            ImportError: the extra is not installed.
        """
        toml = import_extra("tomli_w", extra="toml", used_by="TOML")
        return bytes(toml.dumps(value).encode())
