"""Making certificates: the one file that knows trustme and cryptography.

It is imported when the first authority is made, since the two are an extra. trustme makes the
authority. The certificates below it are made here: trustme refuses names that clients do ask for
(`my_service`), and nothing that is signed by itself comes out of it.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Issuer", "Validity", "issue", "make_issuer"]

ORGANIZATION = "asyncly, for tests only"
_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
_PURPOSES = x509.ExtendedKeyUsage(
    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
)


@dataclass(frozen=True)
class Validity:
    """From when to when a certificate is valid: years, so that no clock is asked."""

    first: int = 2000
    last: int = 3000


@dataclass(frozen=True)
class Issuer:
    """Who signs: the certificate, its key, and the certificate for those who are to trust it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    pem: bytes


def make_issuer() -> Issuer:
    """Return a new authority, with a key on an elliptic curve: fast to make."""
    authority = trustme.CA(organization_name=ORGANIZATION)
    pem = authority.cert_pem.bytes()
    key = load_pem_private_key(authority.private_key_pem.bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - for the type checker
    return Issuer(x509.load_pem_x509_certificate(pem), key, pem)


def issue(
    names: Sequence[str],
    issuer: Issuer | None,
    validity: Validity,
    subject: str,
    organization: str = ORGANIZATION,
) -> bytes:
    """Return a new key and its certificate, as one text in PEM.

    Args:
        names: the hosts and addresses that it is for.
        issuer: who signs it; None lets it sign itself.
        validity: when it is valid.
        subject: the common name.
        organization: whose it is.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, subject[:64]),  # RFC 5280, ub-common-name
        ]
    )
    signs = key if issuer is None else issuer.key
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(validity.first, 1, 1))
        .not_valid_after(datetime(validity.last, 1, 1))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signs.public_key()), critical=False
        )
        .add_extension(_USAGE, critical=True)
        .add_extension(_PURPOSES, critical=False)
    )
    if names:
        known_as = x509.SubjectAlternativeName(list(map(_general_name, names)))
        builder = builder.add_extension(known_as, critical=False)
    certificate = builder.sign(signs, SHA256())
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return secret + certificate.public_bytes(Encoding.PEM)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
