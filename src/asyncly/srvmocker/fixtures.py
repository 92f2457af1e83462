"""What the fixtures of the pytest plugin are made of: servers that find their own loop.

A fixture is set up before anybody knows which loop the test will run in, so it binds the port
at once and serves it later, wherever it is touched: in the running asyncio loop, or on a thread
where there is none (plain functions, trio).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .proxy import MockProxyService
from .server.thread import ServingThread
from .server.watchdog import WATCHDOG
from .service import MockService
from .waiting import has_loop

if TYPE_CHECKING:
    from yarl import URL

    from .responses import BaseMockResponse
    from .server.host import Host
    from .server.serving import Serving
    from .server.standstill import Ward

__all__ = ["Attachments", "FixtureProxy", "FixtureService"]


class Attachments:
    """Serves one bound host wherever it is touched, and ends that everywhere.

    Args:
        host: what is served.
        thread: serve on a thread in any case, for tests that block their loop.
    """

    def __init__(self, host: Host, *, thread: bool = False) -> None:
        self._host = host
        self._tasks: dict[asyncio.AbstractEventLoop, asyncio.Task[None]] = {}
        self._wards: list[Ward] = []
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
            if has_loop():  # of trio
                self.serve_on_thread()
            return
        if loop not in self._tasks:
            self._tasks[loop] = loop.create_task(self._serve(), name="asyncly mock server")
            # At once: a test that blocks before it awaits anything never lets that task begin.
            self._wards.append(WATCHDOG.watch(self._host, loop))

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
        """End all serving, from outside of any loop, and give the port back.

        Raises:
            ServiceThreadError: the thread had died, or does not end.
        """
        self._host.close()
        while self._wards:
            WATCHDOG.leave(self._wards.pop())
        if self._thread is not None:
            self._thread.stop()
        for loop, task in self._tasks.items():
            if loop.is_closed() or task.done():
                continue
            task.cancel()
            if not loop.is_running():
                loop.run_until_complete(asyncio.wait([task]))
        self._tasks.clear()
        if self._thread is None:
            self._host.conclude()
        elif self._thread.failure is not None:
            raise self._thread.failure


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
