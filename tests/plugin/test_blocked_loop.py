"""A test that blocks the loop which serves it, as its author sees it: at the real threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Run

AUTO = "asyncio_mode = auto"
BLOCKING = """
import requests

async def test_it(mock_service):
    mock_service.register("fact", RawResponse("ok"))
    answer = requests.get(f"{mock_service.url}/fact", timeout=30)
    assert answer.status_code == 200
"""
SECTION = [
    "*assert 503 == 200*",
    "*Captured log call*",
    "WARNING *asyncly.srvmocker:standstill.py:* the event loop that serves http://127.0.0.1:*",
    "*test_*.py:12: answer = requests.get(*",
    "*- mock server -*",
    "1 server error on <MockService http://127.0.0.1:*, 2 routes, 1 exchanges>",
    "  the server itself",
    "    the event loop that serves http://127.0.0.1:* has stood still for 1 s, and a client *",
    '      *test_*.py:12: answer = requests.get(f"{mock_service.url}/fact", timeout=30)',
    "      in requests.get → socket.SocketIO.readinto",
    "    The server runs in that same loop, so it cannot answer; what waits got a 503, *",
    "      use an async client: aiohttp, httpx.AsyncClient",
    "      or `await asyncio.to_thread(...)` around what blocks",
    "      or a server on a thread of its own: `with run_service(routes) as service:`",
    "      or, with the fixture: `@pytest.mark.mock_service(thread=True)`",
]


def test_the_report_of_a_deadlock(run: Run) -> None:
    result = run(BLOCKING, "-Wdefault", plugins=("asyncio",), ini=AUTO)
    result.assert_outcomes(failed=1, warnings=1)
    result.stdout.fnmatch_lines(
        [
            *SECTION,
            "*= warnings summary =*",
            "*test_*.py:12: BlockedLoopWarning: the event loop that serves http://127.0.0.1:*",
            '    answer = requests.get(f"{mock_service.url}/fact", timeout=30)',
        ]
    )


def test_the_report_where_warnings_are_errors(run: Run) -> None:
    result = run(BLOCKING, plugins=("asyncio",), ini=AUTO)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(SECTION)
    result.stdout.no_fnmatch_line("*Unraisable*")
    assert result.stderr.str() == ""


@pytest.mark.parametrize("scope", ["module", "session"])
def test_in_the_loop_of_a_module_or_a_session(run: Run, scope: str) -> None:
    mark = f'\npytestmark = pytest.mark.asyncio(loop_scope="{scope}")\n'
    again = """
async def test_again(mock_service):
    import asyncio
    mock_service.register("fact", RawResponse("ok"))
    url = f"{mock_service.url}/fact"
    assert (await asyncio.to_thread(requests.get, url, timeout=30)).status_code == 200
"""
    code = mark + BLOCKING.replace("== 200", "== 503") + "    mock_service.reset()\n" + again
    result = run(code, "-Wdefault", plugins=("asyncio",), ini="asyncio_mode = strict")
    result.assert_outcomes(passed=2, warnings=1)


def test_one_that_passes_all_the_same_is_warned_of(run: Run) -> None:
    """The client has swallowed it."""
    code = BLOCKING.replace("    assert answer.status_code == 200\n", "")
    result = run(code, "-Wdefault", plugins=("asyncio",), ini=AUTO)
    result.assert_outcomes(passed=1, warnings=2)
    result.stdout.fnmatch_lines(["*MockServiceWarning: 1 server error on <MockService *"])


def test_start_service_in_a_test_of_unittest(run: Run) -> None:
    code = """
import unittest, urllib.error, urllib.request
from asyncly.srvmocker import start_service

class Case(unittest.IsolatedAsyncioTestCase):
    async def test_call(self):
        async with start_service([MockRoute("GET", "/fact", "fact")]) as service:
            with self.assertRaises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(str(service.url / "fact"), timeout=30)
            self.assertIn("has stood still for 1 s", caught.exception.read().decode())
"""
    run(code, "-Wdefault").assert_outcomes(passed=1, warnings=1)


def test_a_thread_that_dies_is_an_error_at_teardown(run: Run) -> None:
    code = """
import requests
from asyncly.srvmocker import CallbackResponse

def die(request):
    raise KeyboardInterrupt

def test_it(mock_service):
    mock_service.register("fact", CallbackResponse(die))
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{mock_service.url}/fact", timeout=30)

def test_that_fails(mock_service):
    mock_service.register("fact", CallbackResponse(die))
    requests.get(f"{mock_service.url}/fact", timeout=30)
"""
    result = run(code)
    result.assert_outcomes(passed=1, failed=1, errors=2)
    result.stdout.fnmatch_lines(
        [
            "*ServiceThreadError: the thread of <MockService http://127.0.0.1:*, 2 routes, "
            "1 exchanges> has ended too early: KeyboardInterrupt",
            "1 server error on <MockService http://127.0.0.1:*",
            "  the server itself",
            "    the thread of <MockService *",
        ],
        consecutive=False,
    )


def test_a_service_for_the_whole_session_on_a_thread(run: Run) -> None:
    code = """
import httpx, requests
from asyncly.srvmocker import run_service

@pytest.fixture(scope="session")
def shared():
    with run_service([MockRoute("GET", "/fact", "fact")]) as service:
        service.register("fact", RawResponse("ok"))
        yield service

@pytest.fixture
def facts(shared):
    shared.reset()
    return shared

def test_a_plain_function(facts):
    assert requests.get(f"{facts.url}/fact", timeout=30).text == "ok"
    facts.assert_called("fact", times=1)

async def test_with_a_loop(facts):
    assert requests.get(f"{facts.url}/fact", timeout=30).text == "ok"
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{facts.url}/fact")).text == "ok"
    facts.assert_called("fact", times=2)

async def test_again(facts):
    await test_with_a_loop(facts)
"""
    run(code, plugins=("asyncio",), ini=AUTO).assert_outcomes(passed=3)
