"""Runs a module of the bench in the environment of one mock: ours, or the peers'."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from .peers import ROOT, peers_python

__all__ = ["MOCKS", "OURS", "ask"]

OURS = "this package"
MOCKS = {
    OURS: "ours",
    "asyncly 0.10.1": "asyncly_0_10",
    "pytest-httpserver": "httpserver",
    "aresponses": "aresponses",
    "aiointercept": "aiointercept",
    "respx": "respx",
    "pytest-httpx": "pytest_httpx",
    "aioresponses": "aioresponses",
}
"""The mocks by the names in the tables, and the names of their files."""


def ask(mock: str, module: str) -> Any:
    """Return what `module` prints about a mock, which is JSON.

    Raises:
        SystemExit: it failed; the text is what it said.
    """
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    python = sys.executable
    if mock != OURS:
        python = peers_python()
        environment.pop("PYTHONPATH", None)  # a peer has our import name
    run = subprocess.run(
        [python, "-m", module, MOCKS[mock]],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        sys.exit(f"{mock}: {run.stderr}{run.stdout}")
    return json.loads(run.stdout)
