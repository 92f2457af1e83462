"""Write into the pages what their blocks really say: `python -m tests.docs.update_outputs`.

Only blocks that have an output already are touched; leave a `text` block empty to have it filled.
Look at the difference before you keep it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from .blocks import pages, read_blocks
from .test_code_blocks import run_page, write_page


def update(page: Path) -> None:
    """Fill the outputs of one page."""
    blocks = [block for block in read_blocks(page) if block.language == "python"]
    lines = page.read_text().split("\n")
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_page(blocks, folder)
        run_page(folder)
        for block in reversed([block for block in blocks if block.output is not None]):
            said = folder / f"{block.title or f'test_line_{block.line}.py'}.said"
            if not said.exists():
                print(f"{page}:{block.line} says nothing: it did not run")
                continue
            start = lines.index("```text", block.line) + 1
            end = lines.index("```", start)
            lines[start:end] = [line.rstrip() for line in said.read_text().rstrip().split("\n")]
    page.write_text("\n".join(lines))


if __name__ == "__main__":
    for page in map(Path, sys.argv[1:]) if sys.argv[1:] else pages():
        update(page)
