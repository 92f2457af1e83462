"""Secrets in headers are in the record, and in no text that anybody reads."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest

from asyncly.srvmocker import (
    CallbackResponse,
    JsonResponse,
    Match,
    MockRoute,
    MockService,
    RecordedRequest,
    start_proxy,
    start_service,
)
from asyncly.srvmocker.report import render_trouble

from .conftest import connect

if TYPE_CHECKING:
    from collections.abc import Sequence

SECRET = "s3cret"
HEADERS = {
    "Authorization": f"Bearer {SECRET}",
    "Proxy-Authorization": f"Basic {SECRET}",
    "Cookie": f"theme=dark; sid={SECRET}",
}
HEAD = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items()).encode()


def explode(value: Any) -> Any:
    raise ValueError(f"not this: {value!r}")


def quote(request: RecordedRequest) -> None:
    raise ValueError(f"not these: {dict(request.headers)}")


WISHES = [
    Match(headers=dict.fromkeys(HEADERS, "other " + SECRET)),
    Match(headers={name: re.compile("other " + SECRET) for name in HEADERS}),
    Match(headers={name: ["other " + SECRET, "x"] for name in HEADERS}),
    Match(headers=dict.fromkeys(HEADERS, None)),
    Match(headers=dict.fromkeys(HEADERS, explode)),
    Match(headers=dict.fromkeys(HEADERS, int)),
    Match(cookies={"sid": "other " + SECRET}),
    Match(cookies={"sid": explode}),
    Match(cookies={"sid": None}),
    Match(predicate=quote),
]


async def ask(service: MockService, *pieces: bytes) -> str:
    async with connect(service.url) as raw:
        for piece in pieces:
            await raw.send(piece)
        return (await raw.rest()).decode()


def texts(service: MockService, match: Match) -> list[str]:
    """Everything that can be said of what came."""
    said = [render_trouble(service, unused=True), repr(match), str(match), repr(service)]
    for exchange in service.exchanges:
        said += [repr(exchange), repr(exchange.request), exchange.outcome]
        said += map(str, match.explain(exchange.request))
        said += [str(item) for _, found in exchange.nearest for item in found]
    for times in (None, 0, 5):
        with pytest.raises(AssertionError) as caught:
            service.assert_called(
                "other" if times == 0 else "fact",
                times=times,
                headers=match.headers if times != 0 else None,
                cookies=match.cookies if times != 0 else None,
                predicate=match.predicate if times != 0 else None,
            )
        said.append(str(caught.value))
    return said


@pytest.mark.parametrize("match", WISHES, ids=str)
async def test_no_text_shows_a_secret(match: Match, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    routes = [MockRoute("GET", "/fact", "fact", match), MockRoute("GET", "/other", "other")]
    async with start_service(routes) as service:
        service.register("other", JsonResponse({}))
        end = b"Host: x\r\nConnection: close\r\n" + HEAD + b"\r\n"
        answers = [
            await ask(service, b"GET /fact HTTP/1.1\r\n" + end),
            await ask(service, b"GET /other HTTP/1.1\r\n" + end),
        ]
        assert answers[0].startswith("HTTP/1.1 404")
        for text in [*answers, *texts(service, match), caplog.text]:
            assert SECRET not in text
        record = service.history[0]
        assert record.headers["Authorization"] == f"Bearer {SECRET}"
        assert record.cookies["sid"] == SECRET


@pytest.mark.parametrize(
    "pieces",
    [
        [b"GET /fact HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer s3cret\0\r\n\r\n"],
        [b"GET /fact HTTP/1.1\r\nHost: x\r\nCookie : sid=s3cret\r\n\r\n"],
        [b"GET /fact HTTP/1.1\r\nHost: x\r\nAuthoriz", b"ation: Bearer s3cret\r\nB\0: x\r\n\r\n"],
        [b"GET /fact HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ", b"s3cret\0\r\n\r\n"],
        [
            b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\nGET /fact HTTP/1.1\r\nAuthoriz",
            b"ation: Bearer s3cret\r\nB\0: x\r\n\r\n",
        ],
        [
            b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\nGET /fact HTTP/1.1\r\nAuthorization: a",
            b" s3cret\0 HTTP/1.1\r\n\r\n",
        ],
    ],
)
async def test_a_malformed_head_shows_no_secret(
    pieces: Sequence[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    async with start_service([MockRoute("GET", "/fact", "fact")]) as service:
        service.register("fact", JsonResponse({}))
        async with connect(service.url) as raw:
            for number, piece in enumerate(pieces):
                await raw.send(piece)
                for _ in range(5):  # the server reads it by itself
                    await asyncio.sleep(0)
                if number == 0 and b"\r\n\r\n" in piece and len(pieces) > 1:
                    await raw.answer()  # the next piece comes by itself
            answer = (await raw.rest()).decode()
        (exchange,) = service.unmatched
        assert "400: this is no HTTP/1.1 request: Invalid header" in answer
        assert b"s3cret" in exchange.request.body
        said = [answer, repr(exchange), exchange.outcome, render_trouble(service), caplog.text]
        for text in said:
            assert SECRET not in text


async def test_what_a_response_says_of_its_request_is_masked_wherever_it_is_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(request: Any) -> None:
        raise ValueError(f"wrong: {request.headers['Authorization']}, {request.headers['Cookie']}")

    async with start_service([MockRoute("GET", "/fact", "fact")]) as service:
        service.register("fact", CallbackResponse(refuse))
        answer = await ask(
            service, b"GET /fact HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + HEAD + b"\r\n"
        )
        for text in (answer, render_trouble(service), caplog.text):
            assert "wrong: Bearer ***, theme=***; sid=***" in text
            assert SECRET not in text
        assert "in refuse\n" in caplog.text


async def test_the_log_stays_short_and_readable_whatever_a_response_raises(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(_: Any) -> None:
        raise ValueError("x" * 1_000_000)

    async with start_service([MockRoute("GET", "/fact", "fact")]) as service:
        service.register("fact", CallbackResponse(refuse))
        head = b"GET /fact HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: a=1; b=e\r\n\r\n"
        assert "ValueError: xxx" in await ask(service, head)
    assert len(caplog.text) < 20_000
    assert "Traceback (most recent call last):" in caplog.text


def test_a_wrong_argument_is_not_quoted_where_it_may_be_a_secret() -> None:
    for part in ("headers", "cookies"):
        wrong: Any = {part: [("Authorization", SECRET)]}
        with pytest.raises(TypeError) as caught:
            Match(**wrong)
        assert str(caught.value) == f"{part}= takes a dict of names and values, got a list"


@pytest.mark.parametrize(
    "line",
    [
        "GET http://cat:s3cret@127.0.0.1:1/a?b=c:d@e HTTP/1.1",
        "GET http://cat:s3cret@127.0.0.1:99999/ HTTP/1.1",
        "GET http://cat:a@s3cret@:1/ HTTP/1.1",
        "GET ftp://cat:s3cret@x/ HTTP/1.1",
        "GET https://cat:s3cret@x/ HTTP/1.1",
        "CONNECT cat:s3cret@x:443 HTTP/1.1",
        "CONNECT cat:s3cret@:443 HTTP/1.1",
        "GET http://cat:s3cret@x\\y/ HTTP/1.1",
    ],
)
async def test_no_text_of_the_proxy_shows_a_password_in_a_target(
    line: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with start_proxy() as proxy, connect(proxy.url) as raw:
        await raw.send(f"{line}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = (await raw.rest()).decode()
        said = [answer, caplog.text, *map(repr, proxy.exchanges), *map(repr, proxy.history)]
        said += [exchange.outcome for exchange in proxy.exchanges]
        for target in ("http://x/", "x", re.compile("http://x/"), len, proxy.url):
            with pytest.raises(AssertionError) as caught:
                proxy.assert_called(target=target, headers={"X": "y"})
            said.append(str(caught.value))
        for text in said:
            assert SECRET not in text
        assert SECRET in proxy.last_call().target
        assert repr(proxy.exchanges[0]).startswith(f"<Exchange {line.split(':')[0]}")
        assert ":***@" in repr(proxy.exchanges[0])


async def test_a_wish_that_differs_in_the_password_alone_says_so_and_hides_both() -> None:
    async with start_proxy() as proxy, connect(proxy.url) as raw:
        target = f"http://cat:s3cret@{proxy.url.authority}/"
        await raw.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await raw.answer()
        proxy.assert_called(target=target)
        with pytest.raises(AssertionError) as caught:
            proxy.assert_called(target=target.replace("s3cret", "guess"))
        shown = target.replace("s3cret", "***")
        assert str(caught.value).splitlines()[-1] == (
            f"    target: expected '{shown}', got '{shown}' (the passwords differ)"
        )
        assert "guess" not in str(caught.value)
