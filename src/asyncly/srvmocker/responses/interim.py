"""What is said before the answer, or before the body of the request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import HttpVersion11, web

from ..text import shorten
from .base import BaseMockResponse, check_response
from .canned import Headers, check_headers, render_head
from .content import encode_raw
from .steps import Fin, Send

if TYPE_CHECKING:
    from multidict import CIMultiDict

    from .steps import Step

__all__ = ["EarlyHints", "ExpectationFailed"]


@dataclass(frozen=True, init=False, repr=False)
class EarlyHints(BaseMockResponse):
    """Sends a 103 with links, then answers as another response does (RFC 8297).

    aiohttp, httpx and curl pass over it; requests and urllib3 take the 103 for the answer. A
    client of HTTP/1.0 is not sent it (RFC 9110 §15.2).

    Args:
        links: the values of the Link headers, one each (RFC 8288 §3).
        then: the response that answers.

    Raises:
        TypeError: a link is no text, or `then` no response.
        ValueError: there is no link, or one cannot be sent in a header.

    Example:
        >>> EarlyHints("</style.css>; rel=preload; as=style", RawResponse("page")).links
        ('</style.css>; rel=preload; as=style',)
    """

    links: tuple[str, ...]
    then: BaseMockResponse

    def __init__(self, links: str | Iterable[str], then: BaseMockResponse) -> None:
        if not isinstance(links, str | Iterable):
            raise TypeError(f"links takes texts, such as '</a.css>; rel=preload', got {links!r}")
        found = (links,) if isinstance(links, str) else tuple(links)
        if not found:
            raise ValueError("EarlyHints takes at least one link, got none")
        check_response(then, "EarlyHints: then")
        vars(self).update(links=found, then=then)
        self._headers()

    def _headers(self) -> CIMultiDict[str]:
        return check_headers([("Link", link) for link in self.links])

    @property
    def parts(self) -> tuple[BaseMockResponse, ...]:
        """The response that answers."""
        return (self.then,)

    @property
    def script(self) -> tuple[Step, ...]:
        """What is done on the wire before `then` answers."""
        return (Send(render_head(103, self._headers())),)

    def __repr__(self) -> str:
        return f"EarlyHints({self.links!r}, {self.then!r}, script={list(self.script)!r})"

    async def response(self, request: web.Request) -> web.StreamResponse:
        """Send the hints, then answer."""
        if request.version >= HttpVersion11:
            for step in self.script:
                await step.run(request)
            request.writer.output_size = 0  # of the answer itself nothing is sent
        return await self.then.response(request)


@dataclass(frozen=True, repr=False)
class ExpectationFailed(BaseMockResponse):
    """Answers 417, before the body if the client waits with it (RFC 9110 §10.1.1, §15.5.18).

    A client that sent `Expect: 100-continue` is not told to go on: its body is never asked for,
    and the connection is closed behind the answer. Its route is found by its head alone, so a
    `Match` on the body does not fit it. From any other client the request arrives as always.

    aiohttp with `expect100=True` and curl send no body; httpx and requests never wait.

    Args:
        body: text or bytes that say why.
        headers: a mapping or pairs; `text/plain; charset=utf-8` unless they say otherwise.

    Raises:
        TypeError: the body is neither.

    Example:
        >>> ExpectationFailed("too large").body
        'too large'
    """

    body: bytes | str = b""
    headers: Headers | None = None

    def __post_init__(self) -> None:
        check_headers(self.headers)
        if not isinstance(self.body, bytes | str):
            raise TypeError(f"ExpectationFailed takes text or bytes, got {shorten(self.body)}")

    @property
    def script(self) -> tuple[Step, ...]:
        """What is done on the wire; aiohttp adds Content-Length, Date and Server."""
        head = render_head(417, check_headers(self.headers))
        return (Send(head + encode_raw(self.body)), Fin())

    def __repr__(self) -> str:
        given = f"{self.body!r}" + (f", {self.headers!r}" if self.headers is not None else "")
        return f"ExpectationFailed({given}, script={list(self.script)!r})"

    def refuses_body(self, request: web.Request) -> bool:
        """Answer a client that waits with its body, without the body."""
        return True

    async def response(self, request: web.Request) -> web.StreamResponse:
        """Answer 417 and end the connection."""
        headers = check_headers(self.headers)
        headers.setdefault("Content-Type", "text/plain; charset=utf-8")
        answer = web.Response(status=417, headers=headers, body=encode_raw(self.body))
        answer.force_close()
        return answer
