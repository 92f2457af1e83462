"""Links between the pages: what they point at, and what there is."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["find_dead_links", "list_anchors"]

# A fence closes with at least as many of its own characters as it opened with.
_FENCED = re.compile(r"^ *(?P<fence>`{3,}|~{3,})[^\n]*\n.*?^ *(?P=fence)[`~]*$", re.M | re.S)
_COMMENT = re.compile(r"<!--.*?-->", re.S)
_CODE = re.compile(r"(?P<ticks>`+)(?P<code>[^`]+)(?P=ticks)")
_LINKS = (
    re.compile(r"\]\(\s*<?(?P<target>[^\s<>)]+)>?[^)]*\)"),  # [text](target "title")
    re.compile(r"^ {0,3}\[[^\]\n]+\]:\s+<?(?P<target>[^\s<>]+)", re.M),  # [name]: target
    re.compile(r"\b(?:href|src)=\"(?P<target>[^\"]+)\""),  # HTML within a page
)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.I)

_HEADING = re.compile(r"^ {0,3}#{1,6} +(?P<text>.+?)(?: +#+)?\s*$", re.M)
_GIVEN_ID = re.compile(r"\s*\{[^}]*#(?P<id>[\w.:-]+)[^}]*\}$")
_HTML_ID = re.compile(r"<\w+[^>]*\s(?:id|name)=\"(?P<id>[^\"]+)\"")
_DOCUMENTED = re.compile(r"^::: (?P<id>[\w.]+)$", re.M)  # mkdocstrings: the name is the anchor
_LINK_TEXT = re.compile(r"!?\[(?P<text>[^\]]*)\]\([^)]*\)")


def find_dead_links(page: Path, site: Path) -> list[str]:
    """Return what is wrong with the links of a page, a line each.

    Args:
        page: a page of Markdown.
        site: the folder whose pages become the site; they cannot link to what is outside of it.
    """
    text = page.read_text()
    found: list[str] = []
    for line, target in _links(text):
        reason = _explain(page, site, target)
        if reason:
            found.append(f"{page.name}:{line}: {target}: {reason}")
    return found


def _links(text: str) -> Iterator[tuple[int, str]]:
    """Give each target with its line; what stands in code is no link."""
    text = _blank(_CODE, _blank(_COMMENT, _blank(_FENCED, text)))
    for pattern in _LINKS:
        for link in pattern.finditer(text):
            yield text.count("\n", 0, link.start("target")) + 1, link["target"]


def _blank(pattern: re.Pattern[str], text: str) -> str:
    """Take out what fits, but keep the lines where they are."""
    return pattern.sub(lambda found: "\n" * found[0].count("\n"), text)


def _explain(page: Path, site: Path, target: str) -> str:
    """Return why a target is dead, or an empty text."""
    if target.startswith("//") or _ELSEWHERE.match(target):
        return ""  # another site
    if target.startswith("/"):
        return "an absolute path breaks wherever the site is not at the root; make it relative"
    path, _, anchor = unquote(target).partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.exists():
        return "there is no such file"
    if page.is_relative_to(site) and not file.is_relative_to(site):
        return f"it is outside of {site.name}/, so the site does not have it"
    if anchor and file.suffix == ".md" and anchor not in list_anchors(file.read_text()):
        return f"{file.name} has no such heading"
    return ""


def list_anchors(text: str) -> set[str]:
    """Return what may stand behind `#`, named as Python-Markdown's `toc` does."""
    text = _blank(_COMMENT, _blank(_FENCED, text))
    anchors = {
        found["id"] for pattern in (_HTML_ID, _DOCUMENTED) for found in pattern.finditer(text)
    }
    for heading in _HEADING.finditer(text):
        given = _GIVEN_ID.search(heading["text"])
        anchor = given["id"] if given else _slug(heading["text"])
        base, number = anchor, 0
        while anchor in anchors:
            number += 1
            anchor = f"{base}_{number}"
        anchors.add(anchor)
    return anchors


def _slug(text: str) -> str:
    text = _LINK_TEXT.sub(r"\g<text>", text)
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", ascii_only).strip().lower())
