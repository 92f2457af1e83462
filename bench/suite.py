"""500 whole tests under pytest, milliseconds a test, for this package and its peers."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from statistics import median

SUITES = Path(__file__).with_name("suites")
REAL_SERVERS = ("asyncly 0.10.1", "pytest-httpserver", "aresponses", "aiointercept")
PATCHING = ("respx", "pytest-httpx", "aioresponses")
_FILES = {
    "this package": "asyncly",
    "this package, fixture": "fixture",
    "asyncly 0.10.1": "asyncly",
    "pytest-httpserver": "httpserver",
    "aresponses": "aresponses",
    "aiointercept": "aiointercept",
    "respx": "respx",
    "pytest-httpx": "httpx",
    "aioresponses": "aioresponses",
}


def measure(ours: str, peers: str, rounds: int) -> dict[str, float | None]:
    """Return milliseconds a test by name, all in turn; None where the tests do not pass."""
    times: dict[str, list[float | None]] = {name: [] for name in _FILES}
    for _ in range(rounds):
        for name, file in _FILES.items():
            python = ours if name.startswith("this") else peers
            times[name].append(_run(python, SUITES / f"{file}_suite.py"))
    return {
        name: None if None in values else median(v for v in values if v is not None)
        for name, values in times.items()
    }


def _run(python: str, suite: Path) -> float | None:
    """Return what pytest says one test took: its start, imports and collection are left out."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(suite, Path(folder) / "test_suite.py")
        Path(folder, "pytest.ini").write_text(
            "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
        )
        command = [python, "-m", "pytest", "-q", "-x", "-pno:cacheprovider", "-pno:xdist", folder]
        ran = re.search(r"(\d+) passed in ([\d.]+)s", _say(command))
        collected = re.search(r"\d+ tests collected in ([\d.]+)s", _say([*command, "--co"]))
    if ran is None or collected is None:
        return None
    return (float(ran[2]) - float(collected[1])) / int(ran[1]) * 1e3


def _say(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
