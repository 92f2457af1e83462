"""Where a thread stands still: the user's own line, whoever called and whatever it waits in."""

from __future__ import annotations

import socket
import threading
import types
from typing import TYPE_CHECKING, Any

import pytest

from asyncly.srvmocker.server.blocked import observe
from asyncly.srvmocker.server.rescue import _duplicate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Held:
    """A thread that stands in a function of some file and module."""

    def __init__(self) -> None:
        self.there = threading.Event()
        self.let_go = threading.Event()

    def wait(self) -> None:
        self.there.set()
        self.let_go.wait(30)

    def run(self, work: Callable[[], object]) -> None:
        self.thread = threading.Thread(target=work)
        self.thread.start()
        assert self.there.wait(30)


@pytest.fixture
def held() -> Iterator[Held]:
    held = Held()
    yield held
    held.let_go.set()
    held.thread.join()


def define(code: str, filename: str, module: str, **names: Any) -> dict[str, Any]:
    """Run code as if it stood in that file of that module."""
    space = {"__name__": module, **names}
    exec(compile(code, filename, "exec"), space)
    return space


def test_the_innermost_line_of_the_users_own_is_told(held: Held) -> None:
    installed = "/venv/lib/python3.11/site-packages/requests"
    inner = define("def readinto(): wait()", f"{installed}/a.py", "urllib3.x", wait=held.wait)
    api = define("def get(): f()", f"{installed}/api.py", "requests.api", f=inner["readinto"])
    own = define("def fetch():\n    get()", "/home/cat/client.py", "client", get=api["get"])
    test = define("def test(): fetch()", "/home/cat/test_it.py", "test_it", fetch=own["fetch"])
    held.run(test["test"])

    stuck = observe(held.thread.ident)

    assert stuck is not None
    assert (stuck.filename, stuck.lineno, stuck.in_debugger) == (__file__, _line_of_wait(), False)


def _line_of_wait() -> int:
    return Held.wait.__code__.co_firstlineno + 2


def test_what_it_waits_in_is_named_from_outside_to_inside(held: Held) -> None:
    installed = "/venv/lib/python3.11/site-packages"
    space = define(
        "class Sock:\n    def read(self): there.set(); let_go.acquire()",
        f"{installed}/urllib3/a.py",
        "urllib3.x",
        there=held.there,
        let_go=_acquirable(held),
    )
    api = define(
        "def get(): Sock().read()", f"{installed}/requests/api.py", "requests.api", **_public(space)
    )
    own = define("def fetch():\n    get()", "/home/cat/client.py", "client", get=api["get"])
    held.run(own["fetch"])

    stuck = observe(held.thread.ident)

    assert stuck is not None
    assert (stuck.filename, stuck.lineno) == ("/home/cat/client.py", 2)
    assert stuck.call == "requests.get → urllib3.Sock.read"
    assert str(stuck) == "  /home/cat/client.py:2\n  in requests.get → urllib3.Sock.read"


def _public(space: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in space.items() if not name.startswith("_")}


def _acquirable(held: Held) -> threading.Lock:
    """Return a lock that is free when the thread is let go: waiting for it is no frame."""
    lock = threading.Lock()
    lock.acquire()

    def release() -> None:
        held.let_go.wait(30)
        lock.release()

    threading.Thread(target=release, daemon=True).start()
    return lock


def test_the_line_itself_may_be_what_waits(held: Held) -> None:
    own = define(
        "def fetch():\n    there.set()\n    let_go.acquire()",
        "/home/cat/client.py",
        "client",
        there=held.there,
        let_go=_acquirable(held),
    )
    held.run(own["fetch"])
    while (stuck := observe(held.thread.ident)) is None or stuck.lineno != 3:
        pass
    assert str(stuck) == "  /home/cat/client.py:3"


def test_without_any_line_of_the_users_own_the_innermost_one_is_told() -> None:
    waiting, let_go = threading.Event(), threading.Event()

    def wait() -> None:
        waiting.set()
        let_go.wait(30)

    code = types.CodeType.replace(wait.__code__, co_filename="/x/site-packages/a.py")
    thread = threading.Thread(
        target=types.FunctionType(code, {"__name__": "a"}, "wait", None, wait.__closure__)
    )
    thread.start()
    waiting.wait(30)
    stuck = observe(thread.ident)
    let_go.set()
    thread.join()
    assert stuck is not None
    assert stuck.filename in (threading.__file__, "/x/site-packages/a.py")
    assert stuck.call == ""


def test_a_thread_that_has_ended_is_nowhere() -> None:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    assert observe(thread.ident) is None
    assert observe(None) is None


@pytest.mark.parametrize("module", ["bdb", "pdb", "pydevd", "_pydevd_bundle.pydevd_frame"])
def test_a_debugger_in_the_stack_is_seen(module: str, held: Held) -> None:
    debugger = define("def stop(): wait()", "/usr/lib/x.py", module, wait=held.wait)
    held.run(debugger["stop"])
    stuck = observe(held.thread.ident)
    assert stuck is not None
    assert stuck.in_debugger


# --- a socket that is closed in this moment -----------------------------------------------


class Closing:
    """A socket that another thread closes while it is duplicated; its number is used anew."""

    family, type, proto = socket.AF_INET, socket.SOCK_STREAM, 0

    def __init__(self, numbers: list[int]) -> None:
        self._numbers = numbers

    def fileno(self) -> int:
        return self._numbers.pop(0)


def test_a_socket_that_is_closed_meanwhile_is_not_taken_for_another_one() -> None:
    with socket.socket() as somebody_elses:
        number = somebody_elses.fileno()
        assert _duplicate(Closing([number, -1])) is None
        assert _duplicate(Closing([-1])) is None
        assert _duplicate(Closing([99_999])) is None  # closed between the two
        assert _duplicate(None) is None
        twin = _duplicate(Closing([number, number]))
        assert twin is not None
        with twin:
            assert twin.fileno() not in (number, -1)
            assert twin.getblocking() is False
        assert somebody_elses.fileno() == number
