"""The code blocks of a page, as files that can be run.

A block of the language `python` is run, always:

- with a title (```` ```python title="client.py" ````) it is a file of that name, which the other
  blocks of the page may import; pytest reads it if it is a `conftest.py` or a `test_….py`;
- with a `def test_` in it and no setup, it is a file of tests;
- anything else is a script.

A block that is only a part of a program stands after a comment that the reader does not see,
`<!-- setup: orders -->`: it is put in place of the line `# BLOCK` of `setups/orders.txt`. A line
`# ... point your client at service.url` stands for the reader's own client: one request to
`/fact` is made there.

A block of the language `text` that comes next after a `python` block is what that block says:
what it prints and, if it raises or its test fails, the end of the traceback, with the same ports
and times at each run. Anything that is no output has another language, or none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent

__all__ = ["HERE", "ROOT", "Block", "pages", "read_blocks"]

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

_FENCE = re.compile(
    r"^(?:<!-- setup: (?P<setup>\w+) -->\n+)?"
    r"^(?P<indent> *)```(?P<language>\w*)(?: title=\"(?P<title>[\w.]+)\")?[^\n]*\n"
    r"(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_YOUR_CLIENT = re.compile(r"^( *)# \.\.\. point your client at service\.url.*$", re.MULTILINE)
_CALL = """\
\\1import aiohttp
\\1async with aiohttp.ClientSession() as session:
\\1    await session.get(service.url / "fact", ssl=False)"""


@dataclass(frozen=True)
class Block:
    """One code block.

    Attributes:
        line: the line of its fence.
        language: the word behind the fence.
        code: what stands in it.
        setup: the name of the setup that makes a program of it.
        title: the name of the file that it is, if it is one.
        output: what it must print or raise; None if nothing is said about that.
    """

    line: int
    language: str
    code: str
    setup: str | None = None
    title: str | None = None
    output: str | None = None

    @property
    def has_tests(self) -> bool:
        """Whether pytest collects it."""
        return (
            self.title is None
            and self.setup is None
            and re.search(r"^ *(async )?def test_", self.code, re.M) is not None
        )

    @property
    def program(self) -> str:
        """The whole program that the block stands for."""
        code = _YOUR_CLIENT.sub(_CALL, self.code)
        if self.setup is None:
            return code
        setup = (HERE / "setups" / f"{self.setup}.txt").read_text()
        found = re.search(r"^( *)# BLOCK$", setup, re.MULTILINE)
        if found is None:
            raise ValueError(f"the setup {self.setup!r} has no line '# BLOCK'")
        return setup[: found.start()] + indent(code, found[1]) + setup[found.end() :]


def read_blocks(page: Path) -> list[Block]:
    """Return the code blocks of a page of Markdown, in order."""
    text = page.read_text()
    blocks: list[Block] = []
    for fence in _FENCE.finditer(text):
        code = dedent(fence["code"])
        if fence["language"] == "text" and blocks and blocks[-1].language == "python":
            last = blocks.pop()
            blocks.append(Block(last.line, "python", last.code, last.setup, last.title, code))
        line = text.count("\n", 0, fence.start("language")) + 1
        blocks.append(Block(line, fence["language"], code, fence["setup"], fence["title"]))
    return blocks


def pages() -> list[Path]:
    """Return every page that a user reads."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
