"""Code over boto3: each bucket is a host of its own, and botocore takes no connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3  # type: ignore[import-untyped]
import pytest
from botocore.config import Config  # type: ignore[import-untyped]

from asyncly.srvmocker import (
    Match,
    MockRoute,
    MockService,
    RawResponse,
    ResetResponse,
    SequenceResponse,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.mock_network("https://*.s3.eu-central-1.amazonaws.com", patch=True),
    pytest.mark.usefixtures("mock_network"),
]
HOST = "reports.s3.eu-central-1.amazonaws.com"


def copy_report(s3: Any, bucket: str, source: str, target: str) -> int:
    """Copy a report line by line; return how many lines it has: what is tested here."""
    lines = list(s3.get_object(Bucket=bucket, Key=source)["Body"].iter_lines())
    s3.put_object(Bucket=bucket, Key=target, Body=b"\n".join(lines))
    return len(lines)


def keys_below(s3: Any, bucket: str, folder: str) -> list[str]:
    """Return the keys of all objects below a folder."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=folder)
    return [item["Key"] for page in pages for item in page.get("Contents", ())]


def listing(*keys: str, more: str = "") -> RawResponse:
    """Return a page of S3's list, with a token if there is another one."""
    contents = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in keys)
    token = f"<NextContinuationToken>{more}</NextContinuationToken>" if more else ""
    truncated = f"<IsTruncated>{str(bool(more)).lower()}</IsTruncated>"
    text = f"<ListBucketResult>{truncated}{token}{contents}</ListBucketResult>"
    return RawResponse(text, headers={"Content-Type": "application/xml"})


@pytest.fixture
def mock_routes() -> list[MockRoute]:
    return [
        MockRoute("GET", "/", "next page", Match(query={"continuation-token": "more"})),
        MockRoute("GET", "/", "list"),
        MockRoute("GET", "/{key:.+}", "get"),
        MockRoute("PUT", "/{key:.+}", "put"),
    ]


@pytest.fixture
def s3() -> Iterator[Any]:
    """Make the client in the block: botocore reads then which certificates it trusts."""
    client = boto3.client(
        "s3",
        region_name="eu-central-1",
        aws_access_key_id="AKIA1",
        aws_secret_access_key="s3cret",
        config=Config(request_checksum_calculation="when_required", retries={"mode": "standard"}),
    )
    yield client
    client.close()


def test_a_report_is_copied(mock_service: MockService, s3: Any) -> None:
    mock_service.register("get", RawResponse("one\ntwo\n", headers={"ETag": '"1"'}))
    mock_service.register("put", RawResponse(headers={"ETag": '"2"'}))

    assert copy_report(s3, "reports", "2024/may.csv", "2024/june.csv") == 2

    mock_service.assert_called(
        "put", times=1, body=b"one\ntwo", path_params={"key": "2024/june.csv"}
    )
    assert [str(call.url) for call in mock_service.history] == [
        f"https://{HOST}/2024/may.csv",
        f"https://{HOST}/2024/june.csv",
    ]


def test_a_connection_that_breaks_is_tried_again(mock_service: MockService, s3: Any) -> None:
    mock_service.register("get", SequenceResponse([ResetResponse(), RawResponse("one\n")]))
    mock_service.register("put", RawResponse(headers={"ETag": '"2"'}))

    assert copy_report(s3, "reports", "may.csv", "june.csv") == 1

    mock_service.assert_called("get", times=2)


def test_an_object_that_there_is_not(mock_service: MockService, s3: Any) -> None:
    error = "<Error><Code>NoSuchKey</Code><Message>Not there.</Message></Error>"
    mock_service.register("get", RawResponse(error, status=404))

    with pytest.raises(s3.exceptions.NoSuchKey, match="Not there"):
        copy_report(s3, "reports", "july.csv", "june.csv")


def test_all_pages_are_listed(mock_service: MockService, s3: Any) -> None:
    mock_service.register("list", listing("2024/may.csv", more="more"))
    mock_service.register("next page", listing("2024/june.csv"))

    assert keys_below(s3, "reports", "2024/") == ["2024/may.csv", "2024/june.csv"]

    mock_service.assert_called("list", times=1, query={"prefix": "2024/"})
