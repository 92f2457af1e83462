# mypy: ignore-errors
"""One class for each mock: how it is started, and how it is asked for what is tried out.

A mock answers GET /fact at `url` while `serve()` is entered. `asking`, `disconnect` and
`truncated` make an answer for it; `unmatched()` counts what it remembers of a request that
matched nothing. `secure` serves with certificates that it makes, `secure_with` with those of a
context, and `shown()` is what it knows of the client's. A feature that it does not have is a method
or an attribute that its class does not have. Every import stands in its method: the mocks live in
two environments, and one of the peers has our import name.
"""

from __future__ import annotations

from .patches import Aioresponses, PytestHTTPX, Respx
from .servers import HARD_CODED, SECURE, Aiointercept, Aresponses, Asyncly010, HTTPServer, Ours

__all__ = ["HARD_CODED", "MOCKS", "SECURE"]

MOCKS = {
    "ours": Ours,
    "asyncly_0_10": Asyncly010,
    "httpserver": HTTPServer,
    "aresponses": Aresponses,
    "aiointercept": Aiointercept,
    "respx": Respx,
    "pytest_httpx": PytestHTTPX,
    "aioresponses": Aioresponses,
}
