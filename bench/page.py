"""The part of a page that a measurement writes: what stands between two markers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .peers import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["PAGE", "table", "write"]

PAGE = ROOT / "docs" / "comparison.md"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def write(name: str, text: str) -> None:
    """Put `text` between the markers `<!-- name: begin -->` and `<!-- name: end -->`."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    page = PAGE.read_text()
    head, tail = page.split(begin)[0], page.split(end)[1]
    PAGE.write_text(f"{head}{begin}\n\n{text}\n\n{end}{tail}")
