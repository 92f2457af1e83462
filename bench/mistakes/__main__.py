"""Provoke twenty mistakes of a tester against every mock and score what each one says.

A text is full if it names the place, the expected and the got; the words that count stand in
`cases.py`, the same for all. The table is printed and written into docs/comparison.md.
"""

from __future__ import annotations

import argparse
from statistics import median

from .. import page
from ..apart import MOCKS, ask
from .cases import CASES, score


def main() -> None:
    """Play the cases, print the table, and write it into the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.mistakes", description=__doc__)
    parser.add_argument("--texts", action="store_true", help="print every text, write no page")
    options = parser.parse_args()
    found: dict[str, list[str | None]] = {mock: ask(mock, "bench.mistakes.play") for mock in MOCKS}
    if options.texts:
        for name, texts in found.items():
            for case, text in zip(CASES, texts, strict=True):
                print(f"== {name}: {case.title}\n{text}\n")
    table = _table(found)
    print(table)
    if not options.texts:
        page.write("mistakes", table)


def _table(found: dict[str, list[str | None]]) -> str:
    verdicts = {
        name: [_verdict(number, text) for number, text in enumerate(texts)]
        for name, texts in found.items()
    }
    rows = [
        [case.title, *(column[number] for column in verdicts.values())]
        for number, case in enumerate(CASES)
    ]
    full = [sum(cell.startswith("✓") for cell in column) for column in verdicts.values()]
    sizes = [median(len(text) for text in texts if text) for texts in found.values()]
    rows.append(["**named in full, of 20**", *(f"**{number}**" for number in full)])
    rows.append(["characters to read, median", *(f"{size:.0f}" for size in sizes)])
    return page.table(["mistake", *found], rows)


def _verdict(number: int, text: str | None) -> str:
    if text is None:
        return "–"
    if not text:
        return "unnoticed"
    if not score(CASES[number], text).full:
        return "✗"
    return "✓ (masked)" if "masked)" in text else "✓"


if __name__ == "__main__":
    main()
