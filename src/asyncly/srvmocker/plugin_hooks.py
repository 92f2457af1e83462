"""What the fixtures and hooks of the pytest plugin do, once a test asks for a mock server."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from .fixtures import Attachments, FixtureProxy, FixtureService
from .interception import MockNetwork, intercept
from .report import render_trouble
from .responses.chance import render_seeds
from .routing import MockRoute
from .text import shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from .server.host import Host
    from .service import MockService

__all__ = ["provide_network", "provide_proxy", "provide_service"]

_ARGUMENTS = ("strict", "routes", "thread", "tls")
_NETWORK_MARKER = "mock_network('api.github.com', ..., patch=...)"
_HOOKS = "asyncly hooks"
_HOSTS: pytest.StashKey[list[tuple[Host, Attachments]]] = pytest.StashKey()
_PASSED: pytest.StashKey[bool] = pytest.StashKey()


def provide_service(
    request: pytest.FixtureRequest, routes: Sequence[MockRoute], warning: type[Warning]
) -> Iterator[FixtureService]:
    """Give a running service to a test, and say at the end what went wrong.

    Args:
        request: of the fixture.
        routes: what it takes, unless the test's marker says otherwise.
        warning: of what a test that passed did not see; a strict one fails.
    """
    options = _options(request.node)
    if "routes" in options:
        routes = _check_routes(
            request.node, "the marker mock_service: routes= takes", options["routes"]
        )
    else:
        routes = _check_routes(request.node, "the fixture mock_routes gives", routes)
    service = FixtureService(routes, tls=options.get("tls", False))
    yield from _provide(service, request, options, warning)


def provide_proxy(request: pytest.FixtureRequest, warning: type[Warning]) -> Iterator[FixtureProxy]:
    """Give a running forward proxy to a test, and say at the end what went wrong."""
    yield from _provide(FixtureProxy(), request, _options(request.node), warning)


def provide_network(
    item: pytest.Item, service: MockService, origins: Iterable[str] | Mapping[str, MockService]
) -> Iterator[MockNetwork]:
    """Let services answer for real names while a test runs.

    Args:
        item: the test; the nearest of its markers wins.
        service: what answers for the origins of a marker, and for those of a list.
        origins: what there is without a marker.

    Raises:
        pytest.UsageError: a marker is wrong, or there is no origin at all.
    """
    options = _network_options(item)
    origins = options.pop("origins", origins)
    if not origins:
        raise pytest.UsageError(
            f"{item.nodeid}: mock_network has no origins: override the fixture mock_origins, or "
            f"mark the test with @pytest.mark.{_NETWORK_MARKER}"
        )
    if isinstance(origins, str):
        origins = (origins,)
    if not isinstance(origins, Mapping):
        origins = dict.fromkeys(origins, service)
    with intercept(origins, **options) as network:
        yield network


def _network_options(item: pytest.Item) -> dict[str, Any]:
    """Return the arguments of the markers on a test, the nearest winning.

    Raises:
        pytest.UsageError: a marker has an argument that there is not.
    """
    options: dict[str, Any] = {}
    for marker in item.iter_markers("mock_network"):
        wrong = [repr(value) for value in marker.args if not isinstance(value, str)]
        wrong += sorted(set(marker.kwargs) - {"patch"})
        if wrong:
            raise pytest.UsageError(
                f"{item.nodeid}: the marker is {_NETWORK_MARKER}; got {', '.join(wrong)}"
            )
        given = {"origins": marker.args} if marker.args else {}
        options = {**given, **marker.kwargs, **options}
    return options


def _provide(
    host: Any, request: pytest.FixtureRequest, options: dict[str, Any], warning: type[Warning]
) -> Iterator[Any]:
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
    _judge(item, host, options, warning)


def _judge(item: pytest.Item, host: Host, options: dict[str, Any], warning: type[Warning]) -> None:
    """After a test that passed: fail it if it is strict, else warn."""
    if not item.stash.get(_PASSED, False):
        return  # the report of the failure has a section that says it all
    strict = options.get("strict", item.config.getini("mock_service_strict"))
    trouble = render_trouble(host, unused=bool(strict))
    if trouble and strict:
        pytest.fail(trouble, pytrace=False)
    elif trouble:
        item.warn(warning(trouble))


def _options(item: pytest.Item) -> dict[str, Any]:
    """Return the arguments of the markers on a test, the nearest winning.

    Raises:
        pytest.UsageError: a marker has an argument that there is not, or one of a wrong type.
    """
    options: dict[str, Any] = {}
    for marker in item.iter_markers("mock_service"):
        unknown = [*map(repr, marker.args), *(set(marker.kwargs) - set(_ARGUMENTS))]
        if unknown:
            takes = ", ".join(f"{name}=..." for name in _ARGUMENTS)
            raise pytest.UsageError(
                f"{item.nodeid}: the marker is mock_service({takes}); got {', '.join(unknown)}"
            )
        options = {**marker.kwargs, **options}
    for name in ("strict", "thread"):
        if not isinstance(value := options.get(name, False), bool):
            raise pytest.UsageError(
                f"{item.nodeid}: the marker mock_service: {name}= takes True or False, "
                f"got {shorten(value)}"
            )
    return options


def _check_routes(item: pytest.Item, who: str, routes: object) -> tuple[MockRoute, ...]:
    """Return the routes of a fixture or a marker.

    Raises:
        pytest.UsageError: they are none; the text says where they come from.
    """
    given = tuple(routes) if isinstance(routes, Iterable) else (routes,)
    found = tuple(one for one in given if isinstance(one, MockRoute))
    if not isinstance(routes, Iterable) or len(found) < len(given):
        raise pytest.UsageError(
            f"{item.nodeid}: {who} a list of MockRoute objects, got {shorten(routes)}"
        )
    return found


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
                markup = item.config.get_terminal_writer().hasmarkup
                if trouble := render_trouble(host, handshakes=True, colour=markup):
                    report.sections.append(("mock server", trouble))
                if seeds := render_seeds(getattr(host, "handlers", {})):
                    report.sections.append(("mock server: seeds", seeds))
        return report
