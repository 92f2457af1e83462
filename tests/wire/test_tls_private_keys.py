"""Private keys: in memory, or in a private directory that is gone when the process is."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from asyncly.srvmocker import Tls, start_service
from asyncly.srvmocker.tls.private import PrivateDirectory

from .conftest import ROUTES
from .test_tls_service import client_of

if TYPE_CHECKING:
    from collections.abc import Iterator

posix = pytest.mark.skipif(os.name != "posix", reason="the modes of files are those of POSIX")

USING = """
import asyncio, os, sys
from asyncly.srvmocker import MockRoute, Tls, start_service

async def main():
    routes = [MockRoute("GET", "/fact", "fact")]
    spec = Tls(client_cert="required", fault=[None, "self_signed"])
    async with start_service(routes, tls=spec) as service:
        for _ in range(2):
            trust = service.tls.client_context()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", service.url.port, ssl=trust)
                writer.close()
                await writer.wait_closed()
            except OSError:
                pass
        return service.tls

tls = asyncio.run(main())
print(os.path.dirname(tls.ca_pem))
print(*sorted(name.partition("-")[0] for name in os.listdir(os.path.dirname(tls.ca_pem))))
"""


_FORK = "ignore:This process:DeprecationWarning"


def run(code: str, temporary: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", _FORK, "-c", code],
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_what_must_be_a_file_is_gone_with_the_process(tmp_path: Path) -> None:
    directory, files = run(USING, tmp_path)
    assert Path(directory).parent == tmp_path
    assert files == "ca client"  # the certificates of the server were there for a moment
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_leaves_the_directory_of_its_parent(tmp_path: Path) -> None:
    code = USING + (
        "paths = tls.ca_pem, tls.client_cert_pem\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    print(paths == (tls.ca_pem, tls.client_cert_pem))\n"
        "    sys.exit(0)\n"
        "os.waitpid(pid, 0)\n"
        "print(*map(os.path.exists, paths))\n"
    )
    assert run(code, tmp_path)[-2:] == ["True", "True True"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_what_a_child_of_multiprocessing_makes_is_removed_too(tmp_path: Path) -> None:
    code = (
        "import multiprocessing\n"
        "def work():\n"
        "    from asyncly.srvmocker.tls import authority\n"
        "    print(authority().client_cert_pem, flush=True)\n"
        "process = multiprocessing.get_context('fork').Process(target=work)\n"
        "process.start()\n"
        "process.join()\n"
    )
    (path,) = run(code, tmp_path)
    assert Path(path).is_relative_to(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_gone_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    files = PrivateDirectory()
    first = Path(files.keep("ca", b"content"))
    assert files.keep("ca", b"content") == str(first)
    assert files.keep("ca", b"other") != str(first)
    for path in first.parent.iterdir():
        path.unlink()
    first.parent.rmdir()
    assert Path(files.keep("ca", b"content")).read_bytes() == b"content"


@posix
def test_only_the_user_may_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = os.umask(0)
    try:
        files = PrivateDirectory()
        kept = Path(files.keep("client", b"secret"))
        with files.lend(b"secret") as lent:
            modes = [stat.S_IMODE(Path(path).stat().st_mode) for path in (kept.parent, kept, lent)]
    finally:
        os.umask(before)
    assert modes == [0o700, 0o600, 0o600]
    assert not Path(lent).exists()


@pytest.fixture
def written() -> Iterator[list[str]]:
    """Collect the paths of all files that this process opens to write."""
    paths: list[str] = []
    collecting = True

    def watch(event: str, args: tuple[object, ...]) -> None:
        if not collecting or event != "open":
            return
        path, _, flags = args
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes and not isinstance(path, int):  # a number is that of a file opened before
            paths.append(str(path))

    sys.addaudithook(watch)  # it cannot be taken away again
    yield paths
    collecting = False


async def test_nothing_is_written_outside(written: list[str]) -> None:
    spec = Tls(client_cert="required")
    async with start_service(ROUTES, tls=spec) as service, client_of(service) as client:
        for name in ("new-a.example", "new-b.example"):
            async with client.get(f"https://{name}/fact") as answer:
                assert answer.status == 500  # no response is registered
        service.tls.issue_client_cert("somebody new")
        home = Path(service.tls.ca_pem).parent
        assert len(written) >= 3
        assert {Path(path).parent for path in written} == {home}
        assert {path.name.partition("-")[0] for path in home.iterdir()} == {"ca", "client"}
