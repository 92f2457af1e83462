# mypy: ignore-errors
# (what it imports is installed in another environment)
"""What is tried out, for one mock, in this environment: a test that pytest runs.

Prints a JSON object, probe by probe: a word for the table, or null for no.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from .mocks import HARD_CODED, MOCKS

YES = "yes"
_CONNECTED: list[object] = []


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    """Hear of every connect() of this process (the audit events of PEP 578)."""
    if event == "socket.connect":
        _CONNECTED.append(arguments[1])


async def _aiohttp(url: str) -> str:
    aiohttp = importlib.import_module("aiohttp")
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.text()


async def _httpx(url: str) -> str:
    async with importlib.import_module("httpx").AsyncClient() as client:
        return (await client.get(url)).text


async def _requests(url: str) -> str:
    requests = importlib.import_module("requests")
    return (await asyncio.to_thread(requests.get, url, timeout=5)).text


async def _curl(url: str) -> str:
    command = ["curl", "--silent", "--fail", "--max-time", "5", url]
    run = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    return run.stdout


CLIENTS = {"aiohttp": _aiohttp, "httpx": _httpx, "requests": _requests, "curl": _curl}


async def _outcome(client, url: str) -> object:
    """Return the text of the answer, or the exception."""
    try:
        return await asyncio.wait_for(client(url), timeout=5)
    except Exception as error:
        return error


async def _works(client, mock, **options) -> bool:
    async with mock.serve(**options):
        text = await _outcome(client, mock.url + "/fact")
    return isinstance(text, str) and '"n": 1' in text.replace('":1', '": 1')


async def clients(mock):
    return [name for name, client in CLIENTS.items() if await _works(client, mock)]


async def real_socket(mock, client):
    _CONNECTED.clear()
    assert await _works(client, mock)
    return YES if _CONNECTED else None


async def hard_coded(mock, client):
    if not getattr(mock, "hard_coded", False):
        return None
    options = (
        {"hard_coded": True} if "hard_coded" in inspect.signature(mock.serve).parameters else {}
    )
    async with mock.serve(**options):
        return YES if isinstance(await _outcome(client, HARD_CODED + "/fact"), str) else None


async def same_loop(mock, client):
    """Whether the function that answers runs in the thread of the test's loop."""
    threads = []
    async with mock.serve(answer=mock.asking(lambda: threads.append(threading.get_ident()))):
        await _outcome(client, mock.url + "/fact")
    assert threads
    return YES if threads[0] == threading.get_ident() else None


async def disconnect(mock, client):
    return await _fault(mock, client, "disconnect")


async def truncated(mock, client):
    return await _fault(mock, client, "truncated")


async def _fault(mock, client, kind):
    """Whether the client fails, and whether anything was sent that made it fail."""
    make = getattr(mock, kind, None)
    if make is None:
        return None
    _CONNECTED.clear()
    async with mock.serve(answer=make()):
        error = await _outcome(client, mock.url + "/fact")
    if isinstance(error, str | TimeoutError):
        return None  # the answer came whole, or the client waits for ever
    return "on the wire" if _CONNECTED else "as an exception"


async def unmatched(mock, client):
    async with mock.serve():
        await _outcome(client, mock.url + "/other")
        return YES if mock.unmatched() else None


async def proxy(mock, client):
    if not hasattr(mock, "proxy"):
        return None
    aiohttp = importlib.import_module("aiohttp")
    async with mock.serve(), mock.proxy() as (url, seen):
        async with (
            aiohttp.ClientSession() as session,
            session.get(mock.url + "/fact", proxy=url) as answer,
        ):
            assert '"n": 1' in await answer.text()
        assert seen() == 1
    return YES


def sync_test(mock):
    """Whether a plain function can be the test, with no async plugin loaded."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_it.py").write_text(mock.sync_test)
        options = [f"-pno:{name}" for name in ("asyncio", "anyio", "aiohttp", "cacheprovider")]
        command = [sys.executable, "-m", "pytest", "-q", *options, "-c/dev/null", "test_it.py"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
        run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    return YES if run.returncode == 0 else None


async def try_all(mock) -> dict[str, object]:
    """Return what every probe found, with the first client that works for all but the first."""
    found: dict[str, object] = {"clients": await clients(mock)}
    client = CLIENTS[found["clients"][0]]
    for probe in (real_socket, hard_coded, same_loop, disconnect, truncated, unmatched, proxy):
        found[probe.__name__] = await probe(mock, client)
    found["sync_test"] = sync_test(mock)
    return found


class _Plugin:
    """Gives the test its mock, and keeps what it found."""

    def __init__(self, mock) -> None:
        self.mock, self.found = mock, {}

    @pytest.fixture
    def plugin(self, request):
        if name := getattr(self.mock, "fixture", None):
            self.mock.given = request.getfixturevalue(name)
        return self


def test_probes(plugin) -> None:
    sys.addaudithook(_watch)
    plugin.found = asyncio.run(try_all(plugin.mock))


if __name__ == "__main__":
    chosen = _Plugin(MOCKS[sys.argv[1]]())
    output = io.StringIO()
    with redirect_stdout(output):
        options = ["-q", "-pno:cacheprovider", "--rootdir=/", "-c/dev/null"]
        failed = pytest.main([*options, __file__], plugins=[chosen])
    if failed:
        sys.exit(output.getvalue())
    print(json.dumps(chosen.found))
