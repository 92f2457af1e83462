"""Every link within the pages leads somewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .blocks import ROOT, pages
from .links import find_dead_links, list_anchors

if TYPE_CHECKING:
    from pathlib import Path

PAGE = """\
# One

## Two `words`, and more

## Two `words`, and more

## Über **uns** {: #about }

## A [link](other.md) in it

::: package.Name

<a id="here"></a>

```text
# no heading
```
"""
ANCHORS = {
    "one",
    "two-words-and-more",
    "two-words-and-more_1",
    "about",
    "a-link-in-it",
    "package.Name",
    "here",
}


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_of_the_page_is_dead(page: Path) -> None:
    assert find_dead_links(page, ROOT / "docs") == []


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "sub").mkdir(parents=True)
    (folder / "picture.svg").touch()
    (folder / "other.md").write_text(PAGE)
    (tmp_path / "README.md").touch()
    return folder


def test_anchors_are_named_as_by_the_site() -> None:
    assert list_anchors(PAGE) == ANCHORS


@pytest.mark.parametrize(
    "link",
    [
        "[a](other.md)",
        "[a\nb](other.md#one 'title')",
        "[a](other.md#two-words-and-more_1)",
        "[a](other.md#package.Name)",
        "[a](other.md#here)",
        "# Here\n[a](#here)",
        "[a][b]\n\n[b]: other.md#about",
        "![a](picture.svg)",
        '<img src="picture.svg">',
        "[a](https://example.org/x#y)",
        "[a](mailto:cat@example.org)",
        "`[a](dead.md)`",
        "```python\nx = [a](dead)\n```",
        "<!-- [a](dead.md) -->",
    ],
)
def test_a_link_that_leads_somewhere_is_not_reported(site: Path, link: str) -> None:
    page = site / "page.md"
    page.write_text(link)

    assert find_dead_links(page, site) == []


@pytest.mark.parametrize(
    ("link", "complaint"),
    [
        ("[a](dead.md)", "there is no such file"),
        ("[a\nb](dead.md)", "there is no such file"),
        ("[![a](picture.svg)](dead.md)", "there is no such file"),
        ("[a][b]\n\n[b]: dead.md", "there is no such file"),
        ('<img src="dead.svg">', "there is no such file"),
        ("[a](other.md#dead)", "other.md has no such heading"),
        ("[a](other.md#no-heading)", "other.md has no such heading"),
        ("# Here\n[a](#there)", "page.md has no such heading"),
        ("[a](/other.md)", "an absolute path breaks"),
        ("[a](../README.md)", "it is outside of docs/"),
    ],
)
def test_a_dead_link_is_reported(site: Path, link: str, complaint: str) -> None:
    page = site / "page.md"
    page.write_text(link)

    (found,) = find_dead_links(page, site)

    assert complaint in found


def test_a_dead_link_is_reported_with_its_line(site: Path) -> None:
    page = site / "page.md"
    page.write_text("```text\na\n```\n<!-- b\n-->\n[c\nd](dead.md)\n")

    assert find_dead_links(page, site) == ["page.md:7: dead.md: there is no such file"]


def test_a_page_outside_of_the_site_may_link_into_it(site: Path) -> None:
    readme = site.parent / "README.md"
    readme.write_text("[a](docs/other.md#one) [b](docs/other.md#dead)")

    assert find_dead_links(readme, site) == [
        "README.md:1: docs/other.md#dead: other.md has no such heading"
    ]
