"""The environment of the peers: one of them has our import name, so they get their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".venv-bench-peers"
REQUIREMENTS = Path(__file__).with_name("requirements-peers.txt")


def peers_python() -> str:
    """Return the interpreter of the peers' environment, made at the first call."""
    python = FOLDER / "bin" / "python"
    done = FOLDER / "installed.txt"
    if not done.exists() or done.read_text() != REQUIREMENTS.read_text():
        print(f"installing the peers into {FOLDER.name} …", file=sys.stderr)
        venv.create(FOLDER, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", REQUIREMENTS], check=True)
        done.write_text(REQUIREMENTS.read_text())
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
