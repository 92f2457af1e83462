"""Private keys: in memory, or in a private directory that is gone when the process is."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


LIVING = """
import sys
from asyncly.srvmocker.tls import authority
print(authority().client_cert_pem, flush=True)
{}
sys.stdin.read()
"""
FORKS = "import os; pid = os.fork(); print(pid, flush=True) if pid else None"


@contextmanager
def living(temporary: Path, before_the_end: str = "") -> Iterator[tuple[Path, Any]]:
    """Give the directory of a process that lives until it is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", LIVING.format(before_the_end)],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield Path(process.stdout.readline().strip()).parent, process
        finally:
            process.kill()


@posix
def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    with living(tmp_path) as (killed, process), living(tmp_path) as (held, _):
        process.kill()
        process.wait()
        assert list(killed.glob("client-*.pem"))  # a key is in it
        directory, _ = run(USING, tmp_path)
        assert list(held.glob("client-*.pem"))
        assert list(tmp_path.iterdir()) == [held]
        assert Path(directory) != held


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_keeps_what_its_killed_parent_left(tmp_path: Path) -> None:
    with living(tmp_path, FORKS) as (directory, process):
        child = int(process.stdout.readline())
        process.kill()
        process.wait()
        run(USING, tmp_path)
        assert list(directory.glob("client-*.pem"))
        os.kill(child, signal.SIGKILL)
        process.stdout.read()  # it ends when the child has
    run(USING, tmp_path)
    assert list(tmp_path.iterdir()) == []


@posix
def test_nothing_else_is_removed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").touch()
    (tmp_path / "asyncly-tls-link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "asyncly-tls-file").touch()
    (tmp_path / "asyncly-other").mkdir()
    (tmp_path / "asyncly-new-one").mkdir()  # its owner is about to lock it
    before = sorted(tmp_path.rglob("*"))
    run(USING, tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


@posix
def test_what_is_somebody_elses_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "asyncly-tls-theirs").mkdir()
    monkeypatch.setattr("os.getuid", lambda: -1)
    PrivateDirectory().keep("ca", b"content")
    assert (tmp_path / "asyncly-tls-theirs").is_dir()


@posix
def test_where_nothing_can_be_locked_it_works_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("fcntl.flock", refuse)
    first, second = (PrivateDirectory().keep("ca", b"content") for _ in range(2))
    assert Path(first).read_bytes() == Path(second).read_bytes() == b"content"


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
