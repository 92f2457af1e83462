"""The pytest plugin: fixtures, two markers and an ini option.

pytest loads this module at every run, and compiles it where it may write no bytecode. So it is
short, and imports nothing of asyncly: what the fixtures do is in `srvmocker/plugin_hooks.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from asyncly.srvmocker import MockNetwork, MockProxyService, MockRoute, MockService

__all__ = [
    "MockServiceWarning",
    "mock_network",
    "mock_origins",
    "mock_proxy",
    "mock_routes",
    "mock_service",
]


class MockServiceWarning(pytest.PytestWarning):
    """A test passed although requests reached no route or a response raised."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini option."""
    parser.addini(
        "mock_service_strict",
        "fail tests with unmatched requests, errors of responses or unused responses",
        type="bool",
        default=False,
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers."""
    config.addinivalue_line(
        "markers",
        "mock_service(strict=..., routes=..., thread=..., tls=...): strict fails the test on "
        "unmatched requests, errors and unused responses; routes declares the routes in place of "
        "the fixture mock_routes; thread=True serves on a thread, for tests that block their "
        "loop; tls=True, or a Tls(...), serves HTTPS.",
    )
    config.addinivalue_line(
        "markers",
        "mock_network('api.github.com', ..., patch=...): the origins that the fixture "
        "mock_network answers for, in place of the fixture mock_origins; patch=True redirects "
        "this process to them.",
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give a test that is marked for a network its fixture: the real one would be asked else."""
    names = getattr(item, "fixturenames", None)
    marked = item.get_closest_marker("mock_network") is not None
    if marked and names is not None and "mock_network" not in names:
        names.append("mock_network")


@pytest.fixture
def mock_routes() -> Sequence[MockRoute]:
    """Declare the routes of `mock_service`: override this fixture in your module or conftest."""
    return ()


@pytest.fixture
def mock_service(
    request: pytest.FixtureRequest, mock_routes: Sequence[MockRoute]
) -> Iterator[MockService]:
    """Give a running mock server with the routes of `mock_routes`, in the loop of the test.

    In a test without an asyncio loop it runs on a thread.
    """
    from asyncly.srvmocker.plugin_hooks import provide_service

    yield from provide_service(request, mock_routes, MockServiceWarning)


@pytest.fixture
def mock_proxy(request: pytest.FixtureRequest) -> Iterator[MockProxyService]:
    """Give a running forward proxy that records what passes, in the loop of the test."""
    from asyncly.srvmocker.plugin_hooks import provide_proxy

    yield from provide_proxy(request, MockServiceWarning)


@pytest.fixture
def mock_origins() -> Iterable[str] | Mapping[str, MockService]:
    """Declare the origins of `mock_network`: override this fixture in your module or conftest.

    A list is answered by `mock_service`, a mapping by the services in it.
    """
    return ()


@pytest.fixture
def mock_network(
    request: pytest.FixtureRequest,
    mock_service: MockService,
    mock_origins: Iterable[str] | Mapping[str, MockService],
) -> Iterator[MockNetwork]:
    """Give a network on which `mock_service` answers for the origins of `mock_origins`."""
    from asyncly.srvmocker.plugin_hooks import provide_network

    yield from provide_network(request.node, mock_service, mock_origins)
