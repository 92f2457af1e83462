"""MessagePack, by msgspec (extra `msgpack`)."""

from __future__ import annotations

from typing import Any

from .base import Serializer, import_extra

__all__ = ["MsgpackSerializer"]


class MsgpackSerializer(Serializer):
    """MessagePack, by msgspec (extra `msgpack`)."""

    content_type = "application/msgpack"

    def dumps(self, value: Any) -> bytes:
        """Return `value` in this format.

        Raises:
            ImportError: the extra is not installed.
        """
        msgpack = import_extra("msgspec.msgpack", extra="msgpack", used_by="MessagePack")
        return bytes(msgpack.encode(value))
