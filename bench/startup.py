"""What loading a plugin adds to every run of pytest, in milliseconds of wall time."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from statistics import median


def measure(pythons: dict[str, str], rounds: int) -> dict[str, float]:
    """Return the added milliseconds by name: runs with the plugin and without any, in turn."""
    added: dict[str, list[float]] = {name: [] for name in pythons}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for name, python in pythons.items():
                with_plugin = _run(python, folder, "-pasyncly.pytest_plugin")
                added[name].append(with_plugin - _run(python, folder))
    return {name: median(values) * 1e3 for name, values in added.items()}


def _run(python: str, folder: str, *args: str) -> float:
    command = [python, "-m", "pytest", "-q", "--co", "-pno:cacheprovider", *args]
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # others import aiohttp too
    begin = time.perf_counter()
    subprocess.run(command, cwd=folder, env=alone, capture_output=True, check=False)
    return time.perf_counter() - begin
