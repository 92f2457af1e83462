# mypy: ignore-errors
# (what it imports is installed in another environment)
"""The mocks that patch a client: one class for each, as `mocks.py` says."""

from __future__ import annotations

from contextlib import asynccontextmanager
from textwrap import dedent

from .servers import HARD_CODED


class Respx:
    hard_coded = True
    origin = HARD_CODED
    sync_test = dedent("""
        import httpx

        def test_it(respx_mock):
            respx_mock.get("http://api.invalid/fact").respond(json={"n": 1})
            assert httpx.get("http://api.invalid/fact").json() == {"n": 1}
    """)

    @asynccontextmanager
    async def serve(self, *, answer=None):
        import respx

        with respx.mock(assert_all_called=False) as self.mock:
            route = self.mock.get(self.origin + "/fact")
            if answer:
                route.mock(side_effect=answer)
            else:
                route.respond(json={"n": 1})
            self.url = self.origin
            yield

    def asking(self, called):
        import httpx

        def answer(request):
            called()
            return httpx.Response(200, json={"n": 1})

        return answer

    def disconnect(self):
        import httpx

        return httpx.RemoteProtocolError("disconnected")

    truncated = disconnect

    def expired(self):
        import httpx

        return httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired")

    def unmatched(self):
        return len(self.mock.calls)


class PytestHTTPX:
    """A fixture only, so a pytest runs it: what is tried in a loop is tried in that test."""

    hard_coded = True
    origin = HARD_CODED
    sync_test = dedent("""
        import httpx

        def test_it(httpx_mock):
            httpx_mock.add_response(url="http://api.invalid/fact", json={"n": 1})
            assert httpx.get("http://api.invalid/fact").json() == {"n": 1}
    """)
    fixture = "httpx_mock"

    @asynccontextmanager
    async def serve(self, *, answer=None):
        mock = self.given
        if answer:
            mock.add_callback(answer, url=self.origin + "/fact", is_optional=True, is_reusable=True)
        else:
            mock.add_response(
                json={"n": 1}, url=self.origin + "/fact", is_optional=True, is_reusable=True
            )
        self.url = self.origin
        yield
        self.given.reset()

    asking = Respx.asking

    def disconnect(self):
        import httpx

        def answer(request):
            raise httpx.RemoteProtocolError("disconnected", request=request)

        return answer

    truncated = disconnect

    def expired(self):
        import httpx

        def answer(request):
            text = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired"
            raise httpx.ConnectError(text, request=request)

        return answer

    def unmatched(self):
        return len(self.given.get_requests())


class Aioresponses:
    hard_coded = True
    origin = HARD_CODED
    sync_test = dedent("""
        import asyncio
        import aiohttp
        from aioresponses import aioresponses
        from unittest.mock import Mock

        class Response(aiohttp.ClientResponse):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **{"stream_writer": Mock(), **kwargs})

        async def fetch():
            async with aiohttp.ClientSession() as session:
                async with session.get("http://api.invalid/fact") as answer:
                    return await answer.json()

        def test_it():
            with aioresponses() as mock:
                mock.get("http://api.invalid/fact", payload={"n": 1}, response_class=Response)
                assert asyncio.run(fetch()) == {"n": 1}
    """)

    @asynccontextmanager
    async def serve(self, *, answer=None):
        from aioresponses import aioresponses

        from ..mistakes.adapters.aioresponses import Response

        with aioresponses() as self.mock:
            named = answer or {"payload": {"n": 1}}
            self.mock.get(self.origin + "/fact", repeat=True, response_class=Response, **named)
            self.url = self.origin
            yield

    def asking(self, called):
        return {"callback": lambda *_, **__: called()}

    def disconnect(self):
        import aiohttp

        return {"exception": aiohttp.ServerDisconnectedError()}

    truncated = disconnect

    def expired(self):
        import aiohttp

        reason = Exception("[SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired")
        return {"exception": aiohttp.ClientConnectorCertificateError(None, reason)}

    def unmatched(self):
        return len(self.mock.requests)
