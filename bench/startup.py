"""What loading a plugin adds to every run of pytest, in milliseconds of processor time."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import tempfile
from statistics import median

NAME = "asyncly"
"""The plugin's entry point, the same one in both environments."""


def measure(pythons: dict[str, str], rounds: int) -> dict[str, float]:
    """Return the added milliseconds by name: runs with the plugin and with it blocked, in turn.

    It is loaded as it is for everybody who has installed it, by its entry point. Every other
    plugin is blocked: some import aiohttp too.
    """
    added: dict[str, list[float]] = {name: [] for name in pythons}
    others = {name: _other_plugins(python) for name, python in pythons.items()}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for name, python in pythons.items():
                with_plugin = _run(python, folder, others[name])
                added[name].append(with_plugin - _run(python, folder, [*others[name], NAME]))
    return {name: median(values) * 1e3 for name, values in added.items()}


def _other_plugins(python: str) -> list[str]:
    script = (
        "import json; from importlib.metadata import entry_points as found; "
        "print(json.dumps([item.name for item in found(group='pytest11')]))"
    )
    output = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True)
    return [name for name in json.loads(output.stdout) if name != NAME]


def _run(python: str, folder: str, blocked: list[str]) -> float:
    command = [python, "-m", "pytest", "-q", "--co", "-pno:cacheprovider"]
    command += [f"-pno:{name}" for name in blocked]
    # pip compiles what it installs; what it does not, the first run does, if it may write it.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    begin = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    return end.ru_utime - begin.ru_utime + end.ru_stime - begin.ru_stime
