"""The environments: one for the peers, of which one has our import name, and one for us.

Both have the same clients and the same plugins of pytest, so that only the mock differs.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent


def peers_python() -> str:
    """Return the interpreter of the peers' environment, made at the first call."""
    return _python_with("peers")


def our_python() -> str:
    """Return the interpreter of an environment with this package, made at the first call."""
    return _python_with("ours", "--editable", str(ROOT))


def _python_with(name: str, *packages: str) -> str:
    folder = ROOT / f".venv-bench-{name}"
    requirements = Path(__file__).with_name(f"requirements-{name}.txt")
    python = folder / "bin" / "python"
    done = folder / "installed.txt"
    if not done.exists() or done.read_text() != requirements.read_text():
        print(f"installing {folder.name} …", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "-q", "-r", str(requirements)]
        subprocess.run([*pip, *packages], check=True)
        done.write_text(requirements.read_text())
    return str(python)


def require_wrk() -> None:
    """Install the load generator from Debian's packages, if it is missing.

    Raises:
        SystemExit: it is missing and cannot be installed here.
    """
    if shutil.which("wrk"):
        return
    if shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(["apt-get", "install", "-y", "-qq", "wrk"], check=False)
    if not shutil.which("wrk"):
        sys.exit("the benchmark needs wrk: apt-get install wrk (as root)")
