"""The record of one request: what arrived, kept as it came and parsed when somebody asks."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from email.message import Message
from email.utils import collapse_rfc2231_value
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from multidict import CIMultiDict, CIMultiDictProxy, MultiDict, MultiDictProxy
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from multidict import MultiMapping

__all__ = ["NO_PARAMS", "FormFile", "RecordedRequest", "RequestHistory", "decode_content"]

NO_PARAMS: Mapping[str, str] = MappingProxyType({})
_NOT_PARSED: Any = object()


@dataclass(frozen=True, slots=True)
class FormFile:
    """One uploaded file of a `multipart/form-data` body (RFC 7578).

    `filename` and `content_type` are as the client sent them, `body` is the bytes.
    """

    filename: str
    content_type: str
    body: bytes


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
    """

    __slots__ = (
        "_body",
        "_connection",
        "_handler_name",
        "_headers",
        "_json",
        "_method",
        "_origin",
        "_path_params",
        "_received_at",
        "_target",
        "_url",
    )

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
        self._method = method
        self._target = target
        self._headers: CIMultiDictProxy[str] = (
            headers
            if isinstance(headers, CIMultiDictProxy)
            else CIMultiDictProxy(CIMultiDict(headers or {}))
        )
        self._body = body
        self._handler_name = handler_name
        self._path_params = path_params
        self._received_at = received_at
        self._connection = connection
        self._origin = origin
        self._url: URL | None = None
        self._json = _NOT_PARSED

    @property
    def method(self) -> str:
        """The method, as sent."""
        return self._method

    @property
    def target(self) -> str:
        """The request target, as sent: path and query, still percent-encoded."""
        return self._target

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The headers, in order; look up without case, `getall()` gives duplicates."""
        return self._headers

    @property
    def body(self) -> bytes:
        """The body, as sent."""
        return self._body

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
        return self._received_at

    @property
    def connection(self) -> int:
        """The number of the connection on this service, from 1."""
        return self._connection

    @property
    def url(self) -> URL:
        """The full URL that the client asked for, with the host of its Host header."""
        if self._url is None:
            self._url = self._build_url()
        return self._url

    def _build_url(self) -> URL:
        if not self._target.startswith("/"):  # absolute-form, "*" or a CONNECT authority
            try:
                return URL(self._target, encoded=True)
            except ValueError:
                return URL.build(path=self._target, encoded=True)
        origin = self._origin() if self._origin else URL("http://localhost")
        path, _, query = self._target.partition("?")
        host = self._headers.get("Host")
        try:
            return URL.build(
                scheme=origin.scheme,
                authority=host or origin.authority,
                path=path,
                query_string=query,
                encoded=True,
            )
        except ValueError:  # a Host header that is no authority: the record has it, the URL cannot
            return URL(f"{origin}{self._target}", encoded=True)

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
        for line in self._headers.getall("Cookie", ()):
            for pair in line.split(";"):
                name, equals, value = pair.strip().partition("=")
                if equals:
                    found.setdefault(name.strip(), value.strip().strip('"'))
        return MappingProxyType(found)

    @property
    def text(self) -> str:
        """The body as text: content coding undone, decoded by the charset sent, else UTF-8.

        Raises:
            UnicodeDecodeError: the body is not text in that charset.
            ValueError: the content coding cannot be undone.
        """
        charset = _content_type(self._headers).get_content_charset("utf-8")
        return _decode(self.content, charset)

    @property
    def content(self) -> bytes:
        """The body with its content coding undone (`Content-Encoding`, RFC 9110 §8.4).

        Raises:
            ValueError: the coding is unknown here, or the body is not what it claims to be.
        """
        return decode_content(self._body, self._headers)

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
        if self._json is _NOT_PARSED:
            self._json = self.json()
        return self._json

    def forget_parsed(self) -> None:
        """Drop what `parsed_json()` keeps, so that a long journal stays small."""
        self._json = _NOT_PARSED

    @property
    def form(self) -> MultiDictProxy[str | FormFile]:
        """The fields of a form, `application/x-www-form-urlencoded` or `multipart/form-data`.

        A field is a `str`, an uploaded file a `FormFile`. Empty for any other content type.

        Raises:
            ValueError: the body is no form in the type that it claims.
        """
        declared = _content_type(self._headers)
        fields: MultiDict[str | FormFile] = MultiDict()
        if declared.get_content_type() == "application/x-www-form-urlencoded":
            fields.extend(parse_qsl(self.text, keep_blank_values=True))
        elif declared.get_content_type() == "multipart/form-data":
            _parse_multipart(self.content, declared.get_param("boundary"), fields)
        return MultiDictProxy(fields)

    def routed(self, handler_name: str | None, path_params: Mapping[str, str]) -> RecordedRequest:
        """Return this request as the given handler's: the same record with its route's names."""
        twin = RecordedRequest.__new__(RecordedRequest)
        for slot in RecordedRequest.__slots__:
            setattr(twin, slot, getattr(self, slot))
        twin._handler_name = handler_name  # noqa: SLF001 - one of us
        twin._path_params = path_params  # noqa: SLF001
        return twin

    def __repr__(self) -> str:
        name = f" {self._handler_name!r}" if self._handler_name else ""
        return f"<RecordedRequest {self._method} {self._target}{name}, {len(self._body)} bytes>"


RequestHistory = RecordedRequest
"""The name of `RecordedRequest` in older code: the same class."""


def decode_content(body: bytes, headers: MultiMapping[str]) -> bytes:
    """Undo the content codings of a body, the last applied first (RFC 9110 §8.4).

    Raises:
        ValueError: a coding is unknown here, or the body is not what it claims to be.
    """
    if not body or "Content-Encoding" not in headers:
        return body
    for coding in reversed(",".join(headers.getall("Content-Encoding")).lower().split(",")):
        match coding.strip():
            case "gzip" | "x-gzip":
                body = _inflate(body, 16 + zlib.MAX_WBITS, coding)
            case "deflate":  # zlib data by the RFC, raw deflate by habit: both are in the wild
                raw = body[0] & 0x0F != 8 or len(body) < 2 or (body[0] * 256 + body[1]) % 31
                body = _inflate(body, -zlib.MAX_WBITS if raw else zlib.MAX_WBITS, coding)
            case "identity" | "":
                pass
            case other:
                raise ValueError(
                    f"Content-Encoding {other!r} is not decoded here; "
                    "compare the bytes as sent with body="
                )
    return body


def _inflate(body: bytes, window: int, coding: str) -> bytes:
    content = b""
    try:
        while body:  # gzip may come in several members, one after the other (RFC 1952 §2.2)
            stream = zlib.decompressobj(window)
            content += stream.decompress(body)
            if not stream.eof:
                raise zlib.error("it is cut short")
            body = stream.unused_data
    except zlib.error as error:
        raise ValueError(f"the body is not the {coding.strip()} that it claims: {error}") from None
    return content


def _decode(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset)
    except LookupError:  # a charset that Python does not know
        return content.decode()


def _content_type(headers: Mapping[str, str]) -> Message:
    parsed = Message()
    parsed["Content-Type"] = headers.get("Content-Type", "application/octet-stream")
    return parsed


def _parse_multipart(body: bytes, boundary: object, into: MultiDict[str | FormFile]) -> None:
    """Read the parts of a form as RFC 7578 and RFC 2046 §5.1.1 lay them out."""
    if not isinstance(boundary, str) or not boundary:
        raise ValueError("multipart/form-data without a boundary in its Content-Type")
    delimiter = b"\r\n--" + boundary.encode()
    _, *parts = (b"\r\n" + body).split(delimiter)
    if not parts or not parts[-1].startswith(b"--"):
        raise ValueError(f"the multipart body does not end with its boundary {boundary!r}")
    for part in parts[:-1]:
        head, blank, content = part.partition(b"\r\n\r\n")
        if not blank:
            raise ValueError(f"a part of the multipart body has no blank line: {part[:60]!r}")
        header = Message()
        for line in head.decode("utf-8", "replace").strip().split("\r\n"):
            name, _, value = line.partition(":")
            header[name.strip()] = value.strip()
        field, filename = _disposition(header, "name"), _disposition(header, "filename")
        if field is None:
            raise ValueError(f"a part of the multipart body has no name: {head[:80]!r}")
        if filename is None:
            into.add(field, _decode(content, header.get_content_charset("utf-8")))
        else:
            into.add(field, FormFile(filename, header.get_content_type(), content))


def _disposition(header: Message, parameter: str) -> str | None:
    """Return a parameter of the Content-Disposition, as sent or in the form of RFC 8187."""
    value = header.get_param(parameter, header="Content-Disposition")
    return None if value is None else collapse_rfc2231_value(value)
