"""What the comparison says of this package holds: every mistake is named in full."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from bench.apart import OURS, ask
from bench.capabilities.__main__ import ROWS, cell
from bench.mistakes.cases import CASES, Case, score
from bench.mistakes.play import play

from .blocks import ROOT

if TYPE_CHECKING:
    from pathlib import Path

README, PAGE = ROOT / "README.md", ROOT / "docs" / "comparison.md"


def read_tables(page: Path) -> dict[tuple[str, str], str]:
    """Return the cells of all tables of a page, by the words of their row and of their column."""
    cells: dict[tuple[str, str], str] = {}
    head: list[str] = []
    for line in page.read_text().splitlines():
        row = [cell.strip() for cell in line.strip("|").split("|")] if line[:1] == "|" else []
        if row and not head:
            head = row
        elif row and not set("".join(row)) <= {"-"}:
            cells |= {
                (row[0], column): cell for column, cell in zip(head[1:], row[1:], strict=True)
            }
        head = head if row else []
    return cells


@pytest.fixture(scope="module")
def texts() -> list[str | None]:
    return play("ours")


def test_there_are_twenty_mistakes() -> None:
    assert len({case.title for case in CASES}) == 20


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_our_text_names_place_expected_and_got(case: Case, texts: list[str | None]) -> None:
    text = texts[CASES.index(case)]

    assert text is not None
    assert score(case, text).full, f"{score(case, text)}\n{text}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_a_text_that_says_nothing_scores_nothing(case: Case) -> None:
    said = score(case, "handler 'the_handler': the call at 127.0.0.1:4711 is not as it should be")

    assert not said.wish
    assert not said.got


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is one of the clients")
def test_the_page_says_of_us_what_we_can_do_now() -> None:
    page = read_tables(PAGE)

    answers = ask(OURS, "bench.capabilities.probes")

    assert {row: page[title, OURS] for row, title in ROWS.items()} == {
        row: cell(answers[row]) for row in ROWS
    }


def test_the_page_has_every_mistake_and_our_score() -> None:
    page = read_tables(PAGE)

    assert all(page[case.title, OURS].startswith("✓") for case in CASES)
    assert page["**named in full, of 20**", OURS] == "**20**"


def test_the_readme_says_what_the_page_says() -> None:
    page, readme = read_tables(PAGE), read_tables(README)

    assert readme
    assert readme == {place: page[place] for place in readme}
