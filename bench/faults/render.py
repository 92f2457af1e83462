"""The page of faults, made of what was seen."""

from __future__ import annotations

import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from .. import page
from ..peers import ROOT
from . import frame
from .clients import CLIENTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .cases import Case, Group
    from .play import Seen

__all__ = [
    "LOCKED",
    "PAGE",
    "cell",
    "installed",
    "link",
    "measured",
    "render",
    "render_frame",
    "write",
]

PAGE = ROOT / "docs" / "faults.md"
LOCKED = ("aiohttp", "httpx", "httpcore", "h11", "requests", "urllib3")
"""Packages that decide what the clients do; the group `faults` of pyproject.toml has them."""

_ASKED = {
    "GET": "session.get({fact}{more})",
    "POST": 'session.post("/orders"{more})',
}


def installed() -> dict[str, str]:
    """Return the versions of the clients that are here."""
    versions = {name: version(name) for name in LOCKED}
    said = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True)
    return {**versions, "curl": said.stdout.split()[1]}


def measured() -> dict[str, str]:
    """Return the versions that the page names."""
    head, _, row = (
        line.strip("| ").split(" | ") for line in page.read("versions", PAGE).split("\n")
    )
    return dict(zip(head, row, strict=True))


def write(found: Mapping[Group, Sequence[Mapping[str, Seen]]]) -> None:
    """Write into the page what was seen, and with which versions."""
    page.write("frame", render_frame(), PAGE)
    page.write("versions", render_versions(installed()), PAGE)
    page.write("faults", render(found), PAGE)


def render_versions(versions: Mapping[str, str]) -> str:
    """Return the table of the versions."""
    row = [*versions.values(), platform.python_version()]
    return page.table([*versions, "CPython"], [row])


def render_frame() -> str:
    """Return the module that the recipes import, as a block."""
    return f'```python title="frame.py"\n{Path(frame.__file__).read_text()}```'


def render(found: Mapping[Group, Sequence[Mapping[str, Seen]]]) -> str:
    """Return the sections of all groups: the question, the table, the recipes."""
    return "\n\n".join(_render_group(group, rows) for group, rows in found.items())


def _render_group(group: Group, rows: Sequence[Mapping[str, Seen]]) -> str:
    pairs = list(zip(group.cases, rows, strict=True))
    table = page.table(
        ["the server", *CLIENTS],
        [[link(case), *(cell(name, row[name]) for name in CLIENTS)] for case, row in pairs],
    )
    recipes = [_render_recipe(case, row["aiohttp"]) for case, row in pairs]
    return "\n\n".join([f"## {group.title}", _wrap(group.problem), table, *recipes])


def link(case: Case) -> str:
    """Return the first cell of a row: it leads to the recipe."""
    anchor = re.sub(r"[,.]", "", case.title.lower()).replace(" ", "-")
    return f"[{case.title}](#{anchor})"


def cell(client: str, seen: Seen) -> str:
    """Return what a client made of a fault, as the table has it."""
    head, _, body = seen.said.partition(" ")
    if head == "exit":
        text = seen.said
    elif head.isdigit():
        text = f"**{head}** `{body[:20]!r}`" + ("…" if len(body) > 20 else "")
    else:
        text = f"`{head.removeprefix(f'{client}.').removeprefix('builtins.')}`"
    marks = [" ⏱" * seen.late, ", sent again" * seen.again, ", body kept back" * seen.kept_back]
    return text + "".join(marks)


def _render_recipe(case: Case, seen: Seen) -> str:
    code = "\n".join(_recipe(case, seen))
    setup = f"<!-- setup: {'faults_tls' if case.tls else 'faults'} -->"
    return f"### {case.title}\n\n{_wrap(case.met)}\n\n{setup}\n```python\n{code}\n```"


def _wrap(text: str) -> str:
    return fill(text, 99, break_long_words=False, break_on_hyphens=False)


def _recipe(case: Case, seen: Seen) -> list[str]:
    """Return the lines that bring the fault about, and show what aiohttp makes of it."""
    more = ', data=b"meow", expect100=True' if case.call.expects else ""
    if seen.late:
        more += ", timeout=SOON"
    fact = '"/fact"' if case.asked == "service" else f'{case.asked}.url / "fact"'
    ask = _ASKED[case.call.method].format(fact=fact, more=more)
    lines = [f"await (await {ask}).read()"] * (case.call.times - 1)
    status, _, body = seen.said.partition(" ")
    if status.isdigit():
        lines += [
            f"answer = await {ask}",
            f"assert (answer.status, await answer.text()) == ({status}, {_quote(body)})",
        ]
    else:
        lines += [
            f"with pytest.raises({status.removeprefix('builtins.')}):",
            f"    await (await {ask}).text()",
        ]
    indent = "    " if case.line.startswith("async with ") else ""
    return [_break(case.line), *(indent + line for line in lines)]


def _break(line: str) -> str:
    """Return a line as it is, or as three that are shorter."""
    if len(line) <= 100:
        return line
    head, tail = line.split("(", 1)
    return f"{head}(\n    {tail.removesuffix(')')}\n)"


def _quote(text: str) -> str:
    """Return a literal, with double quotes where that is as short."""
    return f'"{repr(text)[1:-1]}"' if not set("'\"") & set(text) else repr(text)
