"""Checks that users run on what they write themselves."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import aiohttp
from yarl import URL

from .report import count
from .responses.base import check_response as refuse_other_things
from .routing import MockRoute
from .service import start_service
from .text import shorten

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .responses.base import BaseMockResponse
    from .service import MockService

__all__ = ["check_response"]

_NAMES = ("first", "second")
_AT_ONCE = 10


async def check_response(
    response: BaseMockResponse,
    *,
    method: str = "GET",
    path: str = "/",
    route: str | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    same: bool = True,
    timeout: float = 5.0,
) -> None:
    """Check that a response does all that a service asks of one, over real connections.

    - It is a value: it has a repr, equals itself, and may be registered under two names.
    - It serves: its answer comes, and nothing is raised. An answer that breaks off on purpose,
      as a fault does, is one.
    - It serves many at once, and answers each alike.
    - It survives a client that leaves in mid answer: at once, and after the first byte.
    - It leaves no task behind.

    Await it in asyncio, where nothing else begins tasks meanwhile: they would be taken for tasks
    of the response.

    Args:
        response: an object of your class. It is registered anew for each check, so what it keeps
            with `state_of` begins anew.
        method: of the requests.
        path: of the requests: `"/items/5"`.
        route: the path of the route, if it holds names: `"/items/{id}"`.
        headers: of the requests.
        body: of the requests.
        same: whether all answers are alike, but for their Date; pass False for a sequence, or
            for answers that hold a time.
        timeout: seconds that each step may take.

    Raises:
        AssertionError: a property does not hold; the text names it, the reason and the response.
        TypeError: `response` is no response.
        ValueError: `path` is none.

    Example:
        >>> from asyncly.srvmocker.testing import check_response
        >>> async def test_my_response():
        ...     await check_response(MyResponse())
    """
    __tracebackhide__ = True
    refuse_other_things(response, "check_response")
    if not path.startswith("/"):
        raise ValueError(f"path= takes a path such as '/items/5', got {path!r}")
    check = _Check(response, method, path, headers or {}, body, timeout)
    check.is_a_value()
    before = asyncio.all_tasks()
    try:
        async with start_service(
            [MockRoute(method, f"/{name}{route or path}", name) for name in _NAMES]
        ) as service:
            check.is_registered(service)
            await check.serves(service)
            check.is_registered(service)
            await check.serves_many(service, same=same)
            for read in (False, True):
                check.is_registered(service)
                await check.survives(service, read=read)
        await check.leaves_no_task(before)
    finally:
        await _end(asyncio.all_tasks() - before)


class _Answer(NamedTuple):
    """What a client got."""

    status: int | None
    headers: tuple[tuple[str, str], ...]
    body: bytes
    error: str

    def __str__(self) -> str:
        return f"{self.status or self.error} {shorten(self.headers)} {shorten(self.body)}"


class _Check:
    """The response under check, and how it is asked."""

    def __init__(
        self,
        response: BaseMockResponse,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout: float,
    ) -> None:
        self._response = response
        self._method = method
        self._path = path
        self._headers = headers
        self._body = body
        self._timeout = timeout

    def is_a_value(self) -> None:
        __tracebackhide__ = True
        wish = "is a value"
        try:
            repr(self._response)
        except Exception as error:
            self._fail(wish, f"its repr raised {error!r}", error)
        try:
            equal = bool(self._response == self._response)
        except Exception as error:
            self._fail(wish, f"comparing it raised {error!r}", error)
        if not equal:
            self._fail(wish, "it does not equal itself")

    def is_registered(self, service: MockService) -> None:
        """Register it under both names, anew."""
        __tracebackhide__ = True
        for name in _NAMES:
            try:
                service.register(name, self._response)
            except Exception as error:
                self._fail("is a value", f"register({name!r}, ...) raised {error!r}", error)

    async def serves(self, service: MockService) -> None:
        __tracebackhide__ = True
        for name in _NAMES:
            answer = await self._ask(service, name)
            self._check_errors(service, f"serves when it is registered as {name!r}")
            if not service.get_calls(name):
                self._fail("serves", f"no request reached it: the client got {answer}")

    async def serves_many(self, service: MockService, *, same: bool) -> None:
        __tracebackhide__ = True
        wish = f"serves {_AT_ONCE} requests at once"
        names = _NAMES * (_AT_ONCE // len(_NAMES))
        answers = await asyncio.gather(*(self._ask(service, name, wish) for name in names))
        self._check_errors(service, wish)
        for name, answer in zip(names, answers, strict=True):
            first = answers[names.index(name)]
            if same and answer != first:
                self._fail(
                    "gives equal answers to equal requests",
                    f"two differ (pass same=False if they may)\n  {first}\n  {answer}",
                )

    async def survives(self, service: MockService, *, read: bool) -> None:
        """Leave in mid answer, wait for the end of the exchange, and ask again."""
        __tracebackhide__ = True
        wish = "survives a client that leaves " + ("after a byte" if read else "at once")
        before = asyncio.all_tasks()
        calls = len(service.get_calls("first"))
        reader, writer = await asyncio.open_connection(service.url.host, service.url.port)
        try:
            writer.write(self._request(service))
            await service.wait_for_call("first", times=calls + 1, timeout=self._timeout)
            exchange = service.exchanges[-1]
            if read:
                with suppress(OSError, TimeoutError):  # a fault may send nothing
                    async with asyncio.timeout(self._timeout):
                        await reader.read(1)
        finally:
            writer.transport.abort()
        begun = asyncio.all_tasks() - before
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                while exchange.finished_at is None and begun:
                    _, begun = await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
        if exchange.finished_at is None:
            self._fail(
                wish,
                f"its response() still runs {self._timeout:g} s after the client left; "
                "it is cancelled then: let asyncio.CancelledError pass",
            )
        self._check_errors(service, wish)
        await self._ask(service, "second", f"{wish} and answers the next one")
        self._check_errors(service, f"{wish} and answers the next one")

    async def leaves_no_task(self, before: set[asyncio.Task[object]]) -> None:
        __tracebackhide__ = True
        left = asyncio.all_tasks() - before
        if left:
            _, left = await asyncio.wait(left, timeout=self._timeout)
        if left:
            names = Counter(getattr(task.get_coro(), "__qualname__", "?") for task in left)
            shown = "".join(f"\n  {number} of {name}" for name, number in names.items())
            self._fail("leaves no task", f"{count(len(left), 'task')} did not end:{shown}")

    async def _ask(self, service: MockService, name: str, wish: str = "serves") -> _Answer:
        __tracebackhide__ = True
        url = self._url(service, name)
        try:
            # A connection of its own: aiohttp would send a request again on one that it reuses.
            async with (
                asyncio.timeout(self._timeout),
                aiohttp.ClientSession(auto_decompress=False) as session,
                session.request(
                    self._method,
                    url,
                    headers=self._headers,
                    data=self._body or None,
                    allow_redirects=False,
                ) as answer,
            ):
                sent = answer.headers.items()
                headers = tuple(sorted(item for item in sent if item[0].lower() != "date"))
                return _Answer(answer.status, headers, await answer.read(), "")
        except aiohttp.ClientError as error:
            return _Answer(None, (), b"", type(error).__name__)
        except TimeoutError as error:
            self._fail(wish, f"no whole answer came in {self._timeout:g} s", error)

    def _url(self, service: MockService, name: str) -> URL:
        return URL(f"{service.url.origin()}/{name}{self._path}")

    def _request(self, service: MockService) -> bytes:
        head = {"Host": "127.0.0.1", "Content-Length": str(len(self._body)), **self._headers}
        lines = [f"{self._method} {self._url(service, 'first').raw_path_qs} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in head.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self._body

    def _check_errors(self, service: MockService, wish: str) -> None:
        __tracebackhide__ = True
        for error in service.errors:
            self._fail(wish, f"it raised {type(error).__name__}: {error}", error)

    def _fail(self, wish: str, reason: str, cause: BaseException | None = None) -> NoReturn:
        __tracebackhide__ = True
        shown = shorten(self._response)  # also if its repr raises
        raise AssertionError(f"{shown}: expected that it {wish}, but {reason}") from cause


async def _end(tasks: set[asyncio.Task[object]]) -> None:
    """Cancel what the response left, so that the test that runs the check leaves nothing."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=1)
