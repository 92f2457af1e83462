"""The tests that the author of `download` writes; they need no loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from download import DownloadError, download

from asyncly.srvmocker import (
    CallbackResponse,
    MockRoute,
    MockService,
    RawResponse,
    ResetResponse,
    SequenceResponse,
    TruncatedResponse,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from aiohttp import web

    from asyncly.srvmocker import BaseMockResponse

PHOTO = bytes(range(250)) * 40
TAG = {"ETag": '"v1"'}
WHOLE = RawResponse(PHOTO, headers=TAG)


def send_rest(request: web.Request) -> RawResponse:
    """Answer as a server of files does."""
    first = request.http_range.start
    if first is None:
        return WHOLE
    return RawResponse(PHOTO[first:], 206, headers=TAG | content_range(first))


def content_range(first: int) -> dict[str, str]:
    return {"Content-Range": f"bytes {first}-{len(PHOTO) - 1}/{len(PHOTO)}"}


REST = CallbackResponse(send_rest)
FIRST_700 = TruncatedResponse(PHOTO[:700], declared_length=len(PHOTO), headers=TAG)


@pytest.fixture
def mock_routes() -> list[MockRoute]:
    return [MockRoute("GET", "/photo", "photo")]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "photo.jpg"


@pytest.fixture
def fetch(mock_service: MockService, target: Path) -> Iterator[Callable[[], int]]:
    with httpx.Client(timeout=5) as client:
        yield lambda: download(client, str(mock_service.url / "photo"), target)


def test_a_file_that_comes_whole_takes_one_request(
    mock_service: MockService, fetch: Callable[[], int], target: Path
) -> None:
    mock_service.register("photo", REST)

    assert fetch() == 1

    assert target.read_bytes() == PHOTO
    mock_service.assert_called("photo", headers={"Range": None})


def test_it_asks_for_the_rest_after_a_truncated_body(
    mock_service: MockService, fetch: Callable[[], int], target: Path
) -> None:
    mock_service.register("photo", SequenceResponse([FIRST_700, REST]))

    assert fetch() == 2

    assert target.read_bytes() == PHOTO
    mock_service.assert_called(
        "photo", times=1, headers={"Range": "bytes=700-", "If-Range": '"v1"'}
    )


def test_the_rest_may_break_off_too(
    mock_service: MockService, fetch: Callable[[], int], target: Path
) -> None:
    next_300 = TruncatedResponse(
        PHOTO[700:1000],
        declared_length=len(PHOTO) - 700,
        status=206,
        headers=TAG | content_range(700),
    )
    mock_service.register("photo", SequenceResponse([FIRST_700, next_300, REST]))

    assert fetch() == 3

    assert target.read_bytes() == PHOTO
    assert mock_service.last_call("photo").headers["Range"] == "bytes=1000-"


def test_no_byte_is_lost_or_doubled_after_a_reset(
    mock_service: MockService, fetch: Callable[[], int], target: Path
) -> None:
    cut = ResetResponse(after="body", body=PHOTO, headers=TAG)
    mock_service.register("photo", SequenceResponse([cut, REST]))

    assert fetch() == 2

    assert target.read_bytes() == PHOTO


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(WHOLE, id="a server without ranges"),
        pytest.param(RawResponse(b"another", headers={"ETag": '"v2"'}), id="another version"),
    ],
)
def test_it_begins_anew_when_the_whole_file_comes(
    mock_service: MockService, fetch: Callable[[], int], target: Path, other: RawResponse
) -> None:
    mock_service.register("photo", SequenceResponse([FIRST_700, other]))

    assert fetch() == 2

    assert target.read_bytes() == other.body


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (FIRST_700, "broke off after 700 bytes, the last of 5 attempts"),
        (
            SequenceResponse([FIRST_700, RawResponse(PHOTO, 206, headers=content_range(0))]),
            "asked for the bytes from 700 on, got 'bytes 0-9999/10000'",
        ),
    ],
    ids=["always truncated", "another part"],
)
def test_half_a_file_is_never_shown(
    mock_service: MockService,
    fetch: Callable[[], int],
    target: Path,
    response: BaseMockResponse,
    message: str,
) -> None:
    mock_service.register("photo", response)

    with pytest.raises(DownloadError, match=message):
        fetch()

    assert not target.exists()
