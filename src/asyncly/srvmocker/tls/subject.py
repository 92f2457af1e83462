"""The subject of a certificate as text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["subject_of"]

_SHORT = {
    "commonName": "CN",
    "countryName": "C",
    "domainComponent": "DC",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "stateOrProvinceName": "ST",
    "streetAddress": "STREET",
    "userId": "UID",
}
"""RFC 4514 §3: what the attributes are called there; any other keeps OpenSSL's name."""
_SPECIAL = re.compile(r'^[ #]|[,+"\\<>;]| $')


def subject_of(certificate: Mapping[str, Any] | None) -> str | None:
    """Return the subject of a certificate, as `getpeercert()` gives it: "CN=billing,O=Example".

    The last part stands first (RFC 4514 §2.1).

    Returns:
        None if there was no certificate, or none that was verified.
    """
    if not certificate:
        return None
    parts = certificate.get("subject", ())
    return ",".join("+".join(map(_show, part)) for part in reversed(parts))


def _show(attribute: tuple[str, str]) -> str:
    name, value = attribute
    escaped = _SPECIAL.sub(lambda found: f"\\{found[0]}", value).replace("\0", r"\00")
    return f"{_SHORT.get(name, name)}={escaped}"
