"""Wrong arguments: each is refused where it is given, in words that say what is taken."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import TYPE_CHECKING, Any

import pytest

from asyncly.srvmocker import (
    CallbackResponse,
    ContentResponse,
    JsonResponse,
    LatencyResponse,
    Match,
    MockRoute,
    MockService,
    RecordedRequest,
    SequenceResponse,
    TruncatedResponse,
    start_proxy,
    start_service,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def wrong(value: object) -> Any:
    """Return a value that a type checker would refuse."""
    return value


ROUTE = MockRoute("GET", "/", "x")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: start_service(wrong(ROUTE)),
            "start_service takes a list of MockRoute objects, got MockRoute('GET', '/', 'x')",
        ),
        (
            lambda: start_service(wrong(None)),
            "start_service takes a list of MockRoute objects, got None",
        ),
        (
            lambda: start_service([], port=wrong("80")),
            "port takes a number, 0 for a free one, got '80'",
        ),
        (lambda: start_service([], port=True), "port takes a number, 0 for a free one, got True"),
        (lambda: start_service([], port=65536), "port takes a number from 0 to 65535, got 65536"),
        (lambda: start_service([], port=-1), "port takes a number from 0 to 65535, got -1"),
        (
            lambda: start_service([], host=wrong(None)),
            "host takes an address or a name, such as '127.0.0.1', got None",
        ),
        (lambda: start_proxy(port=wrong(None)), "port takes a number, 0 for a free one, got None"),
        (lambda: start_proxy(timeout=float("nan")), "timeout takes seconds above 0, got nan"),
        (lambda: Match(headers=wrong({1: "x"})), "headers= takes names that are texts, got 1"),
        (lambda: Match(query=wrong({b"q": 1})), "query= takes names that are texts, got b'q'"),
        (lambda: Match(cookies=wrong({None: 1})), "cookies= takes names that are texts, got None"),
        (
            lambda: SequenceResponse(wrong(JsonResponse(1))),
            "SequenceResponse takes a list of responses, "
            "got JsonResponse(body=1, status=200, headers=None)",
        ),
        (
            lambda: SequenceResponse(wrong(None)),
            "SequenceResponse takes a list of responses, got None",
        ),
        (
            lambda: TruncatedResponse(b"x", declared_length=wrong("8")),
            "declared_length takes a number of bytes, got '8'",
        ),
        (
            lambda: TruncatedResponse(b"", declared_length=True),
            "declared_length takes a number of bytes, got True",
        ),
        (
            lambda: JsonResponse({}, headers=wrong({"X": 1})),
            "the header 'X' takes a text, got 1; write '1'",
        ),
        (
            lambda: JsonResponse({}, headers=wrong({"X": None})),
            "the header 'X' takes a text, got None; leave out a header that is not to be sent",
        ),
        (
            lambda: LatencyResponse(wrong(0.5), wrong(JsonResponse({}))),
            "LatencyResponse takes the response first, then the seconds: "
            "LatencyResponse(JsonResponse(...), 0.5)",
        ),
        (
            lambda: CallbackResponse(wrong({})),
            "CallbackResponse takes a function of the request, got {}",
        ),
        (
            lambda: CallbackResponse(wrong(JsonResponse)),
            "CallbackResponse takes a function of the request, got the class JsonResponse; "
            "a response needs no function around it",
        ),
        (
            lambda: ContentResponse([], serializer=wrong(json.dumps)),
            "serializer takes a Serializer, an object with content_type and dumps(value), "
            "got the function dumps",
        ),
        (
            lambda: ContentResponse([], serializer=wrong(json)),
            "serializer takes a Serializer, an object with content_type and dumps(value), "
            f"got {json!r}",
        ),
        (
            lambda: JsonResponse({}, headers={"X": "\ud800"}),
            "the header 'X' is no text in UTF-8: '\\ud800'",
        ),
    ],
)
def test_it_is_refused_in_words(make: Callable[[], object], text: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        make()
    assert str(caught.value) == text
    gc.collect()  # no socket is left open


@pytest.mark.parametrize("timeout", [-1, float("nan"), "5", True])
async def test_a_time_that_cannot_be_waited_is_refused(timeout: Any) -> None:
    async with start_service([ROUTE]) as service, start_proxy() as proxy:
        with pytest.raises((TypeError, ValueError), match="timeout= takes seconds"):
            service.wait_for_call("x", timeout=timeout)
        with pytest.raises((TypeError, ValueError), match="timeout= takes seconds"):
            proxy.wait_for_call(timeout=timeout)


def test_a_failure_to_bind_leaves_nothing_open() -> None:
    async def start_twice() -> None:
        async with start_service([]) as service:
            taken = MockService([], port=service.url.port or 0)
            for _ in range(2):
                with pytest.raises(OSError, match=r"cannot listen on 127\.0\.0\.1"):
                    await taken.start()
            assert "not started" in repr(taken)

    asyncio.run(start_twice())
    gc.collect()


def test_an_unusual_error_of_a_wish_has_its_name() -> None:
    def refuse(value: object) -> bool:
        pytest.fail("not this one")

    (mismatch,) = Match(query={"a": refuse}).explain(RecordedRequest(target="/?a=1"))
    assert "raised Failed('not this one')" in str(mismatch)
