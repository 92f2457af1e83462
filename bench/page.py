"""The part of a page that a measurement writes: what stands between two markers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .peers import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["PAGE", "read", "table", "write"]

PAGE = ROOT / "docs" / "comparison.md"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def write(name: str, text: str, page: Path = PAGE) -> None:
    """Put `text` between the markers `<!-- name: begin -->` and `<!-- name: end -->`."""
    begin, end = _markers(name)
    whole = page.read_text()
    head, tail = whole.split(begin)[0], whole.split(end)[1]
    page.write_text(f"{head}{begin}\n\n{text}\n\n{end}{tail}")


def read(name: str, page: Path = PAGE) -> str:
    """Return what stands between the markers."""
    begin, end = _markers(name)
    return page.read_text().split(begin)[1].split(end)[0].strip("\n")


def _markers(name: str) -> tuple[str, str]:
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
