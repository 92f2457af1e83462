"""Answers that a function of the test decides."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ..text import name_function, shorten
from .base import BaseMockResponse
from .json import JsonResponse

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CallbackResponse"]


@dataclass(frozen=True)
class CallbackResponse(BaseMockResponse):
    """Answers with what a function returns.

    Args:
        callback: called with the `aiohttp.web.Request`; may be async. It returns a response
            of this package, an `aiohttp.web` response, or data to be sent as JSON.

    Raises:
        TypeError: `callback` cannot be called.

    Example:
        >>> CallbackResponse(lambda request: {"id": request.match_info["id"]})  # doctest: +ELLIPSIS
        CallbackResponse(callback=<function <lambda> at ...>)
    """

    callback: Callable[[web.Request], Any]

    def __post_init__(self) -> None:
        takes = "CallbackResponse takes a function of the request, got"
        if isinstance(self.callback, type) and issubclass(self.callback, BaseMockResponse):
            raise TypeError(
                f"{takes} the class {self.callback.__name__}; "
                "a response needs no function around it"
            )
        if not callable(self.callback):
            raise TypeError(f"{takes} {shorten(self.callback)}")

    async def response(self, request: web.Request) -> web.StreamResponse:
        """Call the function and send what it returned.

        Raises:
            TypeError: it returned nothing, or something that is no JSON.
        """
        result = self.callback(request)
        if inspect.isawaitable(result):
            result = await result
        if isinstance(result, web.StreamResponse):
            return result
        if isinstance(result, BaseMockResponse):
            return await result.response(request)
        if result is None:
            raise TypeError(
                f"{name_function(self.callback)} returned None: return a response or data; "
                "for the JSON null return JsonResponse(None)"
            )
        if isinstance(result, bytes | bytearray):
            raise TypeError(
                f"{name_function(self.callback)} returned {shorten(result)}: "
                "for bytes return RawResponse(...)"
            )
        return await JsonResponse(result).response(request)
