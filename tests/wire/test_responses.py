"""What each response puts on the wire, and what clients make of it."""

from __future__ import annotations

import asyncio
import subprocess
import tomllib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import msgspec
import pytest
import requests
import yaml
from aiohttp import web

from asyncly.srvmocker import (
    BaseMockResponse,
    CallbackResponse,
    ContentResponse,
    DisconnectResponse,
    JsonResponse,
    LatencyResponse,
    MockService,
    MsgpackResponse,
    RawResponse,
    SequenceResponse,
    Serializer,
    TomlResponse,
    TruncatedResponse,
    YamlResponse,
    start_service,
)
from asyncly.srvmocker.serialization import JsonSerializer

from .conftest import ROUTES, connect

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = {"name": "Grüße", "items": [1, 2.5, True], "more": {"a": "b"}}


@pytest.mark.parametrize(
    ("response", "content_type", "parse"),
    [
        (JsonResponse(DATA), "application/json", None),
        (MsgpackResponse(DATA), "application/msgpack", msgspec.msgpack.decode),
        (TomlResponse(DATA), "application/toml", lambda body: tomllib.loads(body.decode())),
        (YamlResponse(DATA), "application/yaml", yaml.safe_load),
        (ContentResponse(DATA, serializer=JsonSerializer()), "application/json", None),
    ],
)
async def test_data_is_sent_in_its_format(
    service: MockService,
    session: aiohttp.ClientSession,
    response: BaseMockResponse,
    content_type: str,
    parse: Callable[[bytes], object] | None,
) -> None:
    service.register("fact", response)
    async with session.get("/fact") as answer:
        assert answer.status == 200
        assert answer.content_type == content_type
        body = await answer.read()
        assert (parse(body) if parse else await answer.json()) == DATA
        assert answer.headers.getall("Content-Length") == [str(len(body))]


@pytest.mark.parametrize(
    ("response", "body", "content_type"),
    [
        (RawResponse("Grüße"), "Grüße".encode(), "text/plain; charset=utf-8"),
        (RawResponse(b"\x00\xff"), b"\x00\xff", "text/plain; charset=utf-8"),
        (ContentResponse(b"\x00"), b"\x00", "application/octet-stream"),
        (ContentResponse("text"), b"text", "application/octet-stream"),
        (RawResponse(b""), b"", "text/plain; charset=utf-8"),
    ],
)
async def test_bytes_and_text_are_sent_as_they_are(
    service: MockService,
    session: aiohttp.ClientSession,
    response: BaseMockResponse,
    body: bytes,
    content_type: str,
) -> None:
    service.register("fact", response)
    async with session.get("/fact") as answer:
        assert await answer.read() == body
        assert answer.headers["Content-Type"] == content_type


@pytest.mark.parametrize("kind", [JsonResponse, RawResponse, ContentResponse, YamlResponse])
@pytest.mark.parametrize("name", ["Content-Type", "content-type"])
@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_callers_content_type_wins_and_is_sent_once(
    service: MockService,
    session: aiohttp.ClientSession,
    kind: type[Any],
    name: str,
    wrapped: bool,
) -> None:
    response = kind("x", 418, {name: "application/problem+json", "X-A": "1"})
    service.register("fact", LatencyResponse(response, 0) if wrapped else response)
    async with session.get("/fact") as answer:
        assert answer.status == 418
        assert answer.headers.getall("Content-Type") == ["application/problem+json"]
        assert answer.headers["X-A"] == "1"


async def test_headers_are_sent_in_order_and_more_than_once(service: MockService) -> None:
    pairs = [("Set-Cookie", "a=1"), ("X-Z", "ü"), ("Set-Cookie", "b=2")]
    service.register("fact", RawResponse("ok", 200, pairs))
    async with connect(service.url) as raw:
        await raw.send(b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\n")
        head, body = await raw.answer()
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    assert lines[1:4] == ["Set-Cookie: a=1", "X-Z: ü", "Set-Cookie: b=2"]
    assert body == b"ok"


async def test_an_answer_carries_the_time(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    async with session.get("/fact") as answer:
        sent = parsedate_to_datetime(answer.headers["Date"])
    assert before <= sent <= datetime.now(UTC)


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_a_body_has_none(service: MockService, status: int) -> None:
    service.register("fact", JsonResponse({"never": "sent"}, status))
    async with connect(service.url) as raw:
        await raw.send(b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        for _ in range(2):
            head, body = await raw.answer()
            assert head.startswith(b"HTTP/1.1 %d " % status)
            assert b"content-length" not in head.lower()
            assert body == b""


@pytest.mark.parametrize(
    ("version", "connection", "stays"),
    [
        ("1.1", None, True),
        ("1.1", "close", False),
        ("1.0", None, False),
        ("1.0", "keep-alive", True),
    ],
)
@pytest.mark.parametrize("canned", [True, False])
async def test_the_connection_stays_as_the_version_says(
    service: MockService, version: str, connection: str | None, stays: bool, canned: bool
) -> None:
    if not canned:
        service.register("fact", CallbackResponse(lambda request: {"fact": "Meow."}))
    wish = f"Connection: {connection}\r\n" if connection else ""
    async with connect(service.url) as raw:
        await raw.send(f"GET /fact HTTP/{version}\r\nHost: x\r\n{wish}\r\n".encode())
        head, body = await raw.answer()
        assert body == b'{"fact": "Meow."}'
        if stays:
            await raw.send(b"GET /fact HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            head, _ = await raw.answer()
        assert await raw.rest() == b""
    assert (b"connection: close" in head.lower()) is (stays or version == "1.1")


async def test_an_answer_that_announces_the_end_of_the_connection_ends_it(
    service: MockService,
) -> None:
    service.register("fact", RawResponse("bye", 200, {"Connection": "close"}))
    async with connect(service.url) as raw:
        await raw.send(b"GET /fact HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await raw.rest()).endswith(b"\r\n\r\nbye")


async def test_an_answer_may_be_chunked(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    service.register("fact", JsonResponse({"a": 1}, 200, {"Transfer-Encoding": "chunked"}))
    async with session.get("/fact") as answer:
        assert "Content-Length" not in answer.headers
        assert await answer.json() == {"a": 1}


async def test_what_is_registered_stays_as_it_was(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    data = {"cats": ["Tom"]}
    service.register("fact", JsonResponse(data))
    data["cats"].append("later")
    async with session.get("/fact") as answer:
        assert await answer.json() == {"cats": ["Tom"]}


async def test_a_serializer_of_a_users_own(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    class CsvSerializer(Serializer):
        content_type = "text/csv"

        def dumps(self, obj: Any) -> bytes:
            return "\n".join(",".join(map(str, row)) for row in obj).encode()

    service.register("fact", ContentResponse([[1, 2], [3, 4]], serializer=CsvSerializer()))
    async with session.get("/fact") as answer:
        assert answer.content_type == "text/csv"
        assert await answer.text() == "1,2\n3,4"


class NothingSerializer(Serializer):
    content_type = "a/b"

    def dumps(self, value: Any) -> Any:
        return None


@pytest.mark.parametrize(
    ("serializer", "complaint"),
    [
        (JsonSerializer, r"serializer takes an object, got the class JsonSerializer: write Json"),
        (NothingSerializer(), r"cannot be sent as a/b: dumps returned None, not bytes or text"),
    ],
)
async def test_a_serializer_that_cannot_work_is_refused(
    service: MockService, serializer: Any, complaint: str
) -> None:
    with pytest.raises(TypeError, match=complaint):
        service.register("fact", ContentResponse([], serializer=serializer))


@pytest.mark.parametrize(
    ("response", "complaint"),
    [
        (TomlResponse([1]), r"TomlResponse: the body cannot be sent as application/toml: .*\[1\]"),
        (
            YamlResponse(object()),
            "YamlResponse: the body cannot be sent as application/yaml: .*cannot",
        ),
        (
            web.Response(),
            r"an answer of aiohttp can be sent once: "
            r"CallbackResponse\(lambda request: web\.Response\(\.\.\.\)\) makes one for each",
        ),
        ([JsonResponse(1)], r"one after the other is SequenceResponse\(\[\.\.\.\]\)"),
        ([1], r"wrap data in JsonResponse\(\.\.\.\)"),
    ],
)
async def test_what_cannot_be_sent_is_refused_when_it_is_registered(
    service: MockService, response: Any, complaint: str
) -> None:
    with pytest.raises(TypeError, match=complaint):
        service.register("fact", response)


async def test_a_callback_that_returns_bytes_is_told_what_to_return(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    service.register("fact", CallbackResponse(lambda request: b"Meow."))
    async with session.get("/fact") as answer:
        assert "TypeError: the lambda returned b'Meow.': for bytes return RawResponse(...)" in (
            await answer.text()
        )


async def test_a_serializer_may_return_text(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    class TextSerializer(Serializer):
        content_type = "text/plain"

        def dumps(self, value: Any) -> str:
            return f"Grüße, {value}"

    service.register("fact", ContentResponse("Tom", serializer=TextSerializer()))
    async with session.get("/fact") as answer:
        assert await answer.read() == "Grüße, Tom".encode()


async def statuses(session: aiohttp.ClientSession, times: int) -> list[int]:
    found = []
    for _ in range(times):
        async with session.get("/fact") as answer:
            found.append(answer.status)
    return found


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("raise", [503, 200, 500, 500]),
        ("cycle", [503, 200, 503, 200]),
        ("last", [503, 200, 200, 200]),
    ],
)
async def test_a_sequence_answers_in_turn(
    service: MockService, session: aiohttp.ClientSession, mode: Any, expected: list[int]
) -> None:
    steps = [JsonResponse({}, 503), JsonResponse({})]
    service.register("fact", SequenceResponse(steps, on_exhausted=mode))
    assert await statuses(session, 4) == expected
    service.reset()
    assert await statuses(session, 2) == expected[:2]


async def test_one_sequence_keeps_its_place_in_each_registration(
    session: aiohttp.ClientSession, service: MockService
) -> None:
    sequence = SequenceResponse([RawResponse("one"), RawResponse("two")])
    async with start_service(ROUTES) as second, aiohttp.ClientSession(second.url) as other:
        service.register("fact", sequence)
        service.register("create", sequence)
        second.register("fact", SequenceResponse([sequence, sequence]))
        texts = []
        for where, method, path in [
            (session, "GET", "/fact"),
            (session, "POST", "/orders"),
            (other, "GET", "/fact"),
            (session, "GET", "/fact"),
            (other, "GET", "/fact"),
            (session, "POST", "/orders"),
        ]:
            async with where.request(method, path) as answer:
                texts.append(await answer.text())
    assert texts == ["one", "one", "one", "two", "two", "two"]


async def test_a_late_answer_lets_a_client_time_out(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    service.register("fact", LatencyResponse(JsonResponse({}), 60))
    with pytest.raises(asyncio.TimeoutError):
        await session.get("/fact", timeout=aiohttp.ClientTimeout(total=0.05))
    service.assert_called("fact", times=1)


async def test_a_late_answer_comes(service: MockService, session: aiohttp.ClientSession) -> None:
    service.register("fact", LatencyResponse(JsonResponse({"late": True}), 0.01))
    async with session.get("/fact") as answer:
        assert await answer.json() == {"late": True}
    (exchange,) = service.exchanges
    assert exchange.finished_at is not None
    assert exchange.finished_at - exchange.request.received_at >= 0.01


async def fetch_with_curl(service: MockService) -> int:
    process = await asyncio.create_subprocess_exec(
        "curl", "-s", "-o", "/dev/null", str(service.url / "fact"), stdout=subprocess.DEVNULL
    )
    return await process.wait()


async def test_what_clients_raise_when_the_server_disconnects(service: MockService) -> None:
    service.register("fact", DisconnectResponse())
    url = str(service.url / "fact")
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await session.get(url)
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(url)
    with pytest.raises(requests.ConnectionError):
        await asyncio.to_thread(requests.get, url, timeout=10)
    assert await fetch_with_curl(service) == 52
    assert {exchange.outcome for exchange in service.exchanges} == {
        "disconnected without an answer"
    }
    assert service.errors == ()


async def test_what_clients_raise_when_the_answer_is_truncated(service: MockService) -> None:
    service.register("fact", TruncatedResponse(b'{"a": 1', declared_length=8))
    url = str(service.url / "fact")
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(url)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        await asyncio.to_thread(requests.get, url, timeout=10)
    assert await fetch_with_curl(service) == 18
    assert {exchange.outcome for exchange in service.exchanges} == {"truncated after 7 of 8 bytes"}
    assert {exchange.status for exchange in service.exchanges} == {200}


def sync_data(request: web.Request) -> object:
    return {"path": request.path}


async def async_data(request: web.Request) -> object:
    return {"path": request.path, "sent": await request.json()}


def a_response(request: web.Request) -> object:
    return JsonResponse({"a": 1}, 202)


def an_aiohttp_response(request: web.Request) -> object:
    return web.json_response({"b": 2}, status=203)


@pytest.mark.parametrize(
    ("function", "status", "data"),
    [
        (sync_data, 200, {"path": "/orders"}),
        (async_data, 200, {"path": "/orders", "sent": [1]}),
        (a_response, 202, {"a": 1}),
        (an_aiohttp_response, 203, {"b": 2}),
        (lambda request: [], 200, []),
        (lambda request: DATA, 200, DATA),
        (lambda request: "text", 200, "text"),
    ],
)
async def test_a_callback_answers(
    service: MockService,
    session: aiohttp.ClientSession,
    function: Callable[[web.Request], object],
    status: int,
    data: object,
) -> None:
    service.register("create", CallbackResponse(function))
    async with session.post("/orders", json=[1]) as answer:
        assert answer.status == status
        assert await answer.json() == data


async def test_a_stream_of_a_users_own(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    class Ticker(BaseMockResponse):
        async def response(self, request: web.Request) -> web.StreamResponse:
            answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await answer.prepare(request)
            for number in range(3):
                await answer.write(f"data: {number}\n\n".encode())
            return answer

    service.register("fact", Ticker())
    async with session.get("/fact") as answer:
        assert await answer.text() == "data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert service.exchanges[0].outcome == "200"


async def test_a_client_that_leaves_ends_a_stream_of_a_users_own(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    ended = asyncio.Event()

    class Endless(BaseMockResponse):
        async def response(self, request: web.Request) -> web.StreamResponse:
            answer = web.StreamResponse()
            await answer.prepare(request)
            try:
                while True:
                    await answer.write(b"more\n")
                    await asyncio.sleep(0)
            finally:
                ended.set()

    service.register("fact", Endless())
    async with session.get("/fact") as answer:
        assert await answer.content.readline() == b"more\n"
        answer.close()
    await ended.wait()
    await asyncio.sleep(0)
    assert service.exchanges[0].fault == "the client disconnected"
    assert service.errors == ()


async def test_a_websocket_of_a_users_own(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    class Echo(BaseMockResponse):
        async def response(self, request: web.Request) -> web.StreamResponse:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            async for message in socket:
                await socket.send_str(message.data.upper())
            return socket

    service.register("fact", Echo())
    async with session.ws_connect("/fact") as socket:
        await socket.send_str("meow")
        assert await socket.receive_str() == "MEOW"
    service.assert_called("fact", headers={"Upgrade": "websocket"})


async def test_a_subclass_of_a_response_is_asked_at_each_request(
    service: MockService, session: aiohttp.ClientSession
) -> None:
    class Tagged(JsonResponse):
        async def response(self, request: web.Request) -> web.StreamResponse:
            answer = await super().response(request)
            answer.headers["X-Path"] = request.path
            return answer

    service.register("fact", Tagged({"a": 1}))
    async with session.get("/fact") as answer:
        assert answer.headers["X-Path"] == "/fact"
        assert await answer.json() == {"a": 1}
