"""Bodies of every kind and size, and clients that send them in every way HTTP/1.1 allows."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from io import BytesIO
from typing import TYPE_CHECKING

import aiohttp
import pytest

from asyncly.srvmocker import (
    BaseMockResponse,
    CallbackResponse,
    FormFile,
    JsonResponse,
    MockRoute,
    MockService,
    RawResponse,
    start_service,
)

from .conftest import ROUTES, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

BIG = bytes(range(256)) * (100 * 1024 * 4)  # 100 MiB


async def test_a_body_of_100_mb_arrives_whole(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    async with session.put("/blobs/big", data=BytesIO(BIG)) as answer:
        assert answer.status == 201
    received = service.last_call("blob").body
    assert len(received) == len(BIG)
    assert received == BIG


async def test_a_chunked_body_of_100_mb_arrives_whole(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(BIG), 1 << 20):
            yield BIG[start : start + (1 << 20)]

    async with session.put("/blobs/big", data=pieces()) as answer:
        assert answer.status == 201
    call = service.last_call("blob")
    assert call.headers["Transfer-Encoding"] == "chunked"
    assert call.body == BIG


async def test_an_answer_of_100_mb_arrives_whole(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    service.register("fact", RawResponse(BIG))
    async with session.get("/fact") as answer:
        assert await answer.read() == BIG


@pytest.mark.parametrize("in_one_write", [True, False])
async def test_expect_100_continue_is_answered(service: MockService, in_one_write: bool) -> None:
    head = b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    async with connect(service.url) as raw:
        if in_one_write:
            await raw.send(head + b"{}")
        else:
            await raw.send(head)
            assert await raw.answer() == (b"HTTP/1.1 100 Continue\r\n\r\n", b"")
            await raw.send(b"{}")
        head, body = await raw.answer()
    assert head.startswith(b"HTTP/1.1 201 ")
    assert body == b'{"id": 1}'
    assert service.last_call("create").body == b"{}"


async def test_pipelined_requests_are_answered_in_order(service: MockService) -> None:
    first = b"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    second = b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\n"
    third = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
    async with connect(service.url) as raw:
        await raw.send((first + second + third) * 3)
        statuses = [(await raw.answer())[0].split()[1] for _ in range(9)]
    assert statuses == [b"201", b"200", b"404"] * 3
    assert [call.handler_name for call in service.history] == ["create", "fact", None] * 3
    assert [call.body for call in service.get_calls("create")] == [b"abc"] * 3


async def test_a_request_may_come_byte_by_byte(service: MockService) -> None:
    async with connect(service.url) as raw:
        sent = b"POST /orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        sent += b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nTrailer: 1\r\n\r\n"
        for byte in sent:
            await raw.send(bytes([byte]))
        head, _ = await raw.answer()
    assert head.startswith(b"HTTP/1.1 201 ")
    assert service.last_call("create").body == b"abcde"


@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)]
)
async def test_a_compressed_body_is_kept_as_sent_and_read_decoded(
    service: MockService, session: aiohttp.ClientSession, coding: str, pack: type[bytes]
) -> None:
    packed = pack(b'{"qty": 3}')
    seen: list[object] = []

    async def look(request: web.Request) -> object:
        seen.append((await request.json(), await request.read()))
        return {}

    service.register("create", CallbackResponse(look))
    headers = {"Content-Encoding": coding, "Content-Type": "application/json"}
    async with session.post("/orders", data=packed, headers=headers) as answer:
        assert answer.status == 200
    service.assert_called("create", json={"qty": 3}, body=packed)
    assert service.last_call("create").text == '{"qty": 3}'
    assert seen == [({"qty": 3}, b'{"qty": 3}')]


async def test_a_body_that_is_no_json_is_a_difference_and_no_500(
    session: aiohttp.ClientSession, service: MockService
) -> None:
    async with session.post("/orders", data=b"\xff{") as answer:
        assert answer.status == 201
    with pytest.raises(AssertionError, match=r"json: expected \{\}, got b'\\xff\{'"):
        service.assert_called("create", json={})


async def test_an_upload_is_read_by_the_response_and_by_the_test(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    class CountParts(BaseMockResponse):
        async def response(self, request: web.Request) -> web.StreamResponse:
            names = []
            async for part in await request.multipart():
                assert isinstance(part, aiohttp.BodyPartReader)
                names.append((part.name, part.filename, bytes(await part.read())))
            fields = await request.post()
            assert list(fields) == ["note", "photo"]
            assert await request.content.read() == request_body()
            return aiohttp.web.json_response(str(names))

    def request_body() -> bytes:
        return service.last_call("create").body

    service.register("create", CountParts())
    form = aiohttp.FormData()
    form.add_field("note", "a cat")
    form.add_field("photo", b"\x89PNG", filename="cat.png", content_type="image/png")
    async with session.post("/orders", data=form) as answer:
        assert answer.status == 200, await answer.text()
        assert (
            await answer.json() == "[('note', None, b'a cat'), ('photo', 'cat.png', b'\\x89PNG')]"
        )
    file = FormFile("cat.png", "image/png", b"\x89PNG")
    service.assert_called("create", form={"note": "a cat", "photo": file})


@pytest.mark.parametrize(
    "body",
    [b"Content-Length: 100\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n9\r\nhalf"],
    ids=["sized", "chunked"],
)
@pytest.mark.parametrize("how", ["fin", "rst"])
async def test_a_client_that_vanishes_within_its_body_is_recorded(
    service: MockService, body: bytes, how: str
) -> None:
    async with connect(service.url) as raw:
        await raw.send(b"POST /orders HTTP/1.1\r\nHost: x\r\n" + body)
        while not service._serving._server.connections:  # type: ignore[union-attr]
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        if how == "fin":
            raw.writer.close()
        else:
            raw.writer.transport.abort()
        (call,) = await service.wait_for_call("create")
    assert call.body == b"half"
    (exchange,) = service.exchanges
    assert exchange.outcome == "the client disconnected within the body"
    assert exchange.status is None
    assert service.errors == ()


@pytest.mark.parametrize(
    ("size", "status"), [(10, 201), (11, 413)], ids=["at the limit", "above it"]
)
@pytest.mark.parametrize("chunked", [True, False])
async def test_a_limit_on_the_body_is_the_users_to_set(
    size: int, status: int, chunked: bool
) -> None:
    async with (
        start_service(ROUTES, max_body_size=10) as service,
        aiohttp.ClientSession(service.url) as session,
    ):
        service.register("create", JsonResponse({}, 201))
        async with session.post("/orders", data=bytes(size), chunked=chunked or None) as answer:
            assert answer.status == status
            text = await answer.text()
        if status == 413:
            assert text == "413: the body is larger than max_body_size=10 bytes\n"
            assert service.exchanges[0].status == 413
        assert len(service.get_calls("create")[0].body) == size


async def test_no_limit_is_none_even_for_bodies_that_aiohttp_would_refuse(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    async def read(request: web.Request) -> object:
        return len(await request.read()) + len(await request.text())

    service.register("create", CallbackResponse(read))
    async with session.post("/orders", data=BytesIO(bytes(3 << 20))) as answer:
        assert await answer.json() == 6 << 20


async def test_a_get_with_a_body_and_a_post_without_one(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    async with session.get("/fact", data=b"odd") as answer:
        assert answer.status == 200
    async with session.post("/orders") as answer:
        assert answer.status == 201
    assert service.last_call("fact").body == b"odd"
    assert service.last_call("create").body == b""


async def test_head_and_other_methods(session: aiohttp.ClientSession) -> None:
    routes = [MockRoute("*", "/any", "any")]
    async with start_service(routes) as service, aiohttp.ClientSession(service.url) as other:
        service.register("any", JsonResponse({"a": 1}))
        for method in ["HEAD", "OPTIONS", "PATCH", "PROPFIND"]:
            async with other.request(method, "/any") as answer:
                assert answer.status == 200
                assert await answer.read() == (b"" if method == "HEAD" else b'{"a": 1}')
                assert answer.headers["Content-Length"] == "8"
        assert [call.method for call in service.history] == ["HEAD", "OPTIONS", "PATCH", "PROPFIND"]
