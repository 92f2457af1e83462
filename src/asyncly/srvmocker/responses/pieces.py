"""Where the pieces of a stream come from: lists, generators of both kinds, functions."""

from __future__ import annotations

import inspect
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
)
from typing import TYPE_CHECKING, Any, TypeAlias

from ..text import name_function, shorten

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["Pieces", "Source", "nothing"]

_Readable: TypeAlias = Iterable[Any] | AsyncIterable[Any]

Pieces: TypeAlias = "_Readable | Callable[[], Any]"
"""What a stream is made of: the pieces, or a function without arguments that returns them."""


class Source:
    """The pieces of a stream, for one request after the other.

    What can be read again is encoded at once: a mistake shows when the response is made.

    Args:
        given: what the user gave.
        encode: makes the bytes of a piece.
        name: of the response, for messages.

    Raises:
        TypeError: it is nothing that can be read piece by piece, or a piece cannot be encoded.
    """

    def __init__(self, given: Pieces, encode: Callable[[Any], bytes], name: str) -> None:
        self._given = given
        self._encode = encode
        self._name = name
        self._used = False
        self._encoded: tuple[bytes, ...] | None = None
        if isinstance(given, str | bytes | bytearray | memoryview | Mapping):
            raise TypeError(f"{self._name} takes an iterable of pieces; write [{shorten(given)}]")
        if isinstance(given, Collection):
            self._encoded = tuple(map(self._encode, given))
        elif not (isinstance(given, Iterable | AsyncIterable) or callable(given)):
            raise TypeError(
                f"{self._name} takes an iterable, an async iterable, or a function that returns "
                f"one, got {shorten(given)}"
            )

    async def open(self) -> AsyncGenerator[bytes]:
        """Return the pieces for one request."""
        if self._encoded is not None:
            return _read(self._encoded, bytes)
        if isinstance(self._given, Iterable | AsyncIterable):
            return _read(self._take(self._given), self._encode)
        made = self._given()
        if inspect.isawaitable(made):
            made = await made
        if not isinstance(made, Iterable | AsyncIterable):
            raise TypeError(
                f"{name_function(self._given)} must return an iterable for {self._name}, "
                f"got {shorten(made)}"
            )
        return _read(made, self._encode)

    def _take(self, given: _Readable) -> _Readable:
        if self._used:
            raise RuntimeError(
                f"the pieces of the {self._name} were a generator, and an earlier request has "
                "used it up. Pass a list, or the function that makes the generator: "
                f"{self._name}(make_pieces), without calling it"
            )
        self._used = isinstance(given, Iterator | AsyncIterator)
        return given


async def _read(pieces: _Readable, encode: Callable[[Any], bytes]) -> AsyncGenerator[bytes]:
    """Yield the encoded pieces; whatever happens, close the generator that makes them."""
    try:
        if isinstance(pieces, AsyncIterable):
            async for piece in pieces:
                yield encode(piece)
        else:
            for piece in pieces:
                yield encode(piece)
    finally:
        if inspect.isasyncgen(pieces):
            await pieces.aclose()
        elif inspect.isgenerator(pieces):
            pieces.close()


async def nothing() -> AsyncGenerator[bytes]:
    """Yield no piece."""
    return
    yield b""  # it makes this a generator
