"""The record of one request: what arrived, kept as it came and parsed when somebody asks."""

from __future__ import annotations

import json
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from multidict import CIMultiDict, CIMultiDictProxy, MultiDictProxy
from yarl import URL

from .bodies import FormFile, content_type, decode_content, decode_text, parse_form
from .text import show_target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "NO_PARAMS",
    "Arrival",
    "FormFile",
    "Origin",
    "RecordedRequest",
    "RequestHistory",
    "decode_content",
]

Arrival: TypeAlias = "tuple[str, str, CIMultiDictProxy[str], bytes, float, Origin]"
"""Method, target, headers, body, time, and the connection that it came over."""

NO_PARAMS: Mapping[str, str] = MappingProxyType({})


class Origin:
    """Where requests came from: one object for all of a connection.

    Args:
        connection: the number of the connection.
        locate: returns the URL that the client reached, without a path.
        peer_subject: whose certificate the client has shown; None if it has shown none.
    """

    __slots__ = ("connection", "locate", "peer_subject")

    def __init__(
        self, connection: int, locate: Callable[[], URL], peer_subject: str | None = None
    ) -> None:
        self.connection = connection
        self.locate = locate
        self.peer_subject = peer_subject


class RecordedRequest:
    """What one request really was: an immutable snapshot of what arrived.

    Nothing is parsed until it is asked for, so a record costs a test nearly nothing.

    Attributes:
        method: the method, as sent (`"GET"`).
        target: the request target, byte for byte as sent (`"/items/5?page=2"`, RFC 9112 §3.2).
        headers: every header in the order sent, names without case, duplicates kept.
        body: the bytes of the body after the transfer coding, before any content coding:
            what a client compressed stays compressed here. `json()`, `text` and `form` decode it.
        handler_name: the label of the route that took the request, or None if none did.
        path_params: the values of the `{name}` parts of the route's path.
        received_at: `time.monotonic()` in seconds, when the head of the request had arrived.
        connection: the number of the connection on this service, from 1; requests that
            share a number shared a connection.
        peer_subject: the subject of the certificate that the client has shown over TLS, as text
            (`"CN=billing,O=Example"`, RFC 4514); None if it has shown none.
    """

    # `_url` and `_json` are set when they are asked for: a record is made for every request.
    __slots__ = ("_handler_name", "_head", "_json", "_path_params", "_url")

    def __init__(
        self,
        method: str = "GET",
        target: str = "/",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        handler_name: str | None = None,
        path_params: Mapping[str, str] = NO_PARAMS,
        received_at: float = 0.0,
        connection: int = 0,
        origin: Callable[[], URL] | None = None,
    ) -> None:
        if not isinstance(headers, CIMultiDictProxy):
            headers = CIMultiDictProxy(CIMultiDict(headers or {}))
        reached = Origin(connection, origin or _nowhere)
        self._head: Arrival = (method, target, headers, body, received_at, reached)
        self._handler_name = handler_name
        self._path_params = path_params

    @classmethod
    def of(
        cls, arrival: Arrival, handler_name: str | None, path_params: Mapping[str, str]
    ) -> RecordedRequest:
        """Return the record of what arrived: the constructor for those who are in a hurry."""
        record = cls.__new__(cls)
        record._head = arrival
        record._handler_name = handler_name
        record._path_params = path_params
        return record

    @property
    def arrival(self) -> Arrival:
        """All that an exchange keeps of it."""
        return self._head

    @property
    def method(self) -> str:
        """The method, as sent."""
        return self._head[0]

    @property
    def target(self) -> str:
        """The request target, as sent: path and query, still percent-encoded."""
        return self._head[1]

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The headers, in order; look up without case, `getall()` gives duplicates."""
        return self._head[2]

    @property
    def body(self) -> bytes:
        """The body, as sent."""
        return self._head[3]

    @property
    def handler_name(self) -> str | None:
        """The handler name of the route that took the request; None if none did."""
        return self._handler_name

    @property
    def path_params(self) -> Mapping[str, str]:
        """The values of the `{name}` parts of the route's path."""
        return self._path_params

    @property
    def received_at(self) -> float:
        """When the request arrived, in seconds of `time.monotonic()`."""
        return self._head[4]

    @property
    def connection(self) -> int:
        """The number of the connection on this service, from 1."""
        return self._head[5].connection

    @property
    def peer_subject(self) -> str | None:
        """The subject of the certificate that the client has shown; None if there was none."""
        return self._head[5].peer_subject

    @property
    def url(self) -> URL:
        """The full URL that the client asked for, with the host of its Host header."""
        with suppress(AttributeError):
            return self._url
        self._url: URL = self._build_url()
        return self._url

    def _build_url(self) -> URL:
        if not self.target.startswith("/"):  # RFC 9112 §3.2: absolute-form, authority or "*"
            with suppress(ValueError):
                if "://" in self.target:
                    return _with_port(URL(self.target, encoded=True))
                if self.method == "CONNECT":
                    return _with_port(URL.build(authority=self.target, encoded=True))
            return URL.build(path=self.target, encoded=True)
        origin = self._head[5].locate()
        path, _, query = self.target.partition("?")
        host = self.headers.get("Host")
        try:
            url = URL.build(
                scheme=origin.scheme,
                authority=host or origin.raw_authority,
                path=path,
                query_string=query,
                encoded=True,
            )
            return url.with_port(None) if url.is_default_port() else url
        except ValueError:  # a Host header that is no authority: the record has it, the URL cannot
            return URL(f"{origin}{self.target}", encoded=True)

    @property
    def path(self) -> str:
        """The path, percent-decoded, without the query."""
        return self.url.path

    @property
    def query(self) -> MultiDictProxy[str]:
        """The query, decoded; `getall()` gives a key's every value."""
        return self.url.query

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies of every Cookie header (RFC 6265 §4.2.1), the first of a name winning."""
        found: dict[str, str] = {}
        for line in self.headers.getall("Cookie", ()):
            for pair in line.split(";"):
                name, equals, value = pair.strip().partition("=")
                if equals:
                    found.setdefault(name.strip(), value.strip().strip('"'))
        return MappingProxyType(found)

    @property
    def last_event_id(self) -> str | None:
        """The id of the last event that a client of server-sent events saw (WHATWG HTML §9.2.4).

        Sent as `Last-Event-ID` when it connects again; None if it was not sent.
        """
        return self.headers.get("Last-Event-ID")

    @property
    def text(self) -> str:
        """The body as text: content coding undone, decoded by the charset sent, else UTF-8.

        Raises:
            UnicodeDecodeError: the body is not text in that charset.
            ValueError: the content coding cannot be undone.
        """
        return decode_text(self.content, content_type(self.headers))

    @property
    def content(self) -> bytes:
        """The body with its content coding undone (`Content-Encoding`, RFC 9110 §8.4).

        Raises:
            ValueError: the coding is unknown here, or the body is not what it claims to be.
        """
        return decode_content(self.body, self.headers)

    def json(self) -> Any:
        """Return the body parsed as JSON (RFC 8259), a fresh value at every call.

        It may be in UTF-8, -16 or -32; another charset must be named by the Content-Type.

        Raises:
            ValueError: the body is no JSON; a body that is no text raises one too.
        """
        try:
            return json.loads(self.content)
        except UnicodeDecodeError:
            return json.loads(self.text)

    def parsed_json(self) -> Any:
        """Return the body parsed as JSON, once: the value is shared, so do not change it.

        Raises:
            ValueError: as `json()`.
        """
        with suppress(AttributeError):
            return self._json
        self._json: Any = self.json()
        return self._json

    @property
    def form(self) -> MultiDictProxy[str | FormFile]:
        """The fields of a form, `application/x-www-form-urlencoded` or `multipart/form-data`.

        A field is a `str`, an uploaded file a `FormFile`. Empty for any other content type.

        Raises:
            ValueError: the body is no form in the type that it claims.
        """
        return MultiDictProxy(parse_form(self.content, content_type(self.headers)))

    def routed(self, handler_name: str | None, path_params: Mapping[str, str]) -> RecordedRequest:
        """Return this request as the given handler's: the same record with its route's names."""
        twin = self.of(self._head, handler_name, path_params)
        for slot in ("_url", "_json"):
            if hasattr(self, slot):
                setattr(twin, slot, getattr(self, slot))
        return twin

    def __repr__(self) -> str:
        name = f" {self._handler_name!r}" if self._handler_name else ""
        target = show_target(self.target)
        return f"<RecordedRequest {self.method} {target}{name}, {len(self.body)} bytes>"


def _with_port(url: URL) -> URL:
    """Return a URL, unless its port is none: it would be parsed, and refused, much later.

    Raises:
        ValueError: that.
    """
    url.port  # noqa: B018
    return url


def _nowhere() -> URL:
    return URL("http://localhost")


RequestHistory = RecordedRequest
"""The name of `RecordedRequest` in older code: the same class."""
