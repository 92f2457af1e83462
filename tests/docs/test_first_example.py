"""The first examples of the page run with nothing but the wheel: no pytest, no setups."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from .blocks import HERE, ROOT

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
```python
async def test_it() -> None:
    print("Meow.")
```

```text
Meow.
```
"""


def run(folder: Path, page: str) -> subprocess.CompletedProcess[str]:
    """Run it as the check of the wheel does: from a copy, where nothing else lies."""
    copy = folder / "tests" / "docs"
    copy.mkdir(parents=True)
    for name in ("blocks.py", "first_example.py"):
        shutil.copy(HERE / name, copy)
    (folder / "page.md").write_text(page)
    # The finder of None makes an import of pytest fail, as where it is not installed.
    hidden = "import sys, runpy; sys.modules['pytest'] = None; sys.path.insert(0, ''); "
    return subprocess.run(
        [
            *(sys.executable, "-W", "error", "-c"),
            hidden + "runpy.run_module('tests.docs.first_example', run_name='__main__', "
            "alter_sys=True)",
            "page.md",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_page_of_the_project_runs(tmp_path: Path) -> None:
    done = run(tmp_path, (ROOT / "docs" / "index.md").read_text())

    assert (done.returncode, done.stdout) == (0, "page.md: 2 examples run\n"), done.stderr


def test_a_good_page_runs(tmp_path: Path) -> None:
    assert run(tmp_path, GOOD).returncode == 0


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        ("# Nothing", "no python block at its beginning is a whole program"),
        (f"<!-- setup: names -->\n{GOOD}", "no python block at its beginning"),
        (GOOD.replace("Meow.\n```", "Purr.\n```"), "page.md:1: the page says\nPurr."),
        (GOOD.replace('print("Meow.")', "assert 1 == 2"), "assert 1 == 2"),
        ("```python\nimport nowhere\n```\n", "No module named 'nowhere'"),
        ("```python\nclass T:\n    def test_it(self): ...\n```\n", "defines no test"),
    ],
)
def test_a_page_that_is_wrong_fails_and_says_why(page: str, complaint: str, tmp_path: Path) -> None:
    done = run(tmp_path, page)

    assert done.returncode == 1, done.stderr
    assert complaint in done.stdout
