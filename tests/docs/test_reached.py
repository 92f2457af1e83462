"""The table of what `patch=True` reaches says what is tried in tests/wire/test_patching.py."""

from __future__ import annotations

import re

from tests.wire.test_patching import TABLE

from .blocks import ROOT


def test_the_table_of_the_page_is_the_one_that_is_tried() -> None:
    page = (ROOT / "docs" / "hard-coded-urls.md").read_text()
    _, _, rest = page.partition("<!-- reached -->")
    rows = re.findall(r"^\| (.+?) \| ?(.*?) ?\| (.+?) \|$", rest.partition("\n\n- ")[0], re.M)
    said = {name: (before, within) for name, before, within in rows[1:] if name != "---"}
    assert said == {name: (row.before, row.within) for name, row in TABLE.items()}
