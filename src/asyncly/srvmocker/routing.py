"""Routes, and the table that finds those which fit a request.

The order of the answers is that of aiohttp's router: the longest literal prefix first, then
the order of declaration. The table finds them without a scan, however many routes there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from yarl import URL

from .matching import Match
from .route_checks import check_path, check_words
from .text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Candidate", "MockRoute", "RouteTable", "Template"]

_ANY_METHOD: Final = "*"
_PART = re.compile(r"(\{[_a-zA-Z][^{}]*(?:\{[^{}]*\}[^{}]*)*\})")
_NAME = re.compile(r"\{(?P<name>[_a-zA-Z][_a-zA-Z0-9]*)(?::(?P<pattern>.+))?\}")
_NO_PARAMS: Final[Mapping[str, str]] = MappingProxyType({})
_MEMO_LIMIT = 256


@dataclass(frozen=True)
class MockRoute:
    """A method and a path, bound to the handler name under which a response is registered.

    Args:
        method: an HTTP method (RFC 9110 §9.1), case does not matter; `"*"` takes every method.
        path: starts with `/`. `{name}` takes one segment or a part of one, `{name:regex}`
            whatever the expression takes; both are in `request.path_params`.
        handler_name: the label. Several routes may share one.
        match: what the request must be, beyond method and path. Routes that share method and
            path are tried in the order declared; the first whose match fits takes the request.
        optional: the test may leave this route unused: neither `assert_all_called()` nor the
            strict mode of the pytest plugin asks for it.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is empty, or the method or the path cannot be one.

    Example:
        >>> MockRoute("GET", "/users/{id}", "user")
        MockRoute('GET', '/users/{id}', 'user')
    """

    method: str
    path: str
    handler_name: str
    match: Match | None = None
    optional: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        check_words(self.method, self.path, self.handler_name)
        if self.match is not None and not isinstance(self.match, Match):
            raise TypeError(
                f"MockRoute: match takes a Match, got {shorten(self.match)}; "
                "write Match(json=..., headers=..., query=...)"
            )
        _ = self.template

    @cached_property
    def template(self) -> Template:
        """The parsed path."""
        return Template.parse(self.path)

    def __repr__(self) -> str:
        match = f", {self.match!r}" if self.match is not None else ""
        optional = ", optional=True" if self.optional else ""
        return f"MockRoute({self.method!r}, {self.path!r}, {self.handler_name!r}{match}{optional})"

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"


@dataclass(frozen=True)
class Template:
    """A parsed path: how it is found, and how the values of its names are read.

    Attributes:
        prefix: the length of the literal segments before the first name: the longer, the sooner.
        expression: matches a decoded path; None where the path has no names.
        walk: the steps from the root to this template: a text is that very segment, None is
            any one segment.
        tail: None if `walk` leads to the end of the path. Else an expression that may take
            slashes follows, and this is the literal last segment, or `""` if it has none.
    """

    path: str
    prefix: int
    expression: str | None
    walk: tuple[str | None, ...]
    tail: str | None

    @staticmethod
    @lru_cache(maxsize=2048)
    def parse(path: str) -> Template:
        """Parse a route's path.

        Raises:
            ValueError: it is no path, or a brace or an expression is wrong.
        """
        check_path(path, _PART.sub("", path))
        if "{" not in path and "}" not in path:
            literal = _decoded(path)
            return Template(literal, len(literal.rstrip("/")), None, (), None)
        return _parse_names(path)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self.expression or "")

    def match(self, path: str) -> Mapping[str, str] | None:
        """Return the values of the names in a decoded path, or None if it does not fit."""
        if self.expression is None:
            return _NO_PARAMS if path == self.path else None
        found = self._pattern.fullmatch(path)
        if found is None:
            return None
        values = found.groupdict()
        if "%" in path:
            values = {n: v.replace("%2F", "/").replace("%25", "%") for n, v in values.items()}
        return MappingProxyType(values)


def _decoded(path: str) -> str:
    """Decode a path as requests are decoded: all but `%2F` and `%25`, which keep their meaning."""
    return URL.build(path=path, encoded=True).path_safe if "%" in path else path


def _parse_names(path: str) -> Template:
    pattern, shape = "", ""  # shape: the path with simple names as \0 and expressions as \1
    for part in _PART.split(path):
        if name := _NAME.fullmatch(part):
            pattern += f"(?P<{name['name']}>{name['pattern'] or '[^{}/]+'})"
            shape += "\1" if name["pattern"] else "\0"
        elif "{" in part or "}" in part:
            raise ValueError(
                f"MockRoute: {part!r} in the path {path!r} is neither {{name}} nor {{name:regex}}"
            )
        else:
            literal = _decoded(part)
            pattern += re.escape(literal)
            shape += literal
    names = [name["name"] for name in _NAME.finditer(path)]
    if "\1" in shape or len(set(names)) < len(names):  # else it is an expression by construction
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"MockRoute: the path {path!r} is no expression: {error}") from None
    literal = re.split("[\0\1]", shape)[0]
    prefix = len(literal.rpartition("/")[0].rstrip("/"))
    head, expression, _ = shape.partition("\1")
    segments = head.split("/")[1:]
    if not expression:
        walk = tuple(None if "\0" in segment else segment for segment in segments)
        return Template(path, prefix, pattern, walk, None)
    walk = tuple(None if "\0" in segment else segment for segment in segments[:-1])
    last = shape.rpartition("/")[2]
    return Template(path, prefix, pattern, walk, "" if {"\0", "\1"} & set(last) else last)


class Candidate(NamedTuple):
    """A route whose method and path fit a request, with the values of its path's names."""

    route: MockRoute
    path_params: Mapping[str, str]


class _Found(NamedTuple):
    candidates: tuple[Candidate, ...]
    allowed: tuple[str, ...]


class _Node:
    """One segment deep in the tree of templates."""

    __slots__ = ("any", "here", "literal", "tails")

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        self.any: _Node | None = None
        self.here: list[_Entry] = []
        self.tails: dict[str, list[_Entry]] = {}

    def step(self, segment: str | None) -> _Node:
        if segment is None:
            self.any = self.any or _Node()
            return self.any
        return self.literal.setdefault(segment, _Node())

    def find(self, segments: list[str], depth: int = 0) -> Iterator[_Entry]:
        if self.tails:
            yield from self.tails.get("", ())
            if segments and segments[-1]:  # the target "*" has no segments (RFC 9112 §3.2.4)
                yield from self.tails.get(segments[-1], ())
        if depth == len(segments):
            yield from self.here
            return
        if (node := self.literal.get(segments[depth])) is not None:
            yield from node.find(segments, depth + 1)
        if self.any is not None:
            yield from self.any.find(segments, depth + 1)


class _Entry(NamedTuple):
    order: tuple[int, int]
    template: Template
    route: MockRoute


class RouteTable:
    """All routes of one service. `find` gives those that fit, in the order to try them.

    Raises:
        TypeError: a route is no `MockRoute`.
        ValueError: a route can never be reached, because one before it takes all its requests.
    """

    def __init__(self, routes: Iterable[MockRoute]) -> None:
        if isinstance(routes, MockRoute) or not isinstance(routes, Iterable):
            raise TypeError(
                f"start_service takes a list of MockRoute objects, got {shorten(routes)}"
            )
        self.routes: tuple[MockRoute, ...] = tuple(routes)
        self._literal: dict[str, list[_Entry]] = {}
        self._root = _Node()
        self._has_names = False
        self._memo: dict[tuple[str, str], _Found] = {}
        taken: dict[tuple[str, str], MockRoute] = {}
        for index, route in enumerate(self.routes):
            if not isinstance(route, MockRoute):
                raise TypeError(f"start_service takes MockRoute objects, got {shorten(route)}")
            self._refuse_unreachable(route, taken)
            template = route.template
            self._add(_Entry((-template.prefix, index), template, route))
        self.handler_names = frozenset(route.handler_name for route in self.routes)

    @staticmethod
    def _refuse_unreachable(route: MockRoute, taken: dict[tuple[str, str], MockRoute]) -> None:
        method = route.method.upper()
        earlier = taken.get((method, route.path)) or taken.get((_ANY_METHOD, route.path))
        if earlier is not None:
            raise ValueError(
                f"{route!r} can never be reached: {earlier!r} before it takes every "
                f"{route}. Declare the one with a match first, or give it one."
            )
        if route.match is None:
            taken[method, route.path] = route

    def _add(self, entry: _Entry) -> None:
        template = entry.template
        if template.expression is None:
            self._literal.setdefault(template.path, []).append(entry)
            return
        self._has_names = True
        node = self._root
        for segment in template.walk:
            node = node.step(segment)
        if template.tail is None:
            node.here.append(entry)
        else:
            node.tails.setdefault(template.tail, []).append(entry)

    def find(self, method: str, path: str) -> _Found:
        """Return the routes whose method and path fit, and the methods that the path allows.

        Args:
            method: as sent.
            path: decoded but for `%2F` and `%25` (`URL.path_safe`).
        """
        found = self._memo.get((method, path))
        if found is None:
            found = self._search(method, path)
            if len(self._memo) >= _MEMO_LIMIT:
                self._memo.clear()
            self._memo[method, path] = found
        return found

    def forget(self) -> None:
        """Forget which routes fit which paths: the next `find` searches anew."""
        self._memo.clear()

    def _search(self, method: str, path: str) -> _Found:
        entries = list(self._literal.get(path, ()))
        if self._has_names:
            entries += self._root.find(path.split("/")[1:])
            entries.sort(key=lambda entry: entry.order)
        candidates: list[Candidate] = []
        allowed: set[str] = set()
        for _, template, route in entries:
            params = template.match(path)
            if params is None:
                continue
            takes = route.method.upper()
            allowed.add(takes)
            if takes in (method, _ANY_METHOD):
                candidates.append(Candidate(route, params))
        return _Found(tuple(candidates), tuple(sorted(allowed)))
