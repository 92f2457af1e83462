"""YAML (RFC 9512), by PyYAML (extra `yaml`)."""

from __future__ import annotations

from typing import Any

from .base import Serializer, import_extra

__all__ = ["YamlSerializer"]


class YamlSerializer(Serializer):
    """YAML (RFC 9512), by PyYAML (extra `yaml`)."""

    content_type = "application/yaml"

    def dumps(self, value: Any) -> bytes:
        """Return `value` in this format.

        Raises:
            ImportError: the extra is not installed.
        """
        yaml = import_extra("yaml", extra="yaml", used_by="YAML")
        text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
        return text.encode()
