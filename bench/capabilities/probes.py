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
import ssl
import subprocess
import sys
import tempfile
import threading
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from .certificates import curl, secured
from .mocks import HARD_CODED, MOCKS, SECURE

YES = "yes"
_CONNECTED: list[object] = []
_SHAKEN: list[object] = []


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    """Hear of every connect() of this process (the audit events of PEP 578)."""
    if event == "socket.connect":
        _CONNECTED.append(arguments[1])


def _watch_tls() -> None:
    """Hear of every TLS handshake of this process that begins; there is no event for it."""
    for name in ("wrap_bio", "wrap_socket"):
        real = getattr(ssl.SSLContext, name)

        def wrap(context, *args, real=real, **options):
            _SHAKEN.append(context)
            return real(context, *args, **options)

        setattr(ssl.SSLContext, name, wrap)


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
    return YES if await _takes_over(mock, client, HARD_CODED) else None


async def _takes_over(mock, client, origin):
    if not getattr(mock, "hard_coded", False):
        return False
    options = (
        {"hard_coded": True} if "hard_coded" in inspect.signature(mock.serve).parameters else {}
    )
    mock.origin = origin
    try:
        async with mock.serve(**options):
            return isinstance(await _outcome(client, origin + "/fact"), str)
    finally:
        mock.origin = HARD_CODED


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
        assert seen() == ["GET"]
    return YES


async def tunnel(mock, client):
    """Whether a CONNECT goes through the proxy and is recorded."""
    if not hasattr(mock, "proxy"):
        return None
    async with mock.serve(), mock.proxy() as (url, seen):
        run = await curl("--proxytunnel", "--proxy", url, mock.url + "/fact")
        return YES if '"n": 1' in run.stdout and seen()[:1] == ["CONNECT"] else None


async def within_tunnel(mock, client):
    """Whether the mock answers for an HTTPS host in a tunnel, and the client verifies that."""
    if not getattr(mock, "intercepting", None):
        return None
    async with mock.intercepting() as (url, trusted):
        run = await curl("--proxy", url, "--cacert", trusted, SECURE + "/fact")
    assert '"n": 1' in run.stdout, run.stderr
    return YES


async def https(mock, client):
    """Whether a client gets an answer over HTTPS and verifies it, or one without any TLS."""
    async with secured(mock, "good") as (whose, options):
        if whose:
            run = await curl(*options, mock.url + "/fact")
            assert '"n": 1' in run.stdout, run.stderr
            return whose
    _SHAKEN.clear()
    return "no TLS" if await _takes_over(mock, client, SECURE) and not _SHAKEN else None


async def expired(mock, client):
    """Whether the client meets a certificate that has expired."""
    async with secured(mock, "expired") as (whose, options):
        if whose:
            run = await curl(*options, mock.url + "/fact")
            assert run.returncode == 60, run
            assert "expired" in run.stderr
            return whose
    return await _fault(mock, client, "expired")


async def client_certificate(mock, client):
    """Whether the mock asks for a certificate of the client and tells the test of it."""
    async with secured(mock, "client") as (whose, options):
        if not whose:
            return None
        run = await curl(*options, mock.url + "/fact")
        assert '"n": 1' in run.stdout, run.stderr
        return whose if mock.shown() else None


def sync_test(mock):
    """Whether a plain function can be the test, with no async plugin loaded."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_it.py").write_text(mock.sync_test)
        options = [f"-pno:{name}" for name in ("asyncio", "anyio", "aiohttp", "cacheprovider")]
        command = [sys.executable, "-m", "pytest", "-q", *options, "-c/dev/null", "test_it.py"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
        run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    return YES if run.returncode == 0 else None


PROBES = (
    real_socket,
    hard_coded,
    same_loop,
    disconnect,
    truncated,
    https,
    expired,
    client_certificate,
    unmatched,
    proxy,
    tunnel,
    within_tunnel,
)


async def try_all(mock) -> dict[str, object]:
    """Return what every probe found, with the first client that works for all but the first."""
    found: dict[str, object] = {"clients": await clients(mock)}
    client = CLIENTS[found["clients"][0]]
    for probe in PROBES:
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
    _watch_tls()
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
