"""The route table answers as aiohttp's own `UrlDispatcher` does, for any routes and paths.

Two things are deliberately more than aiohttp offers, so the generator leaves them out and
the last test pins them down: a plain path may be declared percent-encoded, and literals of a
template may hold what a URL must encode.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import pytest
from aiohttp.test_utils import make_mocked_request
from aiohttp.web_urldispatcher import MatchInfoError, UrlDispatcher
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from asyncly.srvmocker import MockRoute
from asyncly.srvmocker.routing import RouteTable

if TYPE_CHECKING:
    from aiohttp import web


def _as_parsed(path: str) -> URL:
    """Return a request's URL as aiohttp's parser makes it: `//a` is a path, not a host."""
    return URL.build(path=path, encoded=True)


class Answer(NamedTuple):
    status: int
    name: str | None = None
    params: tuple[tuple[str, str], ...] = ()
    allowed: frozenset[str] = frozenset()


def ask_aiohttp(routes: list[MockRoute], method: str, path: str) -> Answer:
    dispatcher = UrlDispatcher()
    handlers = {}
    for route in routes:

        async def handler(request: web.Request) -> web.Response:
            raise AssertionError("never called")

        dispatcher.add_route(route.method, route.path, handler)
        handlers[handler] = route.handler_name
    request = make_mocked_request(method, "/").clone(rel_url=_as_parsed(path))
    found = asyncio.run(dispatcher.resolve(request))
    if isinstance(found, MatchInfoError):
        error = found.http_exception
        allowed: set[str] = getattr(error, "allowed_methods", set())
        return Answer(error.status, allowed=frozenset(allowed))
    return Answer(200, handlers[found.handler], tuple(sorted(found.items())))  # type: ignore[index]


def ask_us(routes: list[MockRoute], method: str, path: str) -> Answer:
    found = RouteTable(routes).find(method, _as_parsed(path).path_safe)
    if found.candidates:
        route, params = found.candidates[0]
        return Answer(200, route.handler_name, tuple(sorted(params.items())))
    if found.allowed:
        return Answer(405, allowed=frozenset(found.allowed))
    return Answer(404)


_SEGMENTS = [
    *("a", "b", "ab", "items", "v1", "v2.json", "1", "42", "", ".", "-", "~x"),
    *("{x}", "{y}", "v{n}", "v{n}.json", "{x}.json", "{x}-{y}", "{a}{b}"),
    *(r"{x:\d+}", r"{x:[a-z]+}", r"{x:.*}", r"{tail:.*}", r"{x:.+}", r"{x:a/b}", r"{n:\d{1,2}}"),
    *(r"v{n:\d+}.json", r"{x:[^/]*}", r"{x:(?:a|b)}"),
]
_PIECES = [
    *("a", "b", "ab", "items", "v1", "v2.json", "v12", "1", "42", "123", "", "-", "x-y", "~x"),
    *("a%2Fb", "a%2fb", "%25", "%252F", "a%20b", "%C3%BC", "ü", "{x}", "a+b", "x.json", "%7Ex"),
]
_NAMES = ("x", "y", "n", "a", "b", "tail")


@st.composite
def templates(draw: st.DrawFn) -> str:
    """Draw a path in which no name stands twice."""
    path = ""
    for segment in draw(st.lists(st.sampled_from(_SEGMENTS), max_size=4)):
        if not any(f"{{{n}{end}" in path and f"{{{n}" in segment for n in _NAMES for end in "}:"):
            path += "/" + segment
    return (path or "/") + draw(st.sampled_from(["", "", "/"]))


methods = st.sampled_from(["GET", "POST", "PUT", "*"])


@st.composite
def route_lists(draw: st.DrawFn) -> list[MockRoute]:
    """Draw routes of which none is declared twice: we refuse what aiohttp hides."""
    routes: list[MockRoute] = []
    taken: set[tuple[str, str]] = set()
    for method, path in draw(st.lists(st.tuples(methods, templates()), min_size=1, max_size=8)):
        if not {(method, path), ("*", path)} & taken:
            taken.add((method, path))
            routes.append(MockRoute(method, path, f"route {len(routes)}"))
    return routes


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[MockRoute], str, str]:
    """Draw routes and a request that is likely to come near one of them."""
    routes = draw(route_lists())
    pieces = draw(st.lists(st.sampled_from(_PIECES), max_size=5))
    if draw(st.booleans()):
        model = draw(st.sampled_from(routes)).path.split("/")[1:]
        pieces = [
            draw(st.sampled_from(_PIECES))
            if "{" in segment or draw(st.integers(0, 9)) == 0
            else segment
            for segment in model
        ]
    path = "/" + "/".join(pieces)
    return routes, draw(st.sampled_from(["GET", "POST", "DELETE"])), path


def _routes(*declared: str) -> list[MockRoute]:
    lines = [line.split(" ") for line in declared]
    return [MockRoute(method, path, f"route {n}") for n, (method, path) in enumerate(lines)]


@given(cases())
@example((_routes("GET /{x:.*}", "GET /a/{y}"), "GET", "/a/b"))
@example((_routes("GET /{x}", "POST /a"), "GET", "/a"))
@example((_routes("POST /a/", "PUT /a"), "GET", "/a/"))
@example((_routes("GET /v{n}.json", "GET /{x}"), "GET", "/v2.json"))
@example((_routes("GET /{x:.*}/end", "GET /{y:.*}"), "GET", "/a/b/end"))
@example((_routes("GET /{x}"), "GET", "/a%2Fb"))
@example((_routes("GET /{x}"), "GET", "/%252F"))
@example((_routes("POST /a", "* /a"), "GET", "/a"))
def test_the_table_answers_as_aiohttp_does(case: tuple[list[MockRoute], str, str]) -> None:
    routes, method, path = case
    assert ask_us(routes, method, path) == ask_aiohttp(routes, method, path)


@given(cases())
def test_the_answer_does_not_depend_on_what_was_asked_before(
    case: tuple[list[MockRoute], str, str],
) -> None:
    routes, method, path = case
    table = RouteTable(routes)
    first = table.find(method, path)
    for other in ("/", "/a", path):
        table.find("POST", other)
    assert table.find(method, path) == first == RouteTable(routes).find(method, path)


@pytest.mark.parametrize(
    ("declared", "path", "aiohttp_says"),
    [
        ("/a b", "/a%20b", 200),
        ("/ü", "/%C3%BC", 200),
        ("/a%20b", "/a%20b", 404),  # aiohttp compares the declared text with the decoded path
        ("/%C3%BC", "/%C3%BC", 404),
        ("/a b/{x}", "/a%20b/5", 404),  # aiohttp looks for the encoded prefix in a decoded path
        ("/ü/{x}", "/%C3%BC/5", 404),
        ("/ü{x}", "/%C3%BC5", 404),
    ],
)
def test_declared_paths_may_hold_what_a_url_encodes(
    declared: str, path: str, aiohttp_says: int
) -> None:
    routes = [MockRoute("GET", declared, "route")]
    assert ask_us(routes, "GET", path).status == 200
    assert ask_aiohttp(routes, "GET", path).status == aiohttp_says
