"""urllib3: pools whose connections go to the doors of the listed hosts, and nowhere else.

Only the connecting knows of a door. Pools, the Host header and the check of the certificate
keep the name that was asked for. The classes are called as those of urllib3: its messages show
the names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import urllib3
from urllib3 import connection
from urllib3.exceptions import NewConnectionError

if TYPE_CHECKING:
    from .network import Locate

__all__ = ["make_pool_manager"]


def make_pool_manager(
    locate: Locate, ca_pem: str | None, client_cert: str | None, options: dict[str, Any]
) -> urllib3.PoolManager:
    """Return a pool manager that reaches the doors of the listed hosts.

    Args:
        locate: finds a door, or refuses.
        ca_pem: the file of the certificates that it trusts.
        client_cert: the file of the certificate that it shows.
        options: of `urllib3.PoolManager`.
    """

    class HTTPConnection(connection.HTTPConnection):
        def connect(self) -> None:
            host, port = self.host, self.port
            try:
                self.host, self.port = locate(host, port)
            except OSError as refusal:
                raise NewConnectionError(self, str(refusal.strerror)) from refusal
            try:
                super().connect()
            finally:
                self.host, self.port = host, port

    class HTTPSConnection(HTTPConnection, connection.HTTPSConnection):
        def connect(self) -> None:
            self.server_hostname = self.server_hostname or self.host
            super().connect()

    class HTTPConnectionPool(urllib3.HTTPConnectionPool):
        ConnectionCls = HTTPConnection  # pyright: ignore[reportAssignmentType] # theirs, too

    class HTTPSConnectionPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = HTTPSConnection  # pyright: ignore[reportAssignmentType]

    if ca_pem is not None and "ssl_context" not in options:
        options = {"ca_certs": ca_pem, "cert_file": client_cert, **options}
    manager = urllib3.PoolManager(**options)
    manager.pool_classes_by_scheme = {"http": HTTPConnectionPool, "https": HTTPSConnectionPool}
    return manager
