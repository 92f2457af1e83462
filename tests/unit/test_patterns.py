"""Which hosts a pattern means, and what is told to who writes another thing."""

from __future__ import annotations

import pytest
from yarl import URL

from asyncly.srvmocker.patterns import HostPattern, check_overlaps

FORMS = (
    "intercept() takes a host such as 'api.github.com' or '*.example.com', "
    "or an origin such as 'https://host'"
)


def parse(text: object) -> HostPattern:
    return HostPattern.parse(text, "intercept()")


@pytest.mark.parametrize(
    ("pattern", "meant", "not_meant"),
    [
        ("api.test", [("api.test", 443), ("API.Test.", 80)], [("x.api.test", 443), ("test", 1)]),
        ("api.test:8443", [("api.test", 8443)], [("api.test", 443)]),
        ("https://api.test", [("api.test", 443)], [("api.test", 80), ("api.test", 8443)]),
        ("https://api.test/", [("api.test", 443)], [("api.test", 80)]),
        ("HTTP://Api.Test", [("api.test", 80)], [("api.test", 443)]),
        ("http://api.test:8080", [("api.test", 8080)], [("api.test", 80)]),
        (
            "*.s3.test",
            [("a.s3.test", 443), ("a.b.s3.test", 80)],
            [("s3.test", 443), ("as3.test", 443)],
        ),
        ("https://*.s3.test", [("a.s3.test", 443)], [("a.s3.test", 80)]),
        ("bücher.test", [("xn--bcher-kva.test", 443)], [("bucher.test", 443)]),
        ("https://*.Straße.test", [("a.xn--strae-oqa.test", 443)], [("a.strasse.test", 443)]),
        ("10.0.0.5", [("10.0.0.5", 443)], [("10.0.0.6", 443)]),
        ("my_service", [("my_service", 443)], [("my-service", 443)]),
        ("1e100.test", [("1e100.test", 443)], [("1e101.test", 443)]),
        ("https://[::1]:8443", [("::1", 8443)], [("::1", 443)]),
        (URL("https://api.test"), [("api.test", 443)], [("api.test", 80)]),
    ],
)
def test_what_a_pattern_means(
    pattern: str | URL, meant: list[tuple[str, int]], not_meant: list[tuple[str, int]]
) -> None:
    parsed = parse(pattern)
    assert all(parsed.fits(*asked) for asked in meant)
    assert not any(parsed.fits(*asked) for asked in not_meant)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no host in it"),
        ("https://", "there is no host in it"),
        ("a b.test", "there is no host in it"),
        ("ftp://api.test", "the scheme is https or http, not 'ftp'"),
        ("api.test/v3", "a host has no path; declare paths as routes of the service"),
        ("https://api.test?x=1", "a host has no path; declare paths as routes of the service"),
        ("me:pw@api.test", "a host has no login"),
        ("api.*.test", "a '*' may only stand for what is before the first dot"),
        ("*", "a '*' may only stand for what is before the first dot"),
        ("*.10.0.0.5", "there is nothing below an address"),
        ("::1", "an IPv6 address stands in brackets: '[::1]'"),
        ("api.test:0", "nobody listens at port 0"),
        (".api.test", "'.api.test' is no name of a host"),
        ("api..test", "'api..test' is no name of a host"),
        ("api.test,b.test", "'api.test,b.test' is no name of a host"),
        ("-api.test", "'-api.test' is no name of a host"),
        ("127.1", "'127.1' is no name of a host"),
        ("2130706433", "'2130706433' is no name of a host"),
        ("a" * 64, f"'{'a' * 64}' is no name of a host"),
        ("a." * 127 + "test", f"'{'a.' * 127}test' is no name of a host"),
    ],
)
def test_what_is_no_host(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match="takes a host") as caught:
        parse(text)
    assert str(caught.value) == f"{FORMS}, got {text!r}: {reason}"


def test_a_port_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="Port out of range"):
        parse("api.test:99999")


def test_what_is_no_text() -> None:
    with pytest.raises(TypeError) as caught:
        parse(5)
    assert str(caught.value) == f"{FORMS}, got 5"


@pytest.mark.parametrize(
    ("one", "two", "overlap"),
    [
        ("api.test", "api.test", True),
        ("api.test", "https://api.test", True),
        ("http://api.test", "https://api.test", False),
        ("api.test:1", "api.test:2", False),
        ("*.test", "api.test", True),
        ("*.a.test", "*.test", True),
        ("*.a.test", "*.b.test", False),
        ("*.api.test", "api.test", False),
        ("https://*.test", "http://api.test", False),
        ("api.test", "other.test", False),
    ],
)
def test_which_patterns_overlap(one: str, two: str, *, overlap: bool) -> None:
    patterns = [parse(one), parse(two)]
    assert patterns[0].overlaps(patterns[1]) is overlap
    assert patterns[1].overlaps(patterns[0]) is overlap
    if not overlap:
        check_overlaps(patterns, "intercept()")
        return
    with pytest.raises(ValueError, match="overlap") as caught:
        check_overlaps(patterns, "intercept()")
    assert str(caught.value) == (
        f"intercept(): {one!r} and {two!r} overlap: which service would answer? "
        "Keep one of them, or narrow the wider one"
    )


def test_the_origin_of_a_pattern() -> None:
    assert str(parse("api.test").url) == "https://api.test"
    assert str(parse("https://api.test:443").url) == "https://api.test"
    assert str(parse("http://*.api.test:8080").url) == "http://api.test:8080"
