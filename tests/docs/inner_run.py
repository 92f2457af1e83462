"""A run of pytest of its own, for blocks that show a report or need other plugins than the page.

The setups `report` and `anyio` are made of it. The `conftest.py` of the page applies, its ini
file and the plugins that run coroutines do not; anyio's is left.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["run_pytest"]

_OPTIONS = "-q --tb=short --no-header --color=no -c inner.ini --rootdir=."
_WITHOUT = "-pno:asyncio -pno:aiohttp -pno:xdist -pno:cacheprovider"


def run_pytest(code: str, *args: str) -> str:
    """Return what pytest prints about a module of tests."""
    Path("inner.ini").write_text("[pytest]\n")
    Path("test_orders.py").write_text(code)
    command = [sys.executable, "-m", "pytest", *_OPTIONS.split(), *_WITHOUT.split(), *args]
    run = subprocess.run(
        [*command, "test_orders.py"], capture_output=True, text=True, check=False, timeout=60
    )
    return (run.stdout + run.stderr).strip()
