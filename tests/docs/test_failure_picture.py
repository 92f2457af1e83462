"""The picture of a failure shows what really comes."""

from __future__ import annotations

import importlib.util
from typing import Any

from .blocks import ROOT


def load_script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_is_drawn_from_what_pytest_prints_now() -> None:
    script = load_script("failure_picture")

    assert script.PICTURE.read_text() == script.draw(script.fail()), (
        "run: python docs/scripts/failure_picture.py"
    )
