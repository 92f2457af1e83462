"""The authority of this process: made once, when somebody needs it."""

from __future__ import annotations

import os
import ssl
import threading
from importlib import import_module
from typing import TYPE_CHECKING

from ..serialization.base import import_extra
from ..text import shorten
from .private import PrivateDirectory

if TYPE_CHECKING:
    from types import ModuleType

    from .spec import ClientCert

    _Key = tuple[tuple[str, ...], str | None, ClientCert]

__all__ = ["FLAWS", "VERIFY_MODES", "Authority", "authority", "load_client_cert"]

FLAWS = ("expired", "not_yet_valid", "wrong_host", "untrusted", "self_signed")
"""What may be wrong with a certificate."""

VERIFY_MODES: dict[ClientCert, ssl.VerifyMode] = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}
_ELSEWHERE = "another-host.invalid"
_CLIENT = "asyncly test client"
_CERT_WISH = "the path of a PEM file with a certificate and its private key"
_CONTEXTS = 1000
"""Certificates that are kept: a client that asks for ever new names must not fill the memory."""
_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "AWS_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
)

_lock = threading.Lock()
_made: list[Authority] = []


def authority() -> Authority:
    """Return the authority of this process; every service here shares it.

    Raises:
        ImportError: the extra `tls` is not installed; it names the pip command.
    """
    with _lock:
        if not _made:
            import_extra("trustme", extra="tls", used_by="tls=")
            _made.append(Authority(import_module(".certificates", __package__)))
        return _made[0]


class Authority:
    """A certificate authority for tests; `authority()` makes the one of this process.

    Its own key is in memory only. What must be a file stands in a private directory that is
    removed at exit. It may be used from any thread.

    Args:
        certificates: the module that makes them; trustme is imported with it.
    """

    def __init__(self, certificates: ModuleType) -> None:
        self._certificates = certificates
        self._issuer = certificates.make_issuer()
        self._files = PrivateDirectory()
        self._lock = threading.RLock()
        self._contexts: dict[_Key, ssl.SSLContext] = {}
        self._clients: dict[tuple[str, str], bytes] = {}

    @property
    def ca_pem(self) -> str:
        """The path of its certificate, a PEM file: `verify=` of requests, `--cacert` of curl."""
        with self._lock:
            return self._files.keep("ca", self._issuer.pem)

    @property
    def client_cert_pem(self) -> str:
        """The path of a client certificate and its key, one PEM file: `cert=`, `--cert`."""
        return self.issue_client_cert(_CLIENT)

    def issue_client_cert(self, name: str, organization: str | None = None) -> str:
        """Return the path of a client certificate and its key, one PEM file.

        Args:
            name: the common name of its subject.
            organization: the organization in its subject.

        Raises:
            TypeError: one of them is no text.
        """
        for text in (name, "x" if organization is None else organization):
            if not isinstance(text, str) or not text:
                raise TypeError(
                    f"issue_client_cert takes names that are texts, got {shorten(text)}"
                )
        whose = organization or self._certificates.ORGANIZATION
        with self._lock:
            made = self._clients.get((name, whose))
            if made is None:
                validity = self._certificates.Validity()
                made = self._certificates.issue((), self._issuer, validity, name, whose)
                self._clients[name, whose] = made
            return self._files.keep("client", made)

    def env(self) -> dict[str, str]:
        """Return the variables by which the clients of a subprocess trust it."""
        return dict.fromkeys(_VARIABLES, self.ca_pem)

    def client_context(self, client_cert: bool | str | os.PathLike[str] = False) -> ssl.SSLContext:
        """Return a context for a client that trusts nobody else.

        Args:
            client_cert: whether it shows a certificate of this authority; a path is that of
                another one, with its key, in one PEM file.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it holds no certificate with its key.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._trust(context)
        if client_cert is not False:
            shown = self.client_cert_pem if client_cert is True else client_cert
            load_client_cert(context, shown)
        return context

    def server_context(
        self, *names: str, flaw: str | None = None, client_cert: ClientCert = "none"
    ) -> ssl.SSLContext:
        """Return the context of a server with a certificate for these names; it is kept.

        Args:
            names: the hosts and addresses, at least one.
            flaw: what is wrong with the certificate: one of `FLAWS`.
            client_cert: whether clients show a certificate of this authority.
        """
        key = names, flaw, client_cert
        with self._lock:
            context = self._contexts.get(key)
            if context is None:
                context = self._make_server_context(names, flaw)
                context.verify_mode = VERIFY_MODES[client_cert]
                if len(self._contexts) >= _CONTEXTS:
                    self._contexts.clear()
                self._contexts[key] = context
            return context

    def _make_server_context(self, names: tuple[str, ...], flaw: str | None) -> ssl.SSLContext:
        making = self._certificates
        names = (_ELSEWHERE,) if flaw == "wrong_host" else names
        signer = self._issuer
        if flaw == "self_signed":
            signer = None
        elif flaw == "untrusted":
            signer = making.make_issuer()
        years = {"expired": (2000, 2001), "not_yet_valid": (2999, 3000)}.get(flaw or "", ())
        content = making.issue(names, signer, making.Validity(*years), names[0])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with self._files.lend(content) as path:  # load_cert_chain takes nothing else
            context.load_cert_chain(path)
        context.set_alpn_protocols(["http/1.1"])
        self._trust(context)
        return context

    def _trust(self, context: ssl.SSLContext) -> None:
        context.load_verify_locations(cadata=self._issuer.pem.decode())

    def __repr__(self) -> str:
        return f"<Authority for tests, {len(self._contexts)} certificates of servers>"


def load_client_cert(context: ssl.SSLContext, path: str | os.PathLike[str]) -> None:
    """Let a client show the certificate of a PEM file that holds its key too.

    Raises:
        TypeError: that is no path.
        FileNotFoundError: there is no such file.
        ValueError: it holds no certificate with its key, or the key is encrypted.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"client_cert takes {_CERT_WISH}, True or False, got {shorten(path)}")

    def refuse() -> str:  # without it OpenSSL asks at the terminal
        raise ValueError(f"client_cert: the key in {path!s} is encrypted; decrypt it first")

    try:
        context.load_cert_chain(path, password=refuse)
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).lower().replace("_", " ")
        raise ValueError(
            f"client_cert: {path!s} does not load ({reason}); it takes {_CERT_WISH}"
        ) from None
    except OSError as error:
        raise type(error)(
            error.errno,
            f"client_cert: cannot read {path!s}: {error.strerror}; it takes {_CERT_WISH}",
        ) from None
