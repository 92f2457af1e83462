"""One file for who is to trust our authority and everybody else as before."""

from __future__ import annotations

import os
import re
import ssl
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from .authority import authority
from .private import PrivateDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["make_bundle"]

_CERTIFICATE = re.compile(
    rb"-----BEGIN ((?:TRUSTED |X509 )?CERTIFICATE)-----.+?-----END \1-----", re.DOTALL
)
_files = PrivateDirectory()


def make_bundle() -> str:
    """Return the path of a file with the authority of the tests and all that is trusted already.

    It is for clients that meet other hosts too: their certificates must be as good as before.
    """
    found = dict.fromkeys(
        certificate[0]
        for source in (authority().ca_pem, *_trusted_files())
        for certificate in _CERTIFICATE.finditer(Path(source).read_bytes())
    )
    return _files.keep("trusted", b"\n".join(found) + b"\n")


def _trusted_files() -> Iterator[str]:
    """Yield the files of certificates that clients trust with this environment, some repeatedly."""
    named = [os.environ.get(name) for name in authority().env()]
    named.append(ssl.get_default_verify_paths().cafile)
    with suppress(ImportError):
        named.append(import_module("certifi").where())  # requests, httpx and botocore have it
    for path in named:
        if path and Path(path).is_file():
            yield path
