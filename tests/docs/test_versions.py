"""What is said of versions is what pyproject.toml asks for."""

from __future__ import annotations

import re
import sys
import tomllib

from .blocks import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
INSTALL = (ROOT / "docs" / "index.md").read_text()


def test_the_page_names_the_oldest_python_and_aiohttp() -> None:
    (oldest,) = (it for it in PROJECT["dependencies"] if it.startswith("aiohttp>="))
    aiohttp = re.findall(r"aiohttp, ([\d.]+) or newer", INSTALL)
    assert [f"aiohttp>={version},<4" for version in aiohttp] == [oldest]
    python = re.findall(r"Python ([\d.]+) or newer", INSTALL)
    assert [f">={version}" for version in python] == [PROJECT["requires-python"]]


def test_this_python_is_among_those_that_are_promised() -> None:
    this = "Programming Language :: Python :: {}.{}".format(*sys.version_info)
    assert this in PROJECT["classifiers"], f"all tests pass here? Then add {this!r}"
