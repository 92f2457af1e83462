"""What loading a plugin adds to every run of pytest, in milliseconds of wall time."""

from __future__ import annotations

import subprocess
import tempfile
import time
from statistics import median


def measure(pythons: dict[str, str], rounds: int) -> dict[str, float]:
    """Return the added milliseconds by name: runs with and without `-p no:asyncly`, in turn."""
    added: dict[str, list[float]] = {name: [] for name in pythons}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for name, python in pythons.items():
                added[name].append(_run(python, folder) - _run(python, folder, "-pno:asyncly"))
    return {name: median(values) * 1e3 for name, values in added.items()}


def _run(python: str, folder: str, *args: str) -> float:
    others = [
        f"-pno:{name}" for name in ("asyncio", "aiohttp", "anyio", "xdist", "hypothesispytest")
    ]
    command = [python, "-m", "pytest", "-q", "--co", "-pno:cacheprovider", *others, *args]
    begin = time.perf_counter()
    subprocess.run(command, cwd=folder, capture_output=True, check=False)
    return time.perf_counter() - begin
