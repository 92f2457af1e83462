"""What `target` and `method` of the proxy's queries fit, and what they refuse."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from yarl import URL

from asyncly.srvmocker import MockProxyService, MockRoute, RawResponse, start_proxy, start_service

from .conftest import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ASKED = ["CONNECT API.example.com:443", "GET http://Api.Example.com/x", "GET http://[::2]:81/y?z"]


@pytest.fixture
async def proxy() -> AsyncIterator[MockProxyService]:
    """A proxy that has been asked for some targets."""
    async with start_service([MockRoute("GET", "/{path}", "any")]) as service:
        service.register("any", RawResponse("cat"))
        listed = {"api.example.com": service, "[::2]": service}
        async with start_proxy(intercept=listed) as proxy:
            for line in ASKED:
                async with connect(proxy.url) as client:
                    await client.send(f"{line} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                    await client.reader.readuntil(b"\r\n\r\n")
            yield proxy


@pytest.mark.parametrize(
    ("target", "times"),
    [
        ("api.example.com", 2),
        ("API.Example.com", 2),
        ("api.example.com.", 2),
        ("api.example.com:443", 1),
        ("api.example.com:80", 1),
        ("http://api.example.com/x", 1),
        ("http://api.example.com:80/x", 1),
        ("HTTP://API.EXAMPLE.com/x", 1),
        (URL("http://api.example.com/x"), 1),
        ("http://api.example.com/X", 0),
        ("http://api.example.com/x/", 0),
        ("[::2]", 1),
        ("::2", 1),
        ("[::2]:81", 1),
        ("http://[::2]:81/y?z", 1),
        (re.compile(r".*example\.com.*", re.IGNORECASE), 2),
    ],
)
async def test_a_host_is_known_in_any_case_and_a_default_port_is_none(
    proxy: MockProxyService, target: Any, times: int
) -> None:
    assert len(proxy.get_calls(target=target)) == times


async def test_a_url_that_went_by_a_tunnel_is_told_what_is_known(proxy: MockProxyService) -> None:
    with pytest.raises(AssertionError) as caught:
        proxy.assert_called(target="https://api.example.com/x", method="CONNECT")
    assert str(caught.value).splitlines()[-1] == (
        "    target: expected 'https://api.example.com/x', got 'API.example.com:443' "
        "(of a tunnel only host and port are known)"
    )


@pytest.mark.parametrize(
    ("target", "error", "text"),
    [
        ("", ValueError, "target takes a URL or a host, got ''"),
        ("/x", ValueError, "target takes a URL or a host, got '/x': it names no host"),
        (URL("/x"), ValueError, "target takes a URL or a host, got '/x': it names no host"),
        (
            "api.example.com/x",
            ValueError,
            "target takes a URL or a host, got 'api.example.com/x': a path needs a scheme; "
            "write 'http://api.example.com/x'",
        ),
        (
            "*.example.com",
            ValueError,
            "target takes a URL or a host, got '*.example.com': for several hosts give a compiled "
            "pattern",
        ),
        (5, TypeError, "target takes a URL, a host, a compiled pattern or a function, got 5"),
        (b"x", TypeError, "target takes a URL, a host, a compiled pattern or a function, got b'x'"),
        (["x"], TypeError, "target takes a URL, a host, a compiled pattern or a function, got ["),
    ],
)
async def test_a_target_that_could_fit_nothing_is_refused(
    proxy: MockProxyService, target: Any, error: type[Exception], text: str
) -> None:
    """Else `assert_not_called` would pass, whatever came."""
    with pytest.raises(error) as caught:
        proxy.assert_not_called(target=target)
    assert str(caught.value).startswith(text)
    with pytest.raises(error):
        proxy.wait_for_call(target=target)


async def test_a_target_may_compare_itself(proxy: MockProxyService) -> None:
    """As the objects of dirty-equals do: they fit wherever a value does."""

    class EndsWith:
        def __init__(self, end: str) -> None:
            self.end = end

        def __eq__(self, other: object) -> bool:
            return isinstance(other, str) and other.endswith(self.end)

        __hash__ = None  # type: ignore[assignment]

    proxy.assert_called(target=EndsWith("/x"), times=1)
    proxy.assert_not_called(target=EndsWith("/other"))


@pytest.mark.parametrize("method", [5, b"GET", ["GET"], re.compile("GET"), ""])
async def test_a_method_is_a_text(proxy: MockProxyService, method: Any) -> None:
    text = "method takes a text such as 'GET', got "
    with pytest.raises(TypeError, match=re.escape(text)):
        proxy.assert_not_called(method=method)
    with pytest.raises(TypeError, match=re.escape(text)):
        proxy.wait_for_call(method=method)
