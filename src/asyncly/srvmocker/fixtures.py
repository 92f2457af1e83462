"""What the fixtures of the pytest plugin are made of: servers that find their own loop.

A fixture is set up before anybody knows which loop the test will run in, so it binds the port
at once and serves it later, wherever it is touched: in the running asyncio loop, or on a thread
where there is none (plain functions, trio).
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .interception import MockNetwork, intercept
from .proxy import MockProxyService
from .service import MockService

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest
    from yarl import URL

    from .responses import BaseMockResponse
    from .server.host import Host, Serving

__all__ = ["Attachments", "FixtureProxy", "FixtureService", "ServingThread", "make_network"]


class Attachments:
    """Serves one bound host wherever it is touched, and ends that everywhere.

    Args:
        host: what is served.
        thread: serve on a thread in any case, for tests that block their loop.
    """

    def __init__(self, host: Host, *, thread: bool = False) -> None:
        self._host = host
        self._tasks: dict[asyncio.AbstractEventLoop, asyncio.Task[None]] = {}
        self._thread: ServingThread | None = None
        if thread:
            self.serve_on_thread()

    def touch(self) -> None:
        """Serve in the running loop, if there is one and nothing serves it yet."""
        if self._thread is not None:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            if _in_trio():
                self.serve_on_thread()
            return
        if loop not in self._tasks:
            self._tasks[loop] = loop.create_task(self._serve(), name="asyncly mock server")

    def serve_on_thread(self) -> None:
        """Serve on a thread with a loop of its own."""
        if self._thread is None:
            self._thread = ServingThread(self._host)

    async def _serve(self) -> None:
        """Serve until the task is cancelled: by `stop`, or by whoever closes the loop."""
        serving: Serving | None = None
        try:
            serving = await self._host.serve()
            await asyncio.get_running_loop().create_future()
        finally:
            if serving is not None:
                await serving.stop()

    def stop(self) -> None:
        """End all serving, from outside of any loop, and give the port back."""
        self._host.close()
        if self._thread is not None:
            self._thread.stop()
        for loop, task in self._tasks.items():
            if loop.is_closed() or task.done():
                continue
            task.cancel()
            if not loop.is_running():
                loop.run_until_complete(asyncio.wait([task]))
        self._tasks.clear()


class ServingThread:
    """Serves a host on a thread with a loop of its own.

    Args:
        host: what is served. It is served when the constructor returns.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._begun = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="asyncly mock server", daemon=True)
        self._thread.start()
        self._begun.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
            self._begun.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        serving = await self._host.serve()
        self._begun.set()
        try:
            await self._end.wait()
        finally:
            await serving.stop()

    def stop(self) -> None:
        """Stop serving and wait for the end of the thread."""
        if self._loop is not None and self._end is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()


class FixtureService(MockService):
    """A mock service that is served in the loop where it is touched."""

    attachments: Attachments

    @property
    def url(self) -> URL:
        """Where the server listens: point the client here. It has no path: `url / "fact"`."""
        self.attachments.touch()
        return super().url

    def register(self, handler_name: str, response: BaseMockResponse) -> None:
        """Answer the requests of a handler with `response` from now on."""
        self.attachments.touch()
        super().register(handler_name, response)


class FixtureProxy(MockProxyService):
    """A forward proxy that is served in the loop where it is touched."""

    attachments: Attachments

    @property
    def url(self) -> URL:
        """Where the proxy listens: give it to the client as its proxy."""
        self.attachments.touch()
        return super().url


_NETWORK_MARKER = "mock_network('api.github.com', ..., patch=...)"


def make_network(
    item: pytest.Item, service: MockService, origins: Iterable[str] | Mapping[str, MockService]
) -> MockNetwork:
    """Return the network of a test, not entered yet.

    Args:
        item: the test; the nearest of its markers wins.
        service: what answers for the origins of the markers, and for those of a list.
        origins: what the fixture `mock_origins` gives.

    Raises:
        pytest.UsageError: a marker is wrong, or there is no origin at all.
    """
    options: dict[str, Any] = {}
    for marker in item.iter_markers("mock_network"):
        wrong = [value for value in marker.args if not isinstance(value, str)]
        if wrong or set(marker.kwargs) - {"patch"}:
            got = ", ".join([*map(repr, wrong), *sorted(set(marker.kwargs) - {"patch"})])
            raise _usage_error(item, f"the marker is {_NETWORK_MARKER}; got {got}")
        options = {**({"origins": marker.args} if marker.args else {}), **marker.kwargs, **options}
    origins = options.pop("origins", origins)
    if not origins:
        raise _usage_error(
            item,
            "mock_network has no origins: override the fixture mock_origins, or mark the test "
            f"with @pytest.mark.{_NETWORK_MARKER}",
        )
    if isinstance(origins, Mapping):
        return intercept(origins, **options)
    if isinstance(origins, str):
        origins = (origins,)
    return intercept(dict.fromkeys(origins, service), **options)


def _usage_error(item: pytest.Item, text: str) -> Exception:
    import pytest

    return pytest.UsageError(f"{item.nodeid}: {text}")


def _in_trio() -> bool:
    trio: Any = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_run())
