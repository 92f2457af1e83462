"""The steps of a WebSocket's script: `from asyncly.srvmocker import ws`.

    [ws.Expect({"type": "hello"}), ws.Send({"type": "welcome"}), ws.Close(4001, "bye")]

Each is a value; the script of a `WebSocketResponse` is a sequence of them, run in order.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

from ..matching import UNSET
from ..text import shorten
from .websocket_messages import check_close, encode_message

if TYPE_CHECKING:
    from .websocket_connection import WebSocketConnection

__all__ = ["Close", "Expect", "ExpectClose", "Pause", "Ping", "Reset", "Send", "Step"]


class Step(ABC):
    """One thing that the server does, or waits for. Subclass it for a step of your own.

    Example:
        >>> class Flood(ws.Step):
        ...     async def run(self, connection):
        ...         for number in range(1000):
        ...             await connection.send({"tick": number})
    """

    @abstractmethod
    async def run(self, connection: WebSocketConnection) -> None:
        """Do it.

        Raises:
            WebSocketScriptError: the client did something else than was expected.
            StreamClosedError: the client has gone; the script fails at this step.
        """

    @property
    def wish(self) -> str:
        """What the client has missed if it went before this step, in words."""
        return f"it was not there for {shorten(self)}"


@dataclass(frozen=True)
class Send(Step):
    """Send a message.

    Args:
        data: text (a text message), bytes (a binary one), or a value that is sent as JSON in a
            text message.

    Raises:
        TypeError: JSON has no form for it.

    Example:
        >>> ws.Send({"type": "welcome"})
        Send(data={'type': 'welcome'})
    """

    data: Any

    def __post_init__(self) -> None:
        encode_message(self.data)

    async def run(self, connection: WebSocketConnection) -> None:
        """Send it, and wait while the client does not read."""
        await connection.send(self.data)


@dataclass(frozen=True)
class Expect(Step):
    """Wait for the next message, which must be as described; pings and pongs do not count.

    Args:
        value: text, bytes or a compiled pattern are compared with what was sent; a dict, a list,
            a number, a boolean or None with what it says as JSON, exactly and by place. A type,
            an object with its own `__eq__` or a function may fit either. Not given: any message.
        timeout: seconds to wait; None waits until the client sends something or goes.

    Raises:
        TypeError: `timeout` is no number.
        ValueError: it is negative or not finite.

    Example:
        >>> ws.Expect({"type": "subscribe", "id": int}, timeout=5)
        Expect(value={'type': 'subscribe', 'id': <class 'int'>}, timeout=5)
    """

    value: Any = UNSET
    _: KW_ONLY
    timeout: float | None = None

    def __post_init__(self) -> None:
        _check_timeout(self.timeout)

    async def run(self, connection: WebSocketConnection) -> None:
        """Wait and compare."""
        await connection.expect(self.value, self.timeout)

    @property
    def wish(self) -> str:
        """What was expected."""
        return "expected a message" if self.value is UNSET else f"expected {shorten(self.value)}"


@dataclass(frozen=True)
class ExpectClose(Step):
    """Wait until the client closes in order, without another message before.

    Args:
        code: the code of its close frame; any value of `Match`, None is any code.
        timeout: seconds to wait; None waits until the client does something.

    Raises:
        TypeError: `timeout` is no number.
        ValueError: it is negative or not finite.

    Example:
        >>> ws.ExpectClose(1000)
        ExpectClose(code=1000, timeout=None)
    """

    code: Any = None
    _: KW_ONLY
    timeout: float | None = None

    def __post_init__(self) -> None:
        _check_timeout(self.timeout)

    async def run(self, connection: WebSocketConnection) -> None:
        """Wait and compare."""
        await connection.expect_close(self.code, self.timeout)


@dataclass(frozen=True)
class Pause(Step):
    """Do nothing for a while; what the client sends meanwhile is kept for the next `Expect`.

    Args:
        seconds: how long.

    Raises:
        TypeError: it is no number.
        ValueError: it is negative or not finite.

    Example:
        >>> ws.Pause(0.5)
        Pause(seconds=0.5)
    """

    seconds: float

    def __post_init__(self) -> None:
        _check_seconds("Pause", self.seconds)

    async def run(self, connection: WebSocketConnection) -> None:
        """Wait."""
        await connection.pause(self.seconds)


@dataclass(frozen=True)
class Ping(Step):
    """Send a ping (RFC 6455 §5.5.2). The client's pong will be in `exchange.messages`.

    Args:
        data: at most 125 bytes.

    Raises:
        TypeError: it is no bytes.
        ValueError: it is longer.

    Example:
        >>> ws.Ping(b"there?")
        Ping(data=b'there?')
    """

    data: bytes = b""

    def __post_init__(self) -> None:
        if not isinstance(self.data, bytes):
            raise TypeError(f"Ping takes bytes, got {shorten(self.data)}")
        if len(self.data) > 125:
            raise ValueError(f"Ping takes at most 125 bytes (RFC 6455 §5.5), got {len(self.data)}")

    async def run(self, connection: WebSocketConnection) -> None:
        """Send it."""
        await connection.ping(self.data)


@dataclass(frozen=True)
class Close(Step):
    """Close in order: send a close frame and wait for the client's (RFC 6455 §7.1.2).

    Args:
        code: 1000 to 4999; those that never stand in a frame are refused.
        reason: text of at most 123 bytes.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: such a code or reason cannot be sent.

    Example:
        >>> ws.Close(4001, "token expired")
        Close(code=4001, reason='token expired')
    """

    code: int = 1000
    reason: str = ""

    def __post_init__(self) -> None:
        check_close(self.code, self.reason)

    async def run(self, connection: WebSocketConnection) -> None:
        """Close."""
        await connection.close(self.code, self.reason)


@dataclass(frozen=True)
class Reset(Step):
    """Cut the connection at once (TCP RST): a client sees code 1006 or a connection error.

    Example:
        >>> ws.Reset()
        Reset()
    """

    async def run(self, connection: WebSocketConnection) -> None:
        """Cut."""
        await connection.reset()


def _check_timeout(timeout: object) -> None:
    if timeout is not None:
        _check_seconds("timeout", timeout)


def _check_seconds(name: str, seconds: object) -> None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{name} takes seconds, such as 0.5, got {shorten(seconds)}")
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{name} takes seconds from 0 up, got {seconds!r}")
