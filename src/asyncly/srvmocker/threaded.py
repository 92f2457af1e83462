"""The same servers for those without a loop, or whose loop is blocked: on a thread of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .proxy import MockProxyService, start_proxy
from .server.thread import OnThread, takes_arguments_of
from .service import MockService, start_service

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["run_proxy", "run_service"]


@takes_arguments_of(start_service)
def run_service(*args: Any, **kwargs: Any) -> AbstractContextManager[MockService]:
    """Serve routes as `start_service` does, but on a thread of its own, until the block is left.

    For clients that block: requests, urllib, a subprocess; for trio, and for tests without a
    loop. It is the same `MockService`. All of it may be used from any thread; what is awaited in
    asyncio or trio is waited for with `.block()` where there is no loop:
    `service.wait_for_call("fact").block()`.

    The arguments are those of `start_service`, and so are the errors, all raised here.

    Raises:
        ServiceThreadError: at the end of the block: the thread had died, or does not end.

    Example:
        >>> with run_service([MockRoute("GET", "/fact", "fact")]) as service:
        ...     service.register("fact", JsonResponse({"fact": "Meow."}))
        ...     with urllib.request.urlopen(str(service.url / "fact")) as answer:
        ...         assert answer.status == 200
        ...     service.assert_called("fact", times=1)
    """
    return OnThread(MockService(*args, **kwargs), "run_service")


@takes_arguments_of(start_proxy)
def run_proxy(*args: Any, **kwargs: Any) -> AbstractContextManager[MockProxyService]:
    """Serve a forward proxy as `start_proxy` does, but on a thread of its own.

    The arguments are those of `start_proxy`, and so are the errors, all raised here.

    Raises:
        ServiceThreadError: at the end of the block: the thread had died, or does not end.

    Example:
        >>> with run_service([MockRoute("GET", "/fact", "fact")]) as service, run_proxy() as proxy:
        ...     service.register("fact", JsonResponse({"fact": "Meow."}))
        ...     url = str(service.url / "fact")
        ...     answer = requests.get(url, proxies={"http": str(proxy.url)}, timeout=5)
        ...     assert answer.status_code == 200
        ...     proxy.assert_called(target=url, times=1)
    """
    return OnThread(MockProxyService(*args, **kwargs), "run_proxy")
