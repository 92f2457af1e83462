"""Which certificates this process trusts while hosts are redirected in it."""

from __future__ import annotations

import os
import re
import ssl
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ..tls import authority
from ..tls.private import PrivateDirectory
from .replacing import put_back

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["environment_trusts", "make_bundle"]

_CERTIFICATE = re.compile(
    rb"-----BEGIN ((?:TRUSTED |X509 )?CERTIFICATE)-----.+?-----END \1-----", re.DOTALL
)
_files = PrivateDirectory()


def make_bundle() -> str:
    """Return the path of a file with the authority of the tests and all that is trusted already.

    Hosts that are not listed are as they were, and so must be their certificates.
    """
    found = dict.fromkeys(
        certificate[0]
        for source in (authority().ca_pem, *_trusted_files())
        for certificate in _CERTIFICATE.finditer(Path(source).read_bytes())
    )
    return _files.keep("trusted", b"\n".join(found) + b"\n")


def _trusted_files() -> Iterator[str]:
    """Yield the files of certificates that clients of this process trust, some more than once."""
    named = [os.environ.get(name) for name in authority().env()]
    named.append(ssl.get_default_verify_paths().cafile)
    with suppress(ImportError):
        named.append(import_module("certifi").where())  # requests, httpx and botocore have it
    for path in named:
        if path and Path(path).is_file():
            yield path


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
