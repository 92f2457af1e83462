"""`socket.getaddrinfo` while hosts are redirected: every way to ask it."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
import pytest

from asyncly.srvmocker import start_service
from asyncly.srvmocker.interception.patching import Redirection
from asyncly.srvmocker.patterns import HostPattern

if TYPE_CHECKING:
    from collections.abc import Iterator

DOOR = ("127.0.0.1", 4321)
TCP = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", DOOR)
UDP = (socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP, "", DOOR)


class Doors:
    """One host, at the ports of its scheme."""

    def __init__(self, host: str = "api.shop.test", ports: tuple[int, ...] = (443,)) -> None:
        self.host = host
        self.ports = ports
        self.patterns = (HostPattern(host, host),)

    def find(self, host: str, port: int) -> tuple[str, int] | None:
        return DOOR if host.lower() == self.host and port in self.ports else None


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What is asked of the real function, which resolves nothing but addresses here."""
    asked: list[tuple[object, ...]] = []
    real = socket.getaddrinfo

    def getaddrinfo(*args: Any) -> Any:
        asked.append(args)
        if args[0] not in ("127.0.0.1", None):
            raise socket.gaierror(socket.EAI_NONAME, "nothing leaves this test")
        return real(*args)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.fixture
def redirected(asked: list[tuple[object, ...]]) -> Iterator[None]:
    doors = Doors()
    redirection = Redirection()
    redirection.add(doors, trust=False)
    yield
    redirection.remove(doors)


@pytest.mark.usefixtures("redirected")
@pytest.mark.parametrize("host", ["api.shop.test", "API.shop.test", b"api.shop.test"])
@pytest.mark.parametrize("port", [443, "443", b"443", "https", b"https", None, 0, ""])
def test_hosts_and_ports_in_every_form(host: Any, port: Any) -> None:
    assert TCP in socket.getaddrinfo(host, port)


@pytest.mark.usefixtures("redirected")
def test_the_wishes_for_family_kind_and_protocol_are_honoured() -> None:
    host = "api.shop.test"
    assert socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM) == [TCP]
    assert socket.getaddrinfo(host, 443, socket.AF_INET, socket.SOCK_DGRAM) == [UDP]
    assert socket.getaddrinfo(host, 443, proto=socket.IPPROTO_TCP) == [TCP]
    assert socket.getaddrinfo(host=host, port="https", family=0, type=1, proto=0, flags=0) == [TCP]
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo(host, 443, socket.AF_INET6)
    with pytest.raises(TypeError):
        socket.getaddrinfo(host)  # type: ignore[call-arg]


@pytest.mark.usefixtures("redirected")
def test_flags_are_honoured() -> None:
    host = "api.shop.test"
    named = socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    assert named == [(*TCP[:3], host, DOOR)]
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo(host, 443, flags=socket.AI_NUMERICHOST)


@pytest.mark.usefixtures("redirected")
@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("other.shop.test", 443),
        ("api.shop.test", 80),
        ("api.shop.test", "no-such-service"),
        ("api.shop.test.", "http"),
        (b"\xff", 443),
        ("\udc80", 443),
        ("-" * 70 + "ä", 443),
    ],
)
def test_whatever_is_not_listed_is_asked_as_it_was(
    host: Any, port: Any, asked: list[tuple[object, ...]]
) -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo(host, port)
    assert asked == [(host, port, 0, 0, 0, 0)]


@pytest.mark.usefixtures("redirected")
def test_no_host_at_all_is_this_machine(asked: list[tuple[object, ...]]) -> None:
    assert socket.getaddrinfo(None, 80)
    assert asked == [(None, 80, 0, 0, 0, 0)]


def test_a_name_that_is_not_ascii(asked: list[tuple[object, ...]]) -> None:
    doors = Doors("xn--bcher-kva.test")
    redirection = Redirection()
    redirection.add(doors, trust=False)
    assert socket.getaddrinfo("bücher.test", 443, type=socket.SOCK_STREAM) == [TCP]
    redirection.remove(doors)


@pytest.mark.parametrize("ports", [(80,), (443,)])
def test_without_a_port_any_door_of_the_host_is_found(
    ports: tuple[int, ...], asked: list[tuple[object, ...]]
) -> None:
    doors = Doors(ports=ports)
    redirection = Redirection()
    redirection.add(doors, trust=False)
    assert socket.getaddrinfo("api.shop.test", None, type=socket.SOCK_STREAM) == [TCP]
    redirection.remove(doors)


@pytest.mark.usefixtures("redirected")
async def test_the_loop_of_asyncio_asks_it_too() -> None:
    loop = asyncio.get_running_loop()
    assert await loop.getaddrinfo("api.shop.test", 443, type=socket.SOCK_STREAM) == [TCP]


@pytest.mark.usefixtures("redirected")
async def test_both_resolvers_of_aiohttp_are_told() -> None:
    """The one over aiodns too, which need not be installed: it is not begun."""
    told = [
        {
            "hostname": "api.shop.test",
            "host": DOOR[0],
            "port": DOOR[1],
            "family": socket.AF_INET,
            "proto": 0,
            "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        }
    ]
    threaded = aiohttp.ThreadedResolver()
    assert await threaded.resolve("api.shop.test", 443) == told
    over_aiodns = aiohttp.AsyncResolver.__new__(aiohttp.AsyncResolver)
    assert await over_aiodns.resolve("api.shop.test", 443) == told
    with pytest.raises(socket.gaierror):
        await threaded.resolve("other.shop.test", 443)


@pytest.mark.usefixtures("redirected")
async def test_anyio_is_redirected_for_listed_hosts_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="nothing leaves this test"):
        await anyio.connect_tcp("other.shop.test", 443)


async def test_a_server_binds_to_a_listed_name_as_always() -> None:
    redirection, doors = Redirection(), Doors("localhost")
    redirection.add(doors, trust=False)
    try:
        async with await asyncio.start_server(lambda *_: None, "localhost", 0) as server:
            assert DOOR[1] not in [bound.getsockname()[1] for bound in server.sockets]
        async with start_service([], host="localhost") as service:
            assert service.url.port != DOOR[1]
    finally:
        redirection.remove(doors)
