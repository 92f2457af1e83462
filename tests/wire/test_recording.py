"""What is recorded is what was sent, for requests that hypothesis makes up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict
from yarl import URL

from asyncly.srvmocker import JsonResponse, Match, MockRoute, start_service

from .conftest import connect

if TYPE_CHECKING:
    from asyncly.srvmocker import RecordedRequest

_TOKEN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.!~"
names = st.text(_TOKEN, min_size=1, max_size=12).map(lambda name: f"X-{name}")
values = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, blacklist_categories=["Cc"]), max_size=30
).map(str.strip)
methods = st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "PURGE"])
texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=10)
segments = texts.filter(lambda text: text not in (".", ".."))


@settings(deadline=None, max_examples=60)
@given(
    method=methods,
    path=st.lists(segments, max_size=4),
    query=st.lists(st.tuples(texts, texts), max_size=4),
    headers=st.lists(st.tuples(names, values), max_size=6),
    body=st.binary(max_size=2000),
    pieces=st.integers(0, 5),
)
def test_a_raw_request_is_recorded_as_sent(
    method: str,
    path: list[str],
    query: list[tuple[str, str]],
    headers: list[tuple[str, str]],
    body: bytes,
    pieces: int,
) -> None:
    url = URL.build(path="/" + "/".join(path), query=query)
    target = url.raw_path_qs
    framing = "Transfer-Encoding: chunked" if pieces else f"Content-Length: {len(body)}"
    lines = [f"{method} {target} HTTP/1.1", "Host: shop.test", framing]
    lines += [f"{name}: {value}" for name, value in headers]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode()
    call = asyncio.run(send(head + (chunk(body, pieces) if pieces else body)))

    assert (call.method, call.target, call.body) == (method, target, body)
    assert list(call.headers.items())[2:] == headers
    assert call.path == "/" + "/".join(path)
    assert list(call.query.items()) == query
    assert str(call.url) == f"http://shop.test{target}"
    assert Match(body=body, headers=CIMultiDict(headers[:1])).explain(call) == ()


def chunk(body: bytes, pieces: int) -> bytes:
    size = max(1, len(body) // pieces)
    cut = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in [*cut, b""])


async def send(data: bytes) -> RecordedRequest:
    async with start_service([MockRoute("*", "/{tail:(?s:.*)}", "all")]) as service:
        service.register("all", JsonResponse({}))
        async with connect(service.url) as raw:
            await raw.send(data)
            head, _ = await raw.answer()
            assert head.startswith(b"HTTP/1.1 200 "), head
        return service.last_call("all")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=40)
@given(
    data=json_values.filter(lambda data: data is not None),  # to aiohttp, None is no body
    query=st.dictionaries(texts.filter(bool), texts, max_size=3),
)
def test_what_aiohttp_sends_is_what_an_expectation_finds(
    data: object, query: dict[str, str]
) -> None:
    async def main() -> None:
        async with (
            start_service([MockRoute("POST", "/orders", "create")]) as service,
            aiohttp.ClientSession(service.url) as session,
        ):
            service.register("create", JsonResponse({}))
            async with session.post("/orders", json=data, params=query):
                pass
            service.assert_called("create", json=data, query=query, times=1)
            service.assert_called("create", json=[data], times=0)

    asyncio.run(main())
