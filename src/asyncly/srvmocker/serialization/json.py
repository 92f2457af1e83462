"""JSON, by the standard library."""

from __future__ import annotations

import json
from typing import Any

from .base import Serializer

__all__ = ["JsonSerializer"]


class JsonSerializer(Serializer):
    """JSON (RFC 8259)."""

    content_type = "application/json"

    def dumps(self, value: Any) -> bytes:
        """Return `value` as JSON, ASCII only.

        Raises:
            TypeError: it holds something that JSON has no form for.
        """
        return json.dumps(value).encode()
