"""Reading bodies: content codings, charsets and forms."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from multidict import MultiDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from multidict import MultiMapping

__all__ = ["FormFile", "content_type", "decode_content", "decode_text", "parse_form"]


@dataclass(frozen=True, slots=True)
class FormFile:
    """One uploaded file of a `multipart/form-data` body (RFC 7578).

    `filename` and `content_type` are as the client sent them, `body` is the bytes. Clients
    write a name in ways of their own: aiohttp's percent-encodes it.

    As a wish, each of the three may be a pattern, a type or a function, as in any `Match`.

    Example:
        >>> Match(form={"photo": FormFile("cat.png", "image/png", b"...")}).given
        ('form',)
    """

    filename: str
    content_type: str
    body: bytes


def decode_content(body: bytes, headers: MultiMapping[str]) -> bytes:
    """Undo the content codings of a body, the last applied first (RFC 9110 §8.4).

    Raises:
        ValueError: a coding is unknown here, or the body is not what it claims to be.
    """
    if not body or "Content-Encoding" not in headers:
        return body
    for coding in reversed(",".join(headers.getall("Content-Encoding")).lower().split(",")):
        if not body:
            break
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


def decode_text(content: bytes, declared: Message) -> str:
    """Decode by the charset declared, else as UTF-8.

    Raises:
        UnicodeDecodeError: it is not text in that charset.
        ValueError: the charset is no name.
    """
    try:
        return content.decode(declared.get_content_charset("utf-8"))
    except LookupError:  # a charset that Python does not know
        return content.decode()


def content_type(headers: Mapping[str, str]) -> Message:
    """Return the Content-Type in a form that can be asked for its parameters."""
    parsed = Message()
    parsed["Content-Type"] = headers.get("Content-Type", "application/octet-stream")
    return parsed


def parse_form(content: bytes, declared: Message) -> MultiDict[str | FormFile]:
    """Return the fields of a form; none if the content type is not that of one.

    Raises:
        ValueError: the content is no form in the type declared.
    """
    fields: MultiDict[str | FormFile] = MultiDict()
    kind = declared.get_content_type()
    if kind == "application/x-www-form-urlencoded":
        fields.extend(parse_qsl(decode_text(content, declared), keep_blank_values=True))
    elif kind == "multipart/form-data":
        _parse_multipart(content, declared.get_param("boundary"), fields)
    return fields


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
            into.add(field, decode_text(content, header))
        else:
            into.add(field, FormFile(filename, header.get_content_type(), content))


def _disposition(header: Message, parameter: str) -> str | None:
    """Return a parameter of the Content-Disposition, as sent or in the form of RFC 8187."""
    value = header.get_param(parameter, header="Content-Disposition")
    return None if value is None else collapse_rfc2231_value(value)
