"""A pytest plugin for the run of one page: it compares what blocks say with what stands there."""

from __future__ import annotations

import io
import json
import re
import traceback
from collections.abc import Generator
from contextlib import redirect_stdout
from pathlib import Path

import pytest

_RESULT = Generator[None, object, object]
_VARYING = (
    (r"\bin \d+\.\d+s\b", "in 0.02s"),
    (r"\bdispatch\.py:\d+", "dispatch.py:200"),
    (r"\bline_\d+\.py:\d+", "test_facts.py:7"),
)
"""What differs at each run, and what stands for it on the pages. Ports are counted from 43210."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> _RESULT:
    """Run a test; where an output is given, it must be just that, also if it is a failure."""
    expected = json.loads(Path("outputs.json").read_text()).get(pyfuncitem.path.name)
    if expected is None:
        return (yield)
    said = io.StringIO()
    result: object = True
    with redirect_stdout(said):
        try:
            result = yield
        except Exception as error:
            said.writelines(traceback.format_exception_only(error))
    got = _steady(said.getvalue())
    Path(f"{pyfuncitem.path.name}.said").write_text(got)
    if _trimmed(got) != _trimmed(expected):
        pytest.fail(f"the page says\n{expected}\nbut it is\n{got}", pytrace=False)
    return result


def _steady(text: str) -> str:
    ports: dict[str, str] = {}
    text = re.sub(
        r"(127\.0\.0\.1(?::|', ))(\d+)",
        lambda found: found[1] + ports.setdefault(found[2], str(43210 + len(ports))),
        text,
    )
    for pattern, steady in _VARYING:
        text = re.sub(pattern, steady, text)
    return text


def _trimmed(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().split("\n")]
