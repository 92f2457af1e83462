"""What a request must be: `Match`, and the mismatches that say why it is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from .comparing import Mismatch, answer_refusal, as_sent, compare, compare_listed
from .plain_json import copy_json, quick_check
from .text import (
    ABSENT,
    VALUE_LIMIT,
    clip,
    describe,
    is_secret,
    local_name,
    mask,
    name_function,
    quote_error,
    redact,
    shorten,
)

if TYPE_CHECKING:
    from .request import RecordedRequest

__all__ = ["ANY_REQUEST", "UNSET", "Match", "Mismatch", "Unset", "match_of"]


class Unset(Enum):
    """The type of `UNSET`: the argument was not given. None is a value: the JSON null."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""The default of `json=`: not compared."""

_NO_TEXT = "json= takes the parsed value; for the text as it was sent use body="

_REMEMBERED = 64 * 1024
"""Bytes of a body up to which a match remembers it."""

_FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")

_NO_BODY = (dict, list, tuple, int, float)

_Check = Callable[["RecordedRequest", list[Mismatch]], None]


@dataclass(frozen=True)
class Match:
    """A predicate on a request. Every part that is given must hold; a part not given is free.

    What surrounds the body is compared by subset, what is in the body exactly.

    Args:
        json: the parsed body, exactly and with JSON's types: `1` is not `true`. `json=None`
            asks for the JSON null. It is copied: what is done to it later changes nothing.
        body: the body as sent: bytes, or text (compared as UTF-8).
        headers: headers that must be there, names without case. One of the values of a header
            sent several times is enough; a list asks for each of its elements; None asks that
            the header is not there.
        query: the same for the query.
        path_params: the same for the `{name}` parts of the route's path.
        cookies: the same for the cookies.
        form: every field of the form, urlencoded or multipart, exactly; a list for a field
            sent several times, None for one that is not there. Numbers are compared with the
            text that was sent. An uploaded file is a `FormFile`.
        predicate: a function of the `RecordedRequest`; it matches if it returns something true.

    Any value may be a compiled pattern (it must match the whole text), a type, an object with
    its own `__eq__` such as those of dirty-equals, or a function of the value.

    Raises:
        TypeError: an argument is of a type that can never match.

    Example:
        >>> Match(json={"qty": 3}, headers={"X-Tenant": "acme"})
        Match(json={'qty': 3}, headers={'X-Tenant': 'acme'})
    """

    json: Any = UNSET
    body: Any = None
    headers: Mapping[str, Any] | None = None
    query: Mapping[str, Any] | None = None
    path_params: Mapping[str, Any] | None = None
    cookies: Mapping[str, Any] | None = None
    form: Mapping[str, Any] | None = None
    predicate: Callable[[RecordedRequest], object] | None = None

    def __post_init__(self) -> None:
        for part in ("headers", "query", "path_params", "cookies", "form"):
            value = getattr(self, part)
            if value is None:
                continue
            if not isinstance(value, Mapping):
                secret = part in ("headers", "cookies")
                got = f"a {type(value).__name__}" if secret else shorten(value)
                raise TypeError(f"{part}= takes a dict of names and values, got {got}")
            for name in value:
                if not isinstance(name, str):
                    raise TypeError(f"{part}= takes names that are texts, got {shorten(name)}")
        if self.predicate is not None and not callable(self.predicate):
            raise TypeError(
                f"predicate= takes a function of the request, got {shorten(self.predicate)}"
            )
        if isinstance(self.body, _NO_BODY):
            raise TypeError(
                f"body= takes bytes or text, got {shorten(self.body)}; "
                "for parsed JSON use json=, for a form form="
            )
        vars(self)["json"] = copy_json(self.json)  # a body that fitted once is remembered

    def explain(self, request: RecordedRequest) -> tuple[Mismatch, ...]:
        """Return every difference between `request` and this match; none means it matches."""
        found: list[Mismatch] = []
        for check in self._checks:
            check(request, found)
        return tuple(found)

    def matches(self, request: RecordedRequest) -> bool:
        """Tell whether `explain` finds no difference, as fast as that can be known."""
        found: list[Mismatch] = []
        for part, check in zip(self.given, self._checks, strict=True):
            if part == "json" and (quick := self._json_fits(request)) is not None:
                if not quick:
                    return False
                continue
            check(request, found)
            if found:
                return False
        return True

    @cached_property
    def given(self) -> tuple[str, ...]:
        """The names of the parts that are compared, in the order of the constructor."""
        return tuple(
            part
            for part in self.__dataclass_fields__
            if (value := getattr(self, part)) is not UNSET and (value is not None or part == "json")
        )

    @cached_property
    def _checks(self) -> tuple[_Check, ...]:
        return tuple(getattr(self, f"_check_{part}") for part in self.given)

    @cached_property
    def _is_json(self) -> Callable[[Any], bool] | None:
        return quick_check(self.json)

    @cached_property
    def _accepted(self) -> list[bytes]:
        """The body that was found equal last: clients repeat themselves, parsing is dear."""
        return [b""]

    def _json_fits(self, request: RecordedRequest) -> bool | None:
        """Tell whether the parsed body is as expected; None if only `compare` can tell."""
        if self._is_json is None:
            return None
        body = request.body
        plain = len(body) <= _REMEMBERED and "Content-Encoding" not in request.headers
        if plain and body and body == self._accepted[0]:
            return True
        try:
            fits = self._is_json(request.parsed_json())
        except (ValueError, RecursionError):
            return None
        if fits and plain:
            self._accepted[0] = body
        return fits

    def _check_json(self, request: RecordedRequest, into: list[Mismatch]) -> None:
        if self._json_fits(request):
            return
        try:
            got = request.parsed_json()
            if isinstance(self.json, str | bytes) and not isinstance(got, str):
                into.append(Mismatch("json", self.json, got, _NO_TEXT))
            else:
                compare("json", self.json, got, into)
        except RecursionError:
            into.append(Mismatch("json", note="the body is nested too deeply to be compared"))
        except ValueError as error:
            reason = f"the body is no JSON: {error}" if request.body else "the body is empty"
            into.append(Mismatch("json", self.json, request.body, reason))

    def _check_body(self, request: RecordedRequest, into: list[Mismatch]) -> None:
        wish = self.body.encode() if isinstance(self.body, str) else self.body
        if isinstance(wish, bytearray | memoryview):
            wish = bytes(wish)
        compare("body", wish, request.body, into)

    def _check_headers(self, request: RecordedRequest, into: list[Mismatch]) -> None:
        headers = request.headers
        compare_listed("headers", self.headers or {}, lambda n: headers.getall(n, []), into)

    def _check_query(self, request: RecordedRequest, into: list[Mismatch]) -> None:
        query = request.query
        compare_listed("query", self.query or {}, lambda n: query.getall(n, []), into)

    def _check_path_params(self, request: RecordedRequest, into: list[Mismatch]) -> None:
        _compare_single("path_params", self.path_params or {}, request.path_params, into)

    def _check_cookies(self, request: RecordedRequest, into: list[Mismatch]) -> None:
        _compare_single("cookies", self.cookies or {}, request.cookies, into)

    def _check_form(self, request: RecordedRequest, into: list[Mismatch]) -> None:
        try:
            form = request.form
        except ValueError as error:
            into.append(Mismatch("form", self.form, request.body, str(error)))
            return
        kind = request.headers.get("Content-Type", "no Content-Type")
        if not form and self.form and not kind.lower().startswith(_FORM_TYPES):
            into.append(Mismatch("form", self.form, ABSENT, f"the body is no form: {kind}"))
            return
        got = {name: form.getall(name) for name in form}
        wish: dict[str, list[Any]] = {}
        for name, value in (self.form or {}).items():  # a MultiDict gives a name several times
            if value is not None:
                values = value if isinstance(value, list | tuple) else [value]
                wish.setdefault(name, []).extend(map(as_sent, values))
        for name in wish | got:
            _compare_field(f"form.{name}", wish.get(name), got.get(name), into)

    def _check_predicate(self, request: RecordedRequest, into: list[Mismatch]) -> None:
        assert self.predicate is not None  # noqa: S101 - for the type checker
        name = name_function(self.predicate)
        try:
            note = answer_refusal(self.predicate(request), name)
            if note is None:
                return
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # what pytest.fail() raises is one, too
            note = f"{name} raised {redact(quote_error(error), request.headers)}"
        place = f"{request.method} {clip(request.target)}"
        into.append(Mismatch("predicate", note=f"{note} for {place}"))

    def __repr__(self) -> str:
        return f"Match({', '.join(self._shown())})"

    def __str__(self) -> str:
        """Show the parts that were given, without secrets, short: for messages."""
        return "  ".join(self._shown(short=True))

    def _shown(self, *, short: bool = False) -> list[str]:
        shown = []
        for part in self.given:
            value = getattr(self, part)
            if part in ("headers", "cookies"):
                text = _without_secrets(part, value)
                text = clip(text, 3 * VALUE_LIMIT) if short else text
            elif part == "predicate":
                text = local_name(value) or repr(value)
            else:
                text = shorten(value) if short else repr(value)
            shown.append(f"{part}={text}")
        return shown


def _without_secrets(part: str, values: Mapping[str, Any]) -> str:
    items = (
        f"{name!r}: {mask(value) if is_secret(f'{part}.{name}') else _plain(value)}"
        for name, value in values.items()
    )
    return "{" + ", ".join(items) + "}"


def _plain(value: object) -> str:
    return describe(value) or shorten(value)


def _compare_single(
    part: str, wish: Mapping[str, Any], got: Mapping[str, str], into: list[Mismatch]
) -> None:
    compare_listed(part, wish, lambda name: [got[name]] if name in got else [], into)


def _compare_field(
    where: str, wish: list[Any] | None, got: list[Any] | None, into: list[Mismatch]
) -> None:
    if wish is None:
        into.append(Mismatch(where, ABSENT, got[0] if got and len(got) == 1 else got))
    elif got is None:
        into.append(Mismatch(where, wish[0] if len(wish) == 1 else wish, ABSENT))
    elif len(wish) == len(got) == 1:
        compare(where, wish[0], got[0], into)
    else:
        compare(where, wish, got, into)


ANY_REQUEST: Final = Match()
"""The match that every request fulfils."""


def match_of(json: Any, *others: Any) -> Match:
    """Return the match of these parts, as its constructor takes them.

    Most expectations name none: they share one match, since each costs as much as a small request.
    """
    if json is not UNSET:
        return Match(json, *others)
    for part in others:
        if part is not None:
            return Match(json, *others)
    return ANY_REQUEST
