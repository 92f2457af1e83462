"""The pytest plugin: fixtures, a marker, an ini option, and reports of what went wrong.

pytest loads this module at every run, so it imports nothing of asyncly before a test asks for
a fixture.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from asyncly.srvmocker import MockNetwork, MockProxyService, MockRoute, MockService
    from asyncly.srvmocker.fixtures import Attachments
    from asyncly.srvmocker.server.host import Host

__all__ = [
    "MockServiceWarning",
    "mock_network",
    "mock_origins",
    "mock_proxy",
    "mock_routes",
    "mock_service",
]

_MARKER = "mock_service(strict=..., routes=..., thread=...)"
_ARGUMENTS = ("strict", "routes", "thread")
_HOOKS = "asyncly hooks"
_HOSTS: pytest.StashKey[list[tuple[Host, Attachments]]] = pytest.StashKey()
_PASSED: pytest.StashKey[bool] = pytest.StashKey()


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
    """Declare the marker."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}: strict fails the test on unmatched requests, errors and unused responses; "
        "routes declares the routes in place of the fixture mock_routes; thread=True serves on "
        "a thread, for tests that block their loop.",
    )
    config.addinivalue_line(
        "markers",
        "mock_network('api.github.com', ..., patch=...): the origins that the fixture "
        "mock_network answers for, in place of the fixture mock_origins; patch=True redirects "
        "this process to them.",
    )


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
    from asyncly.srvmocker.fixtures import FixtureService

    options = _options(request.node)
    routes = options.get("routes", mock_routes)
    service = FixtureService(routes)
    yield from _provide(service, request, options)


@pytest.fixture
def mock_proxy(request: pytest.FixtureRequest) -> Iterator[MockProxyService]:
    """Give a running forward proxy that records what passes, in the loop of the test."""
    from asyncly.srvmocker.fixtures import FixtureProxy

    yield from _provide(FixtureProxy(), request, _options(request.node))


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
    from asyncly.srvmocker.fixtures import make_network

    with make_network(request.node, mock_service, mock_origins) as network:
        yield network


def _provide(host: Any, request: pytest.FixtureRequest, options: dict[str, Any]) -> Iterator[Any]:
    """Bind the host, give it to the test, and say at the end what went wrong."""
    from asyncly.srvmocker.fixtures import Attachments

    item = request.node
    manager = request.config.pluginmanager
    if not manager.has_plugin(_HOOKS):
        manager.register(_Hooks(), _HOOKS)
    host.bind()
    attachments = Attachments(host)
    host.attachments = attachments
    try:
        if options.get("thread") or not _is_coroutine_test(item):
            attachments.serve_on_thread()
        item.stash.setdefault(_HOSTS, []).append((host, attachments))
        yield host
    finally:
        attachments.stop()
    _judge(item, host, options)


def _judge(item: pytest.Item, host: Host, options: dict[str, Any]) -> None:
    """After a test that passed: fail it if it is strict, else warn."""
    from asyncly.srvmocker.report import render_trouble

    if not item.stash.get(_PASSED, False):
        return  # the report of the failure has a section that says it all
    strict = options.get("strict", item.config.getini("mock_service_strict"))
    trouble = render_trouble(host, unused=bool(strict))
    if trouble and strict:
        pytest.fail(trouble, pytrace=False)
    elif trouble:
        item.warn(MockServiceWarning(trouble))


def _options(item: pytest.Item) -> dict[str, Any]:
    """Return the arguments of the markers on a test, the nearest winning.

    Raises:
        pytest.UsageError: a marker has an argument that there is not.
    """
    options: dict[str, Any] = {}
    for marker in item.iter_markers("mock_service"):
        unknown = [*map(repr, marker.args), *(set(marker.kwargs) - set(_ARGUMENTS))]
        if unknown:
            raise pytest.UsageError(
                f"{item.nodeid}: the marker is {_MARKER}; got {', '.join(unknown)}"
            )
        options = {**marker.kwargs, **options}
    return options


def _is_coroutine_test(item: pytest.Item) -> bool:
    function = getattr(item, "obj", None)
    # hypothesis wraps the coroutine that its own plugin hooks run
    inner = getattr(getattr(function, "hypothesis", None), "inner_test", None)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(inner)


def _touching(function: Callable[..., Any], everything: list[Attachments]) -> Callable[..., Any]:
    """Return the coroutine or async generator function, with a first step in its loop."""

    def touch() -> None:
        for attachments in everything:
            attachments.touch()

    @functools.wraps(function)
    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        touch()
        return await function(*args, **kwargs)

    @functools.wraps(function)
    async def generator(*args: Any, **kwargs: Any) -> Any:
        touch()
        inner = function(*args, **kwargs)
        try:
            async for value in inner:
                yield value
        finally:
            await inner.aclose()

    return generator if inspect.isasyncgenfunction(function) else coroutine


class _Hooks:
    """What watches the tests that have a mock server: registered when the first one asks for it.

    A run without one, and the tests before, pay nothing for these hooks.
    """

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Serve in the loop of the test from its first step on, or on a thread if it has none."""
        hosts = item.stash.get(_HOSTS, [])
        if hosts and _is_coroutine_test(item):
            everything = [attachments for _, attachments in hosts]
            inner = getattr(getattr(item.obj, "hypothesis", None), "inner_test", None)  # type: ignore[attr-defined]
            if inspect.iscoroutinefunction(inner):
                item.obj.hypothesis.inner_test = _touching(inner, everything)  # type: ignore[attr-defined]
            else:
                item.obj = _touching(item.obj, everything)  # type: ignore[attr-defined]
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """Serve in the loop of an async fixture too: it may call the server while it is set up."""
        hosts = request.node.stash.get(_HOSTS, [])
        function: Any = fixturedef.func
        is_async = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
        if not hosts or not is_async:
            return (yield)
        holder: Any = fixturedef
        holder.func = _touching(function, [attachments for _, attachments in hosts])
        try:
            return (yield)
        finally:
            holder.func = function

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add to the report of a failed test what its mock servers saw."""
        report = yield
        if call.when == "call":
            item.stash[_PASSED] = report.passed
        if report.failed and call.when in ("setup", "call"):
            for host, _ in item.stash.get(_HOSTS, []):
                from asyncly.srvmocker.report import render_trouble
                from asyncly.srvmocker.responses.chance import render_seeds

                markup = item.config.get_terminal_writer().hasmarkup
                if trouble := render_trouble(host, colour=markup):
                    report.sections.append(("mock server", trouble))
                if seeds := render_seeds(getattr(host, "handlers", {})):
                    report.sections.append(("mock server: seeds", seeds))
        return report
