"""One story, told by clients that nobody here wrote."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp
import httpx
import pytest
import requests

from asyncly.srvmocker import JsonResponse, MockRoute, SequenceResponse, start_service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yarl import URL

HEADERS = {"X-Tenant": "acme", "Authorization": "Bearer t0ken"}
ORDER = {"items": [{"sku": "A-1", "qty": 3}], "note": "Grüße"}


class Client(Protocol):
    """Posts the order and returns the status, the content type and the data of the answer."""

    async def __call__(self, url: URL, /) -> tuple[int, str, Any]: ...


async def with_aiohttp(url: URL) -> tuple[int, str, Any]:
    async with (
        aiohttp.ClientSession(cookies={"theme": "dark"}) as session,
        session.post(url, json=ORDER, headers=HEADERS) as answer,
    ):
        return answer.status, answer.headers["Content-Type"], await answer.json()


async def with_httpx(url: URL) -> tuple[int, str, Any]:
    async with httpx.AsyncClient(cookies={"theme": "dark"}) as client:
        answer = await client.post(str(url), json=ORDER, headers=HEADERS)
    return answer.status_code, answer.headers["Content-Type"], answer.json()


async def with_requests(url: URL) -> tuple[int, str, Any]:
    def post() -> requests.Response:
        cookies = {"theme": "dark"}
        return requests.post(str(url), json=ORDER, headers=HEADERS, cookies=cookies, timeout=10)

    answer = await asyncio.to_thread(post)
    return answer.status_code, answer.headers["Content-Type"], answer.json()


async def with_urllib(url: URL) -> tuple[int, str, Any]:
    headers = {**HEADERS, "Content-Type": "application/json", "Cookie": "theme=dark"}

    def post() -> tuple[int, str, Any]:
        request = urllib.request.Request(str(url), json.dumps(ORDER).encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], json.load(answer)

    return await asyncio.to_thread(post)


async def with_curl(url: URL) -> tuple[int, str, Any]:
    headers: Mapping[str, str] = {**HEADERS, "Content-Type": "application/json"}
    lines = [part for item in headers.items() for part in ("-H", ": ".join(item))]
    process = await asyncio.create_subprocess_exec(
        *["curl", "-sS", "-b", "theme=dark", *lines, "--data-raw", json.dumps(ORDER)],
        *["-w", "\n%{http_code} %{content_type}", str(url)],
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    body, _, last = out.decode().rpartition("\n")
    status, _, content_type = last.partition(" ")
    return int(status), content_type, json.loads(body)


@pytest.mark.parametrize("post", [with_aiohttp, with_httpx, with_requests, with_urllib, with_curl])
async def test_what_a_client_sends_is_what_the_test_sees(post: Client) -> None:
    async with start_service([MockRoute("POST", "/shops/{shop}/orders", "create")]) as service:
        service.register("create", JsonResponse({"id": 7}, 201))

        got = await post(service.url / "shops" / "5" / "orders" % {"dry": "no", "tag": "a b"})

        assert got == (201, "application/json", {"id": 7})
        service.assert_called(
            "create",
            times=1,
            json=ORDER,
            headers={"x-tenant": "acme", "Content-Type": "application/json"},
            query={"dry": "no", "tag": "a b"},
            path_params={"shop": 5},
            cookies={"theme": "dark"},
        )
        call = service.last_call("create")
        assert (call.method, call.path, call.handler_name) == ("POST", "/shops/5/orders", "create")
        assert call.headers["Authorization"] == "Bearer t0ken"
        assert call.json() == ORDER
        assert call.url.host == "127.0.0.1"
        assert not service.unmatched
        assert not service.errors


async def test_a_connection_that_is_kept_alive_has_one_number() -> None:
    async with start_service([MockRoute("GET", "/fact", "fact")]) as service:
        service.register("fact", JsonResponse({}))
        for _ in range(2):
            async with aiohttp.ClientSession(service.url) as session:
                for _ in range(3):
                    async with session.get("/fact") as answer:
                        await answer.read()
        assert [call.connection for call in service.get_calls("fact")] == [1, 1, 1, 2, 2, 2]
        times = [call.received_at for call in service.history]
        assert times == sorted(times)


async def test_the_page_that_the_project_began_with() -> None:
    routes = [MockRoute(method="GET", path="/fact", handler_name="fact")]
    async with start_service(routes) as service, aiohttp.ClientSession(service.url) as session:
        service.register("fact", JsonResponse({"fact": "Meow.", "length": 5}))
        async with session.get("/fact") as answer:
            assert await answer.json() == {"fact": "Meow.", "length": 5}
        service.register("fact", JsonResponse({"fact": "Purr.", "length": 5}))
        async with session.get("/fact") as answer:
            assert await answer.json() == {"fact": "Purr.", "length": 5}
        service.assert_called("fact", times=2)
        assert service.url.scheme == "http"


async def test_retries_of_a_client_get_one_response_after_the_other() -> None:
    async with start_service([MockRoute("GET", "/fact", "fact")]) as service:
        failures = [JsonResponse({}, 503, {"Retry-After": "0"})] * 2
        service.register("fact", SequenceResponse([*failures, JsonResponse({"fact": "Meow."})]))

        def fetch() -> requests.Response:
            retry = requests.adapters.Retry(total=3, status_forcelist=[503])
            with requests.Session() as session:
                session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
                return session.get(str(service.url / "fact"), timeout=10)

        answer = await asyncio.to_thread(fetch)

        assert answer.json() == {"fact": "Meow."}
        service.assert_called("fact", times=3)
        assert [exchange.status for exchange in service.exchanges] == [503, 503, 200]
