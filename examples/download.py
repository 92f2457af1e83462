"""A download that goes on where it broke off."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

__all__ = ["DownloadError", "download"]

_FIRST_BYTE = re.compile(r"bytes (\d+)-")


class DownloadError(Exception):
    """The file did not come whole."""


def download(client: httpx.Client, url: str, target: Path, *, attempts: int = 5) -> int:
    """Fetch a file in one or several requests, and return how many requests it took.

    After an answer that broke off, the next request asks for the rest only (RFC 9110 §14.2), of
    the same version of the file (§13.1.5). The target appears when it is whole.

    Args:
        client: what sends the requests.
        url: where the file is.
        target: where it shall be.
        attempts: how many requests may be sent.

    Raises:
        DownloadError: the last attempt broke off too, or the service sent another part.
        httpx.HTTPStatusError: the service refused.
    """
    part = target.with_name(f"{target.name}.part")
    with part.open("wb") as file:
        sent = _fill(file, client, url, attempts)
    part.replace(target)
    return sent


def _fill(file: BinaryIO, client: httpx.Client, url: str, attempts: int) -> int:
    etag = ""
    broken: Exception | None = None
    for attempt in range(1, attempts + 1):
        try:
            with client.stream("GET", url, headers=_headers(file.tell(), etag)) as answer:
                answer.raise_for_status()
                _seek_to_first_byte(file, answer)
                etag = answer.headers.get("ETag", "")
                for piece in answer.iter_raw():
                    file.write(piece)
            return attempt
        except httpx.TransportError as error:
            broken = error
    text = f"broke off after {file.tell()} bytes, the last of {attempts} attempts"
    raise DownloadError(text) from broken


def _headers(received: int, etag: str) -> dict[str, str]:
    headers = {"Accept-Encoding": "identity"}  # else the range would be one of the gzip
    if received and etag and not etag.startswith("W/"):
        headers["Range"] = f"bytes={received}-"
        headers["If-Range"] = etag
    return headers


def _seek_to_first_byte(file: BinaryIO, answer: httpx.Response) -> None:
    """Go on at the end for a 206; any other answer is the file from its beginning."""
    if answer.status_code != httpx.codes.PARTIAL_CONTENT:
        file.seek(0)
        file.truncate()
        return
    said = answer.headers.get("Content-Range", "")
    first = _FIRST_BYTE.match(said)
    if first is None or int(first[1]) != file.tell():
        raise DownloadError(f"asked for the bytes from {file.tell()} on, got {said!r}")
