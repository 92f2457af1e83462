"""A pytest run inside the test: fresh process, warnings as errors, chosen plugins only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from pathlib import Path

ASYNC_PLUGINS = ("asyncio", "aiohttp", "anyio", "xdist", "hypothesispytest")
ROUTES = """
import pytest
from asyncly.srvmocker import JsonResponse, MockRoute, RawResponse

@pytest.fixture
def mock_routes():
    return [MockRoute("GET", "/fact", "fact"), MockRoute("POST", "/orders", "create")]
"""


class Run(Protocol):
    def __call__(
        self, code: str, *args: str, plugins: tuple[str, ...] = (), ini: str = ""
    ) -> pytest.RunResult: ...


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `code` as a test module, with ROUTES before it and only the named async plugins."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)

    def run_pytest(
        code: str, *args: str, plugins: tuple[str, ...] = (), ini: str = ""
    ) -> pytest.RunResult:
        if "asyncio" in plugins:
            ini += "\nasyncio_default_fixture_loop_scope = function"
        pytester.makeini(f"[pytest]\n{ini}\n")
        pytester.makepyfile(ROUTES + code)
        off = [f"-pno:{name}" for name in ASYNC_PLUGINS if name not in plugins]
        return pytester.runpytest_subprocess("-Werror", "-pno:cacheprovider", *off, *args)

    return run_pytest


@pytest.fixture
def here(pytester: pytest.Pytester) -> Path:
    return pytester.path
