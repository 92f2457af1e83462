"""Every code block of the documentation runs, and says what stands under it."""

from __future__ import annotations

import ast
import configparser
import json
import os
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from ..versions import is_taken_for_an_answer
from .blocks import HERE, ROOT, Block, pages, read_blocks

if TYPE_CHECKING:
    from pathlib import Path

_INI = """\
[pytest]
addopts = -q -W error -p page_plugin -p no:cacheprovider -p no:xdist
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
"""
_SCRIPT = """\
import runpy


def test_script():
    runpy.run_path({name!r}, run_name="__main__")
"""

FAILING = "def test_it():\n    assert False\n"
_CI = ("CI", "BUILD_NUMBER")

PAGES = pages()


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _python_blocks(page: Path) -> list[Block]:
    return [block for block in read_blocks(page) if block.language == "python"]


def write_page(blocks: list[Block], folder: Path) -> None:
    """Write the blocks of a page as the files of one pytest run."""
    outputs = {}
    for block in blocks:
        test = f"test_line_{block.line}.py"
        if block.title:
            (folder / block.title).write_text(block.program)
        elif block.has_tests:
            (folder / test).write_text(block.program)
        else:
            script = f"line_{block.line}.py"
            (folder / script).write_text(block.program)
            (folder / test).write_text(_SCRIPT.format(name=script))
        if block.output is not None:
            outputs[block.title or test] = block.output
    (folder / "outputs.json").write_text(json.dumps(outputs))
    (folder / "pytest.ini").write_text(_INI)


def run_page(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the blocks of a page."""
    path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
    # The pages show what a person sees: where it believes to be in CI, pytest shortens less.
    kept = {name: value for name, value in os.environ.items() if name not in _CI}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--rootdir", folder, folder],
        cwd=folder,
        env={**kept, "PYTHONPATH": path, "COLUMNS": "100", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("page", [page for page in PAGES if _python_blocks(page)], ids=_name)
def test_every_python_block_of_the_page_runs(page: Path, tmp_path: Path) -> None:
    blocks = _python_blocks(page)
    if page.name == "faults.md":
        blocks = [block for block in blocks if not is_taken_for_an_answer(block.code)]
    write_page(blocks, tmp_path)

    run = run_page(tmp_path)

    assert run.returncode == 0, f"{page.name}\n{run.stdout}{run.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_other_block_of_the_page_can_be_parsed(page: Path) -> None:
    for block in read_blocks(page):
        if block.language == "toml":
            tomllib.loads(block.code)
        elif block.language == "ini":
            configparser.ConfigParser().read_string(block.code)
        elif block.language == "python":
            ast.parse(block.program)


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        (Block(1, "python", FAILING), "assert False"),
        (Block(1, "python", "raise OSError('wrong')\n"), "wrong"),
        (Block(1, "python", "print('one')\n", output="two\n"), "the page says"),
        (
            Block(1, "python", "def test_it():\n    pass\n", output="AssertionError\n"),
            "the page says",
        ),
        (Block(1, "python", "assert service is None\n", setup="service"), "assert service is None"),
        (Block(1, "python", FAILING, setup="report", output="1 passed in 0.02s\n"), "1 failed in"),
        (Block(1, "python", FAILING, setup="anyio"), "1 failed in"),
    ],
)
def test_a_block_that_is_wrong_fails(block: Block, complaint: str, tmp_path: Path) -> None:
    write_page([block], tmp_path)

    run = run_page(tmp_path)

    assert run.returncode == 1
    assert complaint in run.stdout


def test_ports_and_times_are_the_same_at_each_run(tmp_path: Path) -> None:
    code = "print('127.0.0.1:5 127.0.0.1:67 127.0.0.1:5, 1 passed in 7.89s')\n"
    said = "127.0.0.1:43210 127.0.0.1:43211 127.0.0.1:43210, 1 passed in 0.02s\n"
    write_page([Block(1, "python", code, output=said)], tmp_path)

    run = run_page(tmp_path)

    assert run.returncode == 0, run.stdout
