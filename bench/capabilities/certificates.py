# mypy: ignore-errors
# (what it imports is installed in another environment)
"""TLS for a mock: the certificates that it makes, or those of trustme where it takes some."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import tempfile
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["curl", "secured"]


@asynccontextmanager
async def secured(mock, kind):
    """Serve over TLS.

    Args:
        mock: the mock.
        kind: "good", "expired", or "client", which asks the client for a certificate.

    Yields:
        The word for whose the certificates are, and the options that curl needs; None and none if
        the mock speaks no TLS.
    """
    if getattr(mock, "secure", None):
        async with mock.secure(kind) as (trusted, shown):
            yield "made for you", _options(trusted, shown)
    elif getattr(mock, "secure_with", None):
        with tempfile.TemporaryDirectory() as folder:
            context, trusted, shown = _bring(kind, Path(folder))
            async with mock.secure_with(context):
                yield "bring your own", _options(trusted, shown)
    else:
        yield None, []


def _options(trusted, shown):
    return ["--cacert", trusted, *(["--cert", shown] if shown else [])]


def _bring(kind, folder):
    """Return a context for a server, and the paths of whom to trust and of what to show."""
    import trustme

    authority = trustme.CA()
    end = datetime(2001, 1, 1, tzinfo=UTC) if kind == "expired" else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost", not_before=end, not_after=end).configure_cert(
        context
    )
    authority.cert_pem.write_to_path(folder / "ca.pem")
    if kind != "client":
        return context, str(folder / "ca.pem"), None
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    authority.issue_cert("me@example.org").private_key_and_cert_chain_pem.write_to_path(
        folder / "me.pem"
    )
    return context, str(folder / "ca.pem"), str(folder / "me.pem")


async def curl(*options):
    """Run curl, whose certificates are checked as it does that by default."""
    command = ["curl", "--silent", "--show-error", "--fail", "--max-time", "5", *options]
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False
    )
