"""The page on the architecture shows the layers that are enforced."""

from __future__ import annotations

import re
import tomllib

from .blocks import ROOT


def test_the_layers_on_the_page_are_those_of_the_contract() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    page = (ROOT / "docs" / "architecture.md").read_text()

    shown = re.search(r"<!-- layers -->\n```\n(.*?)\n```", page, re.DOTALL)

    assert shown is not None
    assert shown[1].split("\n") == project["tool"]["importlinter"]["contracts"][0]["layers"]
