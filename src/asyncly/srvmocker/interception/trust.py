"""Which certificates this process trusts while hosts are redirected in it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..tls import authority
from .replacing import put_back

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["environment_trusts"]


@contextmanager
def environment_trusts(bundle: str) -> Iterator[None]:
    """Let the variables of the environment name this file.

    requests reads them at each request, botocore and httpx when a client is made, and OpenSSL
    whenever the default certificates are loaded.

    Args:
        bundle: the path of the file.
    """
    names = tuple(authority().env())
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, bundle))
    try:
        yield
    finally:
        put_back(before)
