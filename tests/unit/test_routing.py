"""Routes and their table: what fits, in which order, what is refused, and without a scan."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from asyncly.srvmocker import Match, MockRoute
from asyncly.srvmocker.routing import RouteTable, Template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def route(line: str, handler_name: str) -> MockRoute:
    method, path = line.split(" ")
    return MockRoute(method, path, handler_name)


def table(*declared: str) -> RouteTable:
    """Make a table; the handler name of a route is its line."""
    return RouteTable([route(line, line) for line in declared])


def found(routes: RouteTable, method: str, path: str) -> list[tuple[str, dict[str, str]]]:
    candidates = routes.find(method, path).candidates
    return [(item.route.handler_name, dict(item.path_params)) for item in candidates]


@pytest.mark.parametrize(
    ("declared", "method", "path", "fits"),
    [
        (["GET /a"], "GET", "/a", [("GET /a", {})]),
        (["get /a"], "GET", "/a", [("get /a", {})]),
        (["GET /a"], "get", "/a", []),
        (["GET /a"], "HEAD", "/a", []),
        (["GET /a"], "GET", "/a/", []),
        (["GET /a/"], "GET", "/a", []),
        (["GET /a"], "GET", "/A", []),
        (["GET /"], "GET", "/", [("GET /", {})]),
        (["GET /"], "GET", "", []),
        (["* /a"], "BREW", "/a", [("* /a", {})]),
        (["GET /a%20b"], "GET", "/a b", [("GET /a%20b", {})]),
        (["GET /a%2Fb"], "GET", "/a%2Fb", [("GET /a%2Fb", {})]),
        (["GET /a%2Fb"], "GET", "/a/b", []),
        (["GET /{x}"], "GET", "/a", [("GET /{x}", {"x": "a"})]),
        (["GET /{x}"], "GET", "/a%2Fb", [("GET /{x}", {"x": "a/b"})]),
        (["GET /{x}"], "GET", "/a%252Fb", [("GET /{x}", {"x": "a%2Fb"})]),
        (["GET /{x}"], "GET", "/", []),
        (["GET /{x}"], "GET", "/a/b", []),
        (["GET /{x}"], "GET", "/{a}", []),  # braces are no part of a name's value, as in aiohttp
        (["GET /v{n}.json"], "GET", "/v12.json", [("GET /v{n}.json", {"n": "12"})]),
        (["GET /v{n}.json"], "GET", "/v12xjson", []),
        (["GET /{a}-{b}"], "GET", "/x-y-z", [("GET /{a}-{b}", {"a": "x-y", "b": "z"})]),
        ([r"GET /{n:\d+}"], "GET", "/12", [(r"GET /{n:\d+}", {"n": "12"})]),
        ([r"GET /{n:\d+}"], "GET", "/x", []),
        ([r"GET /{n:\d{2,3}}"], "GET", "/12", [(r"GET /{n:\d{2,3}}", {"n": "12"})]),
        (["GET /{x:a|b}"], "GET", "/b", [("GET /{x:a|b}", {"x": "b"})]),
        (["GET /{x:.*?}/z"], "GET", "/a/z/z", [("GET /{x:.*?}/z", {"x": "a/z"})]),
        (["GET /f/{tail:.*}"], "GET", "/f/a/b.txt", [("GET /f/{tail:.*}", {"tail": "a/b.txt"})]),
        (["GET /f/{tail:.*}"], "GET", "/f/", [("GET /f/{tail:.*}", {"tail": ""})]),
        (["GET /f/{tail:.*}"], "GET", "/f", []),
        (["GET /{x:.*}/end"], "GET", "/a/b/end", [("GET /{x:.*}/end", {"x": "a/b"})]),
        (["GET /{x:.*}", "GET /{y}"], "OPTIONS", "*", []),
        ([], "GET", "/", []),
        # The longest literal prefix first, then the order declared; all that fit are given.
        (
            ["GET /{x:.*}", "GET /a/{y}", "GET /{x}/b", "GET /a/b", "* /a/{z}"],
            "GET",
            "/a/b",
            [
                ("GET /a/b", {}),
                ("GET /a/{y}", {"y": "b"}),
                ("* /a/{z}", {"z": "b"}),
                ("GET /{x:.*}", {"x": "a/b"}),
                ("GET /{x}/b", {"x": "a"}),
            ],
        ),
        (
            ["GET /i/{id}", "GET /i/{pk}", "POST /i/{id}"],
            "GET",
            "/i/5",
            [("GET /i/{id}", {"id": "5"}), ("GET /i/{pk}", {"pk": "5"})],
        ),
    ],
)
def test_the_routes_that_fit_come_in_the_order_to_try_them(
    declared: list[str], method: str, path: str, fits: list[tuple[str, dict[str, str]]]
) -> None:
    assert found(table(*declared), method, path) == fits


def test_routes_that_differ_in_their_match_come_in_the_order_declared() -> None:
    routes = [
        MockRoute("POST", "/a", "json one", Match(json=1)),
        MockRoute("POST", "/a", "json two", Match(json=2)),
        MockRoute("*", "/a", "any method", Match(json=3)),
        MockRoute("POST", "/a", "else"),
    ]
    names = [name for name, _ in found(RouteTable(routes), "POST", "/a")]
    assert names == ["json one", "json two", "any method", "else"]


@pytest.mark.parametrize(
    ("declared", "path", "allowed"),
    [
        (["GET /a", "POST /a", "PUT /b"], "/a", ("GET", "POST")),
        (["get /a", "POST /{x}", "PUT /{x:.*}"], "/a", ("GET", "POST", "PUT")),
        (["GET /a"], "/b", ()),
    ],
)
def test_the_methods_that_a_path_allows_are_given(
    declared: list[str], path: str, allowed: tuple[str, ...]
) -> None:
    answer = table(*declared).find("DELETE", path)
    assert answer.candidates == ()
    assert answer.allowed == allowed


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        (
            MockRoute("GET", "/a", "one"),
            MockRoute("GET", "/a", "two"),
            "MockRoute('GET', '/a', 'two') can never be reached: MockRoute('GET', '/a', 'one') "
            "before it takes every GET /a. Declare the one with a match first, or give it one.",
        ),
        (
            MockRoute("GET", "/a/{x}", "one"),
            MockRoute("get", "/a/{x}", "two", Match(json=1)),
            "MockRoute('get', '/a/{x}', 'two', Match(json=1)) can never be reached: "
            "MockRoute('GET', '/a/{x}', 'one') before it takes every GET /a/{x}. "
            "Declare the one with a match first, or give it one.",
        ),
        (
            MockRoute("*", "/a", "one"),
            MockRoute("GET", "/a", "two"),
            "MockRoute('GET', '/a', 'two') can never be reached: MockRoute('*', '/a', 'one') "
            "before it takes every GET /a. Declare the one with a match first, or give it one.",
        ),
    ],
)
def test_a_route_that_can_never_be_reached_is_refused(
    first: MockRoute, second: MockRoute, text: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(text)) as caught:
        RouteTable([first, second])
    assert str(caught.value) == text


@pytest.mark.parametrize(
    "routes",
    [
        [MockRoute("GET", "/a", "one", Match(json=1)), MockRoute("GET", "/a", "two")],
        [MockRoute("GET", "/a", "one"), MockRoute("POST", "/a", "two")],
        [MockRoute("GET", "/a", "one"), MockRoute("*", "/a", "two")],
        [MockRoute("GET", "/{a}", "one"), MockRoute("GET", "/{b}", "two", Match(json=1))],
    ],
)
def test_a_route_that_something_reaches_is_taken(routes: list[MockRoute]) -> None:
    assert RouteTable(routes).routes == tuple(routes)
    assert RouteTable(routes).handler_names == {"one", "two"}


def test_what_is_no_route_is_refused() -> None:
    routes: Any = [("GET", "/a", "one")]
    with pytest.raises(TypeError) as caught:
        RouteTable(routes)
    assert str(caught.value) == "start_service takes MockRoute objects, got ('GET', '/a', 'one')"


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (("GET", "a", "n"), ValueError, "the path 'a' must start with a slash: '/a'"),
        (
            ("GET", "/a?b=1", "n"),
            ValueError,
            "the path '/a?b=1' holds a query; match it with match=Match(query={...}) instead",
        ),
        (
            ("GET", "/a#b", "n"),
            ValueError,
            "the path '/a#b' holds a fragment, which no client sends: leave it out",
        ),
        (("GET", "/{x}?y", "n"), ValueError, "the path '/{x}?y' holds a query"),
        (("GET", "/{x", "n"), ValueError, "'/{x' in the path '/{x' is neither {name} nor"),
        (("GET", "/x}", "n"), ValueError, "'/x}' in the path '/x}' is neither {name} nor"),
        (("GET", "/{}", "n"), ValueError, "'/{}' in the path '/{}' is neither {name} nor"),
        (
            ("GET", "/{1a}", "n"),
            ValueError,
            "'/{1a}' in the path '/{1a}' is neither {name} nor {name:regex}",
        ),
        (("GET", "/{a-b}", "n"), ValueError, "'{a-b}' in the path '/{a-b}' is neither {name} nor"),
        (("GET", "/{x:(}", "n"), ValueError, "the path '/{x:(}' is no expression: missing )"),
        (("GET", "/{x}/{x}", "n"), ValueError, "the path '/{x}/{x}' is no expression: redefin"),
        (("G T", "/", "n"), ValueError, "'G T' is no HTTP method (RFC 9110 §9.1)"),
        (
            ("/fact", "GET", "n"),
            ValueError,
            "'/fact' is no HTTP method (RFC 9110 §9.1); it comes first: "
            "MockRoute('GET', '/fact', ...)",
        ),
        (("", "/", "n"), ValueError, "method is empty; write one, or '*' for every method"),
        (("GET", "", "n"), ValueError, "path is empty; the root is '/'"),
        (("GET", "/", ""), ValueError, "handler_name is empty; register() needs a name"),
        (
            ("GET", "http://127.0.0.1:80/users/{id}", "n"),
            ValueError,
            "the path 'http://127.0.0.1:80/users/{id}' holds a host; write the path alone, "
            "the server has a host of its own: '/users/{id}'",
        ),
        (
            ("GET", "*", "n"),
            ValueError,
            "the path '*' must start with a slash; every path is '/{path:.*}'",
        ),
        (
            (["GET", "POST"], "/", "n"),
            TypeError,
            "method takes a text, got ['GET', 'POST']; declare a route for each method, "
            "or '*' for every one",
        ),
        (
            ("GET", re.compile(r"/a/\d+"), "n"),
            TypeError,
            "path takes a text, got a pattern; write it behind a name: '/users/{id:[0-9]+}'",
        ),
        ((b"GET", "/", "n"), TypeError, "method takes a text, got b'GET'"),
        (("GET", 5, "n"), TypeError, "path takes a text, got 5"),
        (("GET", "/", None), TypeError, "handler_name takes a text, got None"),
        (
            ("GET", "/", "n", {"json": 1}),
            TypeError,
            "match takes a Match, got {'json': 1}; write Match(json=..., headers=..., query=...)",
        ),
    ],
)
def test_a_route_that_cannot_be_one_is_refused(
    arguments: tuple[Any, ...], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        MockRoute(*arguments)
    assert str(caught.value).startswith(f"MockRoute: {text}")


def test_a_route_is_a_value_that_shows_how_it_is_written() -> None:
    route = MockRoute("post", "/a/{id}", "create", Match(json=1), optional=True)
    assert repr(route) == "MockRoute('post', '/a/{id}', 'create', Match(json=1), optional=True)"
    assert str(route) == "POST /a/{id}"
    assert route == MockRoute("post", "/a/{id}", "create", Match(json=1), optional=True)
    assert route != MockRoute("post", "/a/{id}", "create", Match(json=1))
    assert eval(repr(route)) == route
    with pytest.raises(AttributeError):
        route.path = "/b"  # type: ignore[misc]


def test_the_values_of_names_cannot_be_changed() -> None:
    (candidate,) = table("GET /{x}").find("GET", "/a").candidates
    with pytest.raises(TypeError):
        candidate.path_params["x"] = "b"  # type: ignore[index]


MANY = 10_000


@pytest.mark.parametrize(
    ("path_of", "ask_of"),
    [
        ("/exact/{n}", "/exact/{n}"),
        ("/own{n}/{{id}}", "/own{n}/5"),
        ("/same/{{id}}/part{n}", "/same/5/part{n}"),
        ("/same/{{id}}/part{n}/{{sub}}", "/same/5/part{n}/6"),
        ("/{{a}}/{{b}}/{{c}}/part{n}", "/1/2/3/part{n}"),
        (r"/own{n}/{{id:\d+}}", "/own{n}/5"),
        ("/own{n}/{{tail:.*}}", "/own{n}/5/6/7"),
        ("/files/{{tail:.*}}/part{n}", "/files/1/2/3/part{n}"),
        (r"/same/{{id:\d+}}/part{n}", "/same/5/part{n}"),
    ],
)
def test_a_route_among_ten_thousand_is_found_without_a_scan(
    path_of: str, ask_of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    routes = RouteTable(MockRoute("GET", path_of.format(n=n), f"r{n}") for n in range(MANY))
    tried: list[str] = []
    match: Callable[[Template, str], Mapping[str, str] | None] = Template.match

    def count(template: Template, path: str) -> Mapping[str, str] | None:
        tried.append(path)
        return match(template, path)

    monkeypatch.setattr(Template, "match", count)
    for number in (0, MANY // 2, MANY - 1):
        (candidate,) = routes.find("GET", ask_of.format(n=number)).candidates
        assert candidate.route.handler_name == f"r{number}"
    assert routes.find("GET", "/nothing/like/it").candidates == ()
    assert len(tried) <= 4


def test_a_path_that_was_asked_before_is_not_matched_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    routes = table("GET /{x}")
    first = routes.find("GET", "/a")
    monkeypatch.setattr(Template, "match", None)
    assert routes.find("GET", "/a") is first


def test_many_different_paths_do_not_fill_the_memory() -> None:
    routes = table("GET /{x}")
    for number in range(10_000):
        routes.find("GET", f"/{number}")
    assert len(routes._memo) < 5_000
    assert found(routes, "GET", "/0") == [("GET /{x}", {"x": "0"})]
