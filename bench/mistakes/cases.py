"""The twenty mistakes, as data, and the score of a text.

Nothing here knows any mock: a case says what the test expects, what the client sends, and which
words tell the tester the place, the expected and the got.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["CASES", "Call", "Case", "Score", "score"]

WHOLE = {"sku": "A-17"}


@dataclass(frozen=True)
class Call:
    """A request, as the test expects it or as the client sends it."""

    method: str = "POST"
    path: str = "/orders"
    json: Any = None
    body: bytes | None = None
    form: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One mistake.

    Attributes:
        title: the mistake in words.
        expected: the calls that the test expects, in this order.
        sent: the calls that the client sends.
        place: a pattern of the words that name the place.
        wish: a pattern of the words that name what was expected.
        got: a pattern of the words that name what came.
        kind: which function of an adapter provokes it.
    """

    title: str
    expected: tuple[Call, ...]
    sent: tuple[Call, ...]
    place: str
    wish: str
    got: str
    kind: str = "differs"


class Score(NamedTuple):
    """Which of the three a text names."""

    place: bool
    wish: bool
    got: bool

    @property
    def full(self) -> bool:
        return all(self)


def score(case: Case, text: str) -> Score:
    """Return what `text` names; hosts, ports and the addresses of objects name nothing."""
    text = re.sub(r"(127\.0\.0\.1|localhost|api\.example\.com)(:\d+)?|0x[0-9a-f]+", "…", text)
    patterns = (case.place, case.wish, case.got)
    return Score(*(re.search(p, text, re.DOTALL) is not None for p in patterns))


def _number(value: int, *words: str) -> str:
    """Return a pattern of a number that is no part of a version or of a larger number."""
    return "|".join(
        [rf"(?<![\w./]){value}(?![\w/]|\.\d)", *(rf"(?i:\b{word}\b)" for word in words)]
    )


def _differs(title: str, expected: Call, sent: Call, place: str, wish: str, got: str) -> Case:
    return Case(title, (expected,), (sent,), place, wish, got)


_MISSING = "(?i:missing(?! return)|absent|not present|not sent|got none|got nothing)"
_WHOLE = r"""["']sku["']: ?["']A-17["']\}"""
"""The body that came, shown to its end: what is not in it can be seen."""

_ORDER = Call()
_CREATE, _CONFIRM = Call(path="/orders/create"), Call(path="/orders/confirm")

CASES: tuple[Case, ...] = (
    _differs(
        "a nested JSON value is off by one",
        Call(json={"items": [{"sku": "A-17", "qty": 4711}]}),
        Call(json={"items": [{"sku": "A-17", "qty": 4712}]}),
        "qty",
        "4711",
        "4712",
    ),
    _differs(
        "a JSON key is missing",
        Call(json={**WHOLE, "gift": "ribbon"}),
        Call(json=WHOLE),
        "gift",
        "ribbon",
        f"{_MISSING}|{_WHOLE}",
    ),
    _differs(
        "a JSON key is unexpected",
        Call(json=WHOLE),
        Call(json={**WHOLE, "gift": "ribbon"}),
        "gift",
        f"(?i:unexpected|not expected|extra)|{_WHOLE}",
        "ribbon",
    ),
    _differs(
        "a JSON value has the wrong type: true for 1",
        Call(json={"gift": 1}),
        Call(json={"gift": True}),
        "gift",
        r"""expected 1\b|["']gift["']: ?1\b""",
        "(?i:true)",
    ),
    _differs(
        "a JSON list is too short",
        Call(json={"skus": ["A-17", "B-23"]}),
        Call(json={"skus": ["A-17"]}),
        "skus",
        "B-23",
        rf"""{_MISSING}|\[["']A-17["']\]""",
    ),
    _differs(
        "a header is missing",
        Call(headers={"X-Tenant": "globex"}),
        _ORDER,
        "(?i:x-tenant)",
        "globex",
        rf"{_MISSING}|\{{\}} headers|(?i:user-agent: )|kwargs=\{{'allow",
    ),
    _differs(
        "a header has another value",
        Call(headers={"X-Tenant": "globex"}),
        Call(headers={"X-Tenant": "acme"}),
        "(?i:x-tenant)",
        "globex",
        "acme",
    ),
    _differs(
        "a query value differs",
        Call(query={"page": "4711"}),
        Call(query={"page": "4712"}),
        "page",
        "4711",
        "4712",
    ),
    _differs(
        "a query parameter is missing",
        Call(query={"page": "4711"}),
        _ORDER,
        "page",
        "4711",
        rf"{_MISSING}|(?i:query\w*:? b?''|\S*/orders(?![\w/?]))",
    ),
    _differs(
        "the path is nearly right",
        Call(path="/orders"),
        Call(path="/order"),
        "(?i:path|uri|url|request|call)",
        "/orders",
        r"/order\b",
    ),
    _differs(
        "the method is wrong",
        Call(method="POST"),
        Call(method="PUT"),
        "/orders",
        "(?i:post)",
        "(?i:put)",
    ),
    Case(
        "a call too many",
        (_ORDER,),
        (_ORDER,) * 2,
        "/orders",
        _number(1, "once", "one", "already matched", "consumed"),
        _number(2, "twice", "two"),
        "count",
    ),
    Case(
        "a call too few",
        (_ORDER,) * 3,
        (_ORDER,) * 2,
        "/orders",
        _number(3, "three", "thrice"),
        _number(2, "twice", "two"),
        "count",
    ),
    Case(
        "never called",
        (_ORDER,),
        (),
        "/orders",
        "(?i:expected|mocked but|unused route|not called)",
        _number(0, "none", "never", "no calls", "not called", "not requested", "unused"),
        "count",
    ),
    Case(
        "two calls in the wrong order",
        (_CREATE, _CONFIRM),
        (_CONFIRM, _CREATE),
        "/orders/confirm",
        "create.*confirm",
        "confirm.*create",
        "order",
    ),
    _differs(
        "the bytes of the body differ",
        Call(body=b"alpha 4711 omega"),
        Call(body=b"alpha 4712 omega"),
        "(?i:body|content|data|byte)",
        "4711",
        "4712",
    ),
    _differs(
        "a form field differs",
        Call(form={"tenant": "globex", "size": "xl"}),
        Call(form={"tenant": "acme", "size": "xl"}),
        "tenant",
        "globex",
        "acme",
    ),
    _differs(
        "a cookie differs",
        Call(cookies={"sid": "c4711"}),
        Call(cookies={"sid": "c4712"}),
        "sid",
        "c4711|expected '[^']*' .*masked",
        "c4712|got '[^']*' .*masked.*difference at",
    ),
    Case(
        "a handler name is mistyped",
        (_ORDER,),
        (_ORDER,),
        r"(?i:handler|route|KeyError)",
        r"\bcreate\b",
        r"\bcreat\b",
        "typo",
    ),
    Case(
        "the function that answers raises",
        (_ORDER,),
        (_ORDER,),
        "/orders|answer_order",
        "ValueError",
        "no stock for 4711",
        "raises",
    ),
)
