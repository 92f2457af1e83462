"""What a serializer is, and how an optional one is imported."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from typing import Any, ClassVar

__all__ = ["Serializer", "import_extra"]


class Serializer(ABC):
    r"""Turns a body into bytes and names their content type.

    Subclass it for a format of your own and pass it to `ContentResponse(serializer=...)`.

    Example:
        >>> class Csv(Serializer):
        ...     content_type = "text/csv"
        ...     def dumps(self, value):
        ...         return "\n".join(",".join(row) for row in value).encode()
        >>> Csv().dumps([["a", "b"], ["1", "2"]])
        b'a,b\n1,2'
    """

    content_type: ClassVar[str]
    """The media type of the bytes (RFC 9110 §8.3), sent unless the response names its own."""

    @abstractmethod
    def dumps(self, value: Any) -> bytes | str:
        """Return the bytes of `value`; text is sent as UTF-8."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def import_extra(module: str, *, extra: str, used_by: str) -> Any:
    """Import an optional package.

    Raises:
        ImportError: it is not installed; the text names the pip command.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(
            f"{used_by} needs the package {package!r}: pip install 'asyncly[{extra}]'"
        ) from error
