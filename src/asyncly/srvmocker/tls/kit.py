"""What a test holds of a service's TLS: `service.tls`."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .authority import authority
from .spec import check_faults

if TYPE_CHECKING:
    import os
    import ssl
    from collections.abc import Iterable

    from .spec import Tls, TlsFault

__all__ = ["TlsKit"]


class TlsKit:
    """What clients need to trust a service, and the faults of its handshakes.

    It is `service.tls`. The authority is that of this process, so what trusts one service here
    trusts all of them. It is for tests only.

    Args:
        spec: what the service was told.

    Attributes:
        spec: what the service was told; it stays as it is when `fault` is changed.
    """

    def __init__(self, spec: Tls) -> None:
        self.spec = spec
        self.authority = authority()
        self._always: TlsFault | None = None
        self._turns: deque[TlsFault | None] = deque()
        self.fault = spec.fault

    @property
    def fault(self) -> TlsFault | None:
        """The fault of the next handshake; None if it has none.

        Assign a `TlsFault` or its word for all handshakes from now on, a list for the next ones
        in turn, None for none. Connections that are open stay as they are.

        Raises:
            TypeError: what is assigned is nothing of that kind.
            ValueError: there is no such fault.
        """
        return self._turns[0] if self._turns else self._always

    @fault.setter
    def fault(self, faults: TlsFault | str | Iterable[TlsFault | str | None] | None) -> None:
        checked = check_faults(faults)
        in_turn = checked if isinstance(checked, tuple) else ()
        self._always = None if isinstance(checked, tuple) else checked
        self._turns = deque(in_turn)

    @property
    def has_faults(self) -> bool:
        """Whether a handshake to come has a fault, or may have."""
        return bool(self._turns) or self._always is not None

    def take_fault(self) -> TlsFault | None:
        """Return the fault of a handshake that begins."""
        turns = self._turns  # another thread may put others in their place
        return turns.popleft() if turns else self._always

    @property
    def ca_pem(self) -> str:
        """The path of the authority's certificate, a PEM file that is removed at exit.

        For `requests.get(url, verify=...)`, `urllib3.PoolManager(ca_certs=...)` and
        `curl --cacert`.
        """
        return self.authority.ca_pem

    @property
    def client_cert_pem(self) -> str:
        """The path of a client certificate and its key, one PEM file that is removed at exit.

        For `requests.get(url, cert=...)`, `urllib3.PoolManager(cert_file=...)` and `curl --cert`.
        """
        return self.authority.client_cert_pem

    def issue_client_cert(self, name: str, organization: str | None = None) -> str:
        """Return the path of another client certificate, as `client_cert_pem` is one.

        Args:
            name: the common name of its subject, which `request.peer_subject` shows.
            organization: the organization in its subject.
        """
        return self.authority.issue_client_cert(name, organization)

    def client_context(
        self, client_cert: bool | str | os.PathLike[str] | None = None
    ) -> ssl.SSLContext:
        """Return a context for a client that trusts this authority and nobody else.

        Args:
            client_cert: whether it shows a certificate of the authority. None: where the service
                requires one. A path is that of another certificate with its key, in one PEM file.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it holds no certificate with its key.
        """
        if client_cert is None:
            client_cert = self.spec.client_cert == "required"
        return self.authority.client_context(client_cert)

    def env(self) -> dict[str, str]:
        """Return the variables by which the clients of a subprocess trust the authority.

        Pass them with the other ones: `subprocess.run(..., env={**os.environ, **tls.env()})`.
        """
        return self.authority.env()

    def __repr__(self) -> str:
        return f"<TlsKit of {self.spec!r}, next fault {self.fault}>"
