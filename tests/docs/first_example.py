"""Run the first examples of a page with nothing but the wheel and its dependencies.

    python -m tests.docs.first_example docs/index.md

Run are the `python` blocks that are whole programs, up to the first that is only a part of one.
Where the page shows an output under a block, it must be that. The exit code is 1, and the
reason is printed, if one of them fails or if there is none.
"""

from __future__ import annotations

import asyncio
import inspect
import io
import linecache
import sys
import traceback
from contextlib import redirect_stdout
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from .blocks import read_blocks

if TYPE_CHECKING:
    from .blocks import Block

__all__ = ["main"]


def main(page: Path) -> int:
    """Run the first examples of `page`; return the exit code."""
    blocks = [block for block in read_blocks(page) if block.language == "python"]
    examples = list(takewhile(lambda block: block.setup is None, blocks))
    if not examples:
        print(f"{page}: no python block at its beginning is a whole program")
        return 1
    for block in examples:
        try:
            said = _run(block)
        except Exception:
            print(f"{page}:{block.line}: the example fails")
            traceback.print_exc(file=sys.stdout)
            return 1
        if block.output is not None and said.strip() != block.output.strip():
            print(f"{page}:{block.line}: the page says\n{block.output}\nbut it is\n{said}")
            return 1
    print(f"{page}: {len(examples)} examples run")
    return 0


def _run(block: Block) -> str:
    """Run a block, then the tests in it; return what it prints."""
    names: dict[str, object] = {"__name__": "__main__"}
    name, program = f"line_{block.line}.py", block.program
    linecache.cache[name] = (len(program), None, program.splitlines(True), name)  # for tracebacks
    with redirect_stdout(io.StringIO()) as said:
        exec(compile(program, name, "exec"), names)
        tests = [value for key, value in names.items() if key.startswith("test_")]
        if block.has_tests and not tests:
            raise ValueError("the block defines no test at its top level")
        for test in tests:
            assert callable(test)
            result = test()
            if inspect.iscoroutine(result):
                asyncio.run(result)
    return said.getvalue()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.docs.first_example PAGE")
    sys.exit(main(Path(sys.argv[1])))
