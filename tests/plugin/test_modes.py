"""The fixtures work in every way to run tests that there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Run

AIOHTTP_TEST = """
import aiohttp

async def test_call(mock_service):
    mock_service.register("fact", JsonResponse({"fact": "Meow."}))
    async with aiohttp.ClientSession() as session:
        async with session.get(mock_service.url / "fact") as answer:
            assert await answer.json() == {"fact": "Meow."}
    mock_service.assert_called("fact", times=1)

async def test_again(mock_service):
    await test_call(mock_service)
"""
FIXTURES_TEST = """
import aiohttp

@pytest.fixture
def base_url(mock_service):
    mock_service.register("fact", RawResponse("from a sync fixture"))
    return mock_service.url

@pytest_asyncio.fixture(loop_scope="function")
async def session(base_url):
    async with aiohttp.ClientSession(base_url) as session:
        async with session.get("/fact") as answer:  # while the fixture is set up
            assert answer.status == 200
        yield session
        async with session.get("/fact") as answer:  # while it is torn down
            assert answer.status == 200

async def test_only_fixtures_touch_the_service(session):
    async with session.get("/fact") as answer:
        assert await answer.text() == "from a sync fixture"
"""


@pytest.mark.parametrize("ini", ["asyncio_mode = strict", "asyncio_mode = auto"])
@pytest.mark.parametrize("scope", ["function", "module", "session"])
def test_pytest_asyncio(run: Run, ini: str, scope: str) -> None:
    mark = f'\nimport pytest_asyncio\npytestmark = pytest.mark.asyncio(loop_scope="{scope}")\n'
    result = run(mark + AIOHTTP_TEST, plugins=("asyncio",), ini=ini)
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize("scope", ["function", "session"])
def test_async_fixtures_call_it_in_setup_and_teardown(run: Run, scope: str) -> None:
    mark = "\nimport pytest_asyncio\npytestmark = pytest.mark.asyncio\n"
    code = FIXTURES_TEST.replace('loop_scope="function"', f'loop_scope="{scope}"')
    code = code.replace(
        "async def test_", f'@pytest.mark.asyncio(loop_scope="{scope}")\nasync def test_'
    )
    result = run(mark + code, plugins=("asyncio",), ini="asyncio_mode = strict")
    result.assert_outcomes(passed=1)


def test_a_fixture_in_another_loop_than_the_test(run: Run) -> None:
    code = """
import aiohttp, pytest_asyncio

@pytest_asyncio.fixture(loop_scope="session")
async def warmed(mock_service):
    mock_service.register("fact", RawResponse("ok"))
    async with aiohttp.ClientSession() as session:
        async with session.get(mock_service.url / "fact") as answer:
            assert answer.status == 200
    return mock_service

@pytest.mark.asyncio(loop_scope="function")
async def test_other_loop(warmed):
    async with aiohttp.ClientSession() as session:
        async with session.get(warmed.url / "fact") as answer:
            assert answer.status == 200
    warmed.assert_called("fact", times=2)
"""
    run(code, plugins=("asyncio",), ini="asyncio_mode = strict").assert_outcomes(passed=1)


def test_pytest_aiohttp(run: Run) -> None:
    code = (
        AIOHTTP_TEST
        + """
async def test_with_aiohttp_client(mock_service, aiohttp_client):
    from aiohttp import web
    app = web.Application()
    await aiohttp_client(app)
    await test_call(mock_service)
"""
    )
    run(code, plugins=("asyncio", "aiohttp"), ini="asyncio_mode = auto").assert_outcomes(passed=3)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_anyio(run: Run, backend: str) -> None:
    code = f"""
import httpx
pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "{backend}"

@pytest.fixture
async def client(mock_service):
    async with httpx.AsyncClient(base_url=str(mock_service.url)) as client:
        yield client

async def test_call(client, mock_service):
    mock_service.register("fact", JsonResponse({{"fact": "Meow."}}))
    assert (await client.get("/fact")).json() == {{"fact": "Meow."}}
    calls = await mock_service.wait_for_call("fact", headers={{"Accept": "*/*"}})
    assert len(calls) == 1

async def test_wait_that_fails(client, mock_service):
    with pytest.raises(AssertionError, match="waited 0.01 s for 1 call"):
        await mock_service.wait_for_call("fact", timeout=0.01)

async def test_only_the_client_touches_it(client):
    assert (await client.get("/missing")).status_code == 404
"""
    result = run(code, "-Wignore::pytest.PytestWarning", plugins=("anyio",))
    result.assert_outcomes(passed=3, warnings=0)


def test_plain_functions_without_any_async_plugin(run: Run) -> None:
    code = """
import threading, urllib.request
import requests

@pytest.fixture
def warmed(mock_service):
    mock_service.register("fact", RawResponse("ok"))
    assert requests.get(str(mock_service.url / "fact")).text == "ok"
    return mock_service

def test_requests(warmed):
    requests.post(f"{warmed.url}/fact")
    warmed.register("create", JsonResponse({"id": 1}, 201))
    answer = requests.post(f"{warmed.url}/orders", json={"qty": 3})
    assert answer.status_code == 201
    warmed.assert_called("create", times=1, json={"qty": 3})
    assert [e.status for e in warmed.unmatched] == [405]

def test_urllib(mock_service):
    mock_service.register("fact", RawResponse("ok"))
    with urllib.request.urlopen(str(mock_service.url / "fact")) as answer:
        assert answer.read() == b"ok"

def test_no_thread_is_left():
    assert threading.active_count() == 1
"""
    run(code, "-Wignore::pytest.PytestWarning").assert_outcomes(passed=3)


def test_unittest_by_start_service(run: Run) -> None:
    code = """
import unittest, aiohttp
from asyncly.srvmocker import start_service

class Case(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.service = await self.enterAsyncContext(
            start_service([MockRoute("GET", "/fact", "fact")])
        )

    async def test_call(self):
        self.service.register("fact", RawResponse("ok"))
        async with aiohttp.ClientSession() as session:
            async with session.get(self.service.url / "fact") as answer:
                self.assertEqual(await answer.text(), "ok")
        self.service.assert_called("fact", times=1)
"""
    run(code).assert_outcomes(passed=1)


def test_hypothesis(run: Run) -> None:
    code = """
import aiohttp
from hypothesis import HealthCheck, given, settings, strategies as st

@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(number=st.integers())
async def test_many(mock_service, number):
    mock_service.register("fact", JsonResponse({"number": number}))
    async with aiohttp.ClientSession() as session:
        async with session.get(mock_service.url / "fact") as answer:
            assert await answer.json() == {"number": number}
"""
    result = run(
        code, "-pno:randomly", plugins=("asyncio", "hypothesispytest"), ini="asyncio_mode = auto"
    )
    result.assert_outcomes(passed=1)


def test_xdist(run: Run) -> None:
    result = run(AIOHTTP_TEST, "-n2", plugins=("asyncio", "xdist"), ini="asyncio_mode = auto")
    result.assert_outcomes(passed=2)


def test_thread_marker_serves_a_test_that_blocks_its_loop(run: Run) -> None:
    code = """
import requests

@pytest.mark.mock_service(thread=True)
async def test_blocks(mock_service):
    mock_service.register("fact", RawResponse("ok"))
    assert requests.get(str(mock_service.url / "fact"), timeout=5).text == "ok"
"""
    run(code, plugins=("asyncio",), ini="asyncio_mode = auto").assert_outcomes(passed=1)


def test_loading_the_plugin_imports_neither_aiohttp_nor_the_server(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
import sys

def test_nothing_is_loaded():
    assert "asyncly.pytest_plugin" in sys.modules
    assert [name for name in sys.modules if name.startswith(("aiohttp", "asyncly.s"))] == []
"""
    )
    result = pytester.runpytest_subprocess("-pno:aiohttp", "-pno:asyncio", "-pno:anyio")
    result.assert_outcomes(passed=1)


OUTAGE_IN_ASYNCIO = """
import aiohttp

async def get(url):
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as answer:
            return answer.status

async def test_outage(mock_service):
    mock_service.register("fact", RawResponse("ok"))
    url = mock_service.url / "fact"
    assert await get(url) == 200
    async with mock_service.outage():
        with pytest.raises(aiohttp.ClientConnectorError):
            await get(url)
    await mock_service.down()
    await mock_service.up()
    assert await get(url) == 200
    assert [call.connection for call in mock_service.history] == [1, 2]
    assert [item.requests for item in mock_service.connections] == [1, 1]
"""


@pytest.mark.parametrize("scope", ["function", "session"])
@pytest.mark.parametrize("thread", ["", "\n@pytest.mark.mock_service(thread=True)"])
def test_an_outage_in_the_loop_of_the_test_and_on_a_thread(
    run: Run, scope: str, thread: str
) -> None:
    code = OUTAGE_IN_ASYNCIO.replace("\n\nasync def test", f"\n{thread}\nasync def test")
    mark = f'\npytestmark = pytest.mark.asyncio(loop_scope="{scope}")\n'
    run(mark + code, plugins=("asyncio",), ini="asyncio_mode = auto").assert_outcomes(passed=1)


def test_an_outage_reaches_every_loop_that_serves(run: Run) -> None:
    code = """
import aiohttp, pytest_asyncio

async def get(url):
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as answer:
            return answer.status

@pytest_asyncio.fixture(loop_scope="session")
async def warmed(mock_service):  # served in the loop of the session, which stands still in a test
    mock_service.register("fact", RawResponse("ok"))
    assert await get(mock_service.url / "fact") == 200
    yield mock_service
    assert await get(mock_service.url / "fact") == 200

@pytest.mark.asyncio(loop_scope="function")
@pytest.mark.parametrize("kind", ["refused", "silent"])
async def test_other_loop(warmed, kind):
    url = warmed.url / "fact"
    assert await get(url) == 200
    async with warmed.outage(kind):
        if kind == "refused":
            with pytest.raises(aiohttp.ClientConnectorError):
                await get(url)
    assert await get(url) == 200
    assert [call.connection for call in warmed.history] == [1, 2, 3]
"""
    run(code, plugins=("asyncio",), ini="asyncio_mode = strict").assert_outcomes(passed=2)


def test_an_outage_in_a_plain_function(run: Run) -> None:
    code = """
import requests

def test_outage(mock_service, mock_proxy):
    mock_service.register("fact", RawResponse("ok"))
    url = f"{mock_service.url}/fact"
    with requests.Session() as session:
        for kind in ("refused", "silent"):
            assert session.get(url, timeout=10).text == "ok"
            with mock_service.outage(kind):
                with pytest.raises((requests.ConnectionError, requests.Timeout)):
                    session.get(url, timeout=0.2)
        mock_service.down().block()
        with pytest.raises(requests.ConnectionError):
            session.get(url, timeout=10)
        mock_service.up().block()
        assert session.get(url, timeout=10).text == "ok"
        with pytest.raises(RuntimeError, match="is away already"):
            with mock_service.outage():
                with mock_service.outage():
                    pass
        with mock_proxy.outage():
            with pytest.raises(requests.exceptions.ProxyError):
                session.get(url, proxies={"http": str(mock_proxy.url)}, timeout=10)
    ended = [(item.closed_by, item.was_reset) for item in mock_service.connections]
    assert ended[0] == ("server", True), ended
    mock_service.assert_called("fact", times=3)

def test_a_client_that_leaves(mock_service):
    mock_service.register("fact", RawResponse("ok"))
    requests.get(f"{mock_service.url}/fact", timeout=10)
    left = mock_service.connections[0].closed().block()
    assert (left.closed_by, left.requests) == ("client", 1)

def test_that_ends_while_it_is_down(mock_service):
    mock_service.down().block()
"""
    run(code).assert_outcomes(passed=3)


def test_an_outage_under_trio(run: Run) -> None:
    code = """
import httpx
pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "trio"

async def test_outage(mock_service):
    mock_service.register("fact", RawResponse("ok"))
    url = f"{mock_service.url}/fact"
    async with httpx.AsyncClient() as client:
        assert (await client.get(url)).text == "ok"
        async with mock_service.outage():
            with pytest.raises(httpx.ConnectError):
                await client.get(url)
        await mock_service.down()
        await mock_service.up()
        assert (await client.get(url)).text == "ok"
    assert len(mock_service.connections) == 2
"""
    run(code, plugins=("anyio",)).assert_outcomes(passed=1)
