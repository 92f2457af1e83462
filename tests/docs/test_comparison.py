"""What the comparison says of this package holds: every mistake is named in full."""

from __future__ import annotations

import pytest
from bench.mistakes.cases import CASES, Case, score
from bench.mistakes.play import play


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
