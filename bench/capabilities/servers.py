# mypy: ignore-errors
# (what it imports is installed in another environment)
"""The mocks that are servers: one class for each, as `mocks.py` says."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from textwrap import dedent

HARD_CODED = "http://api.invalid"
"""A host that never resolves (RFC 6761 section 6.4), so nothing can leave the machine."""
SECURE = "https://api.invalid"


class Ours:
    sync_test = dedent("""
        import pytest, requests
        from asyncly.srvmocker import JsonResponse, MockRoute

        @pytest.fixture
        def mock_routes():
            return [MockRoute("GET", "/fact", "fact")]

        def test_it(mock_service):
            mock_service.register("fact", JsonResponse({"n": 1}))
            assert requests.get(str(mock_service.url / "fact"), timeout=2).json() == {"n": 1}
    """)

    hard_coded = True

    @asynccontextmanager
    async def serve(self, *, answer=None, hard_coded=False, **options):
        from asyncly.srvmocker import JsonResponse, MockRoute, start_service

        async with AsyncExitStack() as stack:
            routes = [MockRoute("GET", "/fact", "fact")]
            service = await stack.enter_async_context(start_service(routes, **options))
            service.register("fact", answer or JsonResponse({"n": 1}))
            self.service, self.url = service, str(service.url).rstrip("/")
            if hard_coded:
                from asyncly.srvmocker import intercept

                await stack.enter_async_context(intercept({HARD_CODED: service}, patch=True))
            yield

    def asking(self, called):
        from asyncly.srvmocker import BaseMockResponse, JsonResponse

        class Asking(BaseMockResponse):
            async def response(self, request):
                called()
                return await JsonResponse({"n": 1}).response(request)

        return Asking()

    def disconnect(self):
        from asyncly.srvmocker import DisconnectResponse

        return DisconnectResponse()

    def truncated(self):
        from asyncly.srvmocker import TruncatedResponse

        return TruncatedResponse(b'{"n": 1}')

    def unmatched(self):
        return len(self.service.unmatched)

    @asynccontextmanager
    async def proxy(self):
        from asyncly.srvmocker import start_proxy

        async with start_proxy() as proxy:
            yield str(proxy.url), lambda: [request.method for request in proxy.history]

    @asynccontextmanager
    async def intercepting(self):
        from asyncly.srvmocker import start_proxy

        async with self.serve(), start_proxy(intercept={SECURE: self.service}) as proxy:
            yield str(proxy.url), proxy.tls.ca_pem

    @asynccontextmanager
    async def secure(self, kind):
        from asyncly.srvmocker import Tls

        specs = {"expired": Tls(fault="expired"), "client": Tls(client_cert="required")}
        async with self.serve(tls=specs.get(kind, True)):
            tls = self.service.tls
            yield tls.ca_pem, tls.client_cert_pem if kind == "client" else None

    def shown(self):
        return self.service.last_call("fact").peer_subject


class Asyncly010(Ours):
    hard_coded = False
    intercepting = secure = None

    @asynccontextmanager
    async def secure_with(self, context):
        from asyncly.srvmocker import BaseMockResponse, JsonResponse

        self.seen = seen = []

        class Looking(BaseMockResponse):
            async def response(self, request):
                seen.append(request.transport.get_extra_info("peercert"))
                return await JsonResponse({"n": 1}).response(request)

        async with self.serve(answer=Looking(), ssl_context=context):
            yield

    def shown(self):
        return self.seen[-1]

    def unmatched(self):
        return len(self.service.history)


class HTTPServer:
    sync_test = dedent("""
        import requests

        def test_it(httpserver):
            httpserver.expect_request("/fact").respond_with_json({"n": 1})
            assert requests.get(httpserver.url_for("/fact"), timeout=2).json() == {"n": 1}
    """)

    @asynccontextmanager
    async def serve(self, *, answer=None, **options):
        from pytest_httpserver import HTTPServer

        with HTTPServer(**options) as self.server:
            handler = self.server.expect_request("/fact")
            if answer:
                handler.respond_with_handler(answer)
            else:
                handler.respond_with_json({"n": 1})
            self.url = self.server.url_for("").rstrip("/")
            yield

    def asking(self, called):
        from werkzeug import Response

        def answer(request):
            called()
            return Response('{"n": 1}')

        return answer

    @asynccontextmanager
    async def secure_with(self, context):
        from werkzeug import Response

        self.seen = []

        def answer(request):
            self.seen.append(request.environ.get("SSL_CLIENT_CERT"))
            return Response('{"n": 1}')

        async with self.serve(answer=answer, ssl_context=context):
            yield

    def shown(self):
        return self.seen[-1]

    def truncated(self):
        from werkzeug import Response

        return lambda _: Response('{"n": 1}', headers={"Content-Length": "99"})

    def unmatched(self):
        return len(self.server.log)


class Aresponses:
    hard_coded = True
    sync_test = dedent("""
        import requests

        def test_it(aresponses):
            aresponses.add(path_pattern="/fact", response={"n": 1})
            url = f"http://127.0.0.1:{aresponses.port}/fact"
            assert requests.get(url, timeout=2).json() == {"n": 1}
    """)

    @asynccontextmanager
    async def serve(self, *, answer=None):
        from aresponses import ResponsesMockServer

        loop = asyncio.get_running_loop()
        async with ResponsesMockServer(loop=loop) as self.server:
            self.server.add(path_pattern="/fact", response=answer or {"n": 1}, repeat=9)
            self.url = f"http://127.0.0.1:{self.server.port}"
            yield

    def asking(self, called):
        def answer(request):
            called()
            return self.server.Response(text='{"n": 1}')

        return answer

    def disconnect(self):
        return self._raw("")

    def truncated(self):
        return self._raw('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"n": 1}')

    def _raw(self, text):
        from aresponses import ResponsesMockServer

        return ResponsesMockServer.RawResponse(text)

    def unmatched(self):
        return len(self.server.history)


class Aiointercept:
    hard_coded = True
    origin = HARD_CODED
    sync_test = dedent("""
        import requests

        def test_it(aiointercept_mock):
            aiointercept_mock.get(f"{aiointercept_mock.server_url}/fact", payload={"n": 1})
            url = f"{aiointercept_mock.server_url}/fact"
            assert requests.get(url, timeout=2).json() == {"n": 1}
    """)

    @asynccontextmanager
    async def serve(self, *, answer=None, hard_coded=False):
        from aiointercept import aiointercept

        async with aiointercept(mock_external_urls=hard_coded) as self.mock:
            self.url = self.origin if hard_coded else str(self.mock.server_url).rstrip("/")
            self.mock.get(self.url + "/fact", repeat=True, **(answer or {"payload": {"n": 1}}))
            yield

    def asking(self, called):
        from aiointercept import CallbackResult

        async def answer(url, **kwargs):
            called()
            return CallbackResult(payload={"n": 1})

        return {"callback": answer}

    def disconnect(self):
        return {"exception": True}

    def unmatched(self):
        return len(self.mock.requests)
