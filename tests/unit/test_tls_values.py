"""What a service is told of TLS: its values, and what is said of wrong ones."""

from __future__ import annotations

import ssl
import sys
from dataclasses import FrozenInstanceError
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from asyncly.srvmocker import EmptyResponse, MockRoute, Tls, TlsFault, start_service
from asyncly.srvmocker.tls.authority import authority
from asyncly.srvmocker.tls.names import choose_names
from asyncly.srvmocker.tls.subject import subject_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROUTES = [MockRoute("GET", "/fact", "fact")]
FAULTS = (
    "a fault of TLS is one of TlsFault.expired, not_yet_valid, wrong_host, untrusted, self_signed, "
    "old_version, no_shared_cipher, unknown_name, handshake_reset, handshake_stall, plain_http, "
    "TlsFault.alert(number), or such a word"
)
NAMES = (
    "hostnames takes names such as 'api.example.com', '*.example.com' or '127.0.0.1', without a "
    "scheme, a port or a path, got "
)
PEM = "the path of a PEM file with a certificate and its private key"


def wrong(value: object) -> Any:
    """Return a value that a type checker would refuse."""
    return value


def start(**arguments: Any) -> object:
    return start_service(ROUTES, **arguments)


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (
            lambda: Tls(client_cert=wrong("yes")),
            ValueError,
            "client_cert takes one of 'none', 'optional', 'required', got 'yes'",
        ),
        (
            lambda: Tls(client_cert=wrong(True)),
            ValueError,
            "client_cert takes one of 'none', 'optional', 'required', got True",
        ),
        (
            lambda: Tls(client_cert=wrong([])),
            ValueError,
            "client_cert takes one of 'none', 'optional', 'required', got []",
        ),
        (
            lambda: Tls(min_version=wrong("1.1")),
            ValueError,
            "min_version takes '1.2' or '1.3', got '1.1'; "
            "a server that is older is played by fault=TlsFault.old_version",
        ),
        (
            lambda: Tls(max_version=wrong(1.2)),
            ValueError,
            "max_version takes '1.2' or '1.3', got 1.2; "
            "a server that is older is played by fault=TlsFault.old_version",
        ),
        (
            lambda: Tls(max_version=ssl.TLSVersion.TLSv1),
            ValueError,
            "max_version takes '1.2' or '1.3', got <TLSVersion.TLSv1: 769>; "
            "a server that is older is played by fault=TlsFault.old_version",
        ),
        (
            lambda: Tls(min_version="1.3", max_version="1.2"),
            ValueError,
            "min_version is newer than max_version: no version is left",
        ),
        (
            lambda: Tls(hostnames=wrong(5)),
            TypeError,
            "hostnames takes a list of names, got 5",
        ),
        (
            lambda: Tls(hostnames=wrong([b"a"])),
            TypeError,
            "hostnames takes names that are texts, got b'a'",
        ),
        *[
            (lambda name=name: Tls(hostnames=[name]), ValueError, f"{NAMES}{name!r}")
            for name in (
                "https://api.example.com",
                "api.example.com:443",
                "api.example.com/",
                "",
                ".",
                "a..b",
                "*",
                "a.*.b",
                "**.b",
                "a b",
                "x" * 64 + ".example",
            )
        ],
        (lambda: Tls(fault="expire"), ValueError, f"there is no fault 'expire': {FAULTS}"),
        (lambda: Tls(fault="alert"), ValueError, f"there is no fault 'alert': {FAULTS}"),
        (
            lambda: Tls(fault=["expired", wrong(40)]),
            TypeError,
            "fault takes a TlsFault, its word, or a list of those, got 40",
        ),
        (
            lambda: Tls(fault=wrong(EmptyResponse())),
            TypeError,
            "fault takes a TlsFault, its word, or a list of those, "
            "got EmptyResponse(script=[Fin()])",
        ),
        (lambda: TlsFault("expire"), ValueError, f"there is no TlsFault.expire: {FAULTS}"),
        (lambda: TlsFault("expired", 1), ValueError, f"there is no TlsFault.expired(1): {FAULTS}"),
        (
            lambda: TlsFault.alert(256),
            ValueError,
            "TlsFault.alert takes a number from 0 to 255, got 256",
        ),
        (
            lambda: TlsFault.alert(True),
            TypeError,
            "TlsFault.alert takes a number or a name, such as 'handshake_failure', got True",
        ),
        (
            lambda: TlsFault("alert"),
            TypeError,
            "TlsFault.alert takes a number or a name, such as 'handshake_failure', got None",
        ),
        (lambda: start(tls="yes"), TypeError, "tls takes True or a Tls(...), got 'yes'"),
        (lambda: start(tls=1), TypeError, "tls takes True or a Tls(...), got 1"),
        (lambda: start(tls=Tls), TypeError, "tls takes True or a Tls(...), got Tls"),
        (
            lambda: start(tls=True, ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)),
            ValueError,
            "tls and ssl_context are two ways to one thing: pass tls=True for certificates that "
            "are made for you, or ssl_context= for your own",
        ),
        (
            lambda: start(ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)),
            ValueError,
            "ssl_context is a context for clients; a server needs "
            "ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) with a certificate, or pass tls=True",
        ),
        (
            lambda: start(ssl_context="cert.pem"),
            TypeError,
            "ssl_context takes an ssl.SSLContext, got 'cert.pem'",
        ),
        (
            lambda: authority().issue_client_cert(""),
            TypeError,
            "issue_client_cert takes names that are texts, got ''",
        ),
        (
            lambda: authority().issue_client_cert("a", wrong(5)),
            TypeError,
            "issue_client_cert takes names that are texts, got 5",
        ),
        (
            lambda: authority().client_context(wrong(5)),
            TypeError,
            f"client_cert takes {PEM}, True or False, got 5",
        ),
        (
            lambda: authority().client_context("/no/such.pem"),
            FileNotFoundError,
            "[Errno 2] client_cert: cannot read /no/such.pem: No such file or directory; "
            f"it takes {PEM}",
        ),
    ],
)
def test_a_wrong_argument_is_told_what_is_taken(
    make: Callable[[], object], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind) as caught:
        make()
    assert str(caught.value) == text


def test_an_alert_that_there_is_not_is_told_which_there_are() -> None:
    with pytest.raises(ValueError, match="handshake_failur") as caught:
        TlsFault.alert("handshake_failur")
    assert str(caught.value).startswith(
        "TlsFault.alert: there is no alert 'handshake_failur'; it takes a number from 0 to 255, or "
        "one of close_notify, unexpected_message, "
    )


def test_a_context_in_place_of_a_tls_is_told_where_it_belongs() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(TypeError, match=r"^tls takes True or a Tls.*; pass .* as ssl_context=$"):
        start(tls=context)


async def test_what_a_service_without_it_says() -> None:
    async with start_service(ROUTES) as service:
        with pytest.raises(RuntimeError) as caught:
            _ = service.tls
    assert str(caught.value) == (
        "service.tls: this service speaks plain HTTP; start_service(..., tls=True) and "
        "@pytest.mark.mock_service(tls=True) serve HTTPS"
    )
    async with start_service(ROUTES, tls=False) as service:
        assert service.url.scheme == "http"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    async with start_service(ROUTES, ssl_context=context) as service:
        with pytest.raises(RuntimeError) as caught:
            _ = service.tls
    assert str(caught.value) == (
        "service.tls: the certificate of this service is that of your ssl_context, and only its "
        "own authority vouches for it; pass tls=True in place of ssl_context="
    )


async def test_a_wrong_fault_changes_nothing() -> None:
    async with start_service(ROUTES, tls=Tls(fault="expired")) as service:
        with pytest.raises(ValueError, match="there is no fault 'x'"):
            service.tls.fault = "x"
        assert service.tls.fault == TlsFault.expired


def test_a_missing_extra_names_the_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["asyncly.srvmocker.tls.authority"]  # its function has the same name
    monkeypatch.setattr(module, "_made", [])
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ImportError) as caught:
        start(tls=True)
    assert str(caught.value) == "tls= needs the package 'trustme': pip install 'asyncly[tls]'"


# --- a certificate of the user's own that does not load ---------------------------------------


@pytest.mark.parametrize("content", [b"", b"no PEM", b"-----BEGIN CERTIFICATE-----\nx\n"])
def test_a_file_that_is_no_certificate(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "client.pem"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="does not load") as caught:
        authority().client_context(path)
    assert str(caught.value).startswith(f"client_cert: {path} does not load (")
    assert str(caught.value).endswith(f"); it takes {PEM}")


def test_a_certificate_without_its_key_and_with_another_one(tmp_path: Path) -> None:
    one, other = (trustme.CA().issue_cert("a.example") for _ in range(2))
    path = tmp_path / "client.pem"
    for content in (
        one.cert_chain_pems[0].bytes(),
        one.cert_chain_pems[0].bytes() + other.private_key_pem.bytes(),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="does not load"):
            authority().client_context(str(path))


def test_a_key_that_is_encrypted_asks_nobody(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as pem

    made = trustme.CA().issue_cert("a.example")
    key = pem.load_pem_private_key(made.private_key_pem.bytes(), None)
    secret = key.private_bytes(
        pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.BestAvailableEncryption(b"pw")
    )
    path = tmp_path / "client.pem"
    path.write_bytes(made.cert_chain_pems[0].bytes() + secret)
    with pytest.raises(ValueError, match="encrypted") as caught:
        authority().client_context(path)
    assert str(caught.value) == f"client_cert: the key in {path} is encrypted; decrypt it first"


def test_a_directory_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises((OSError, ValueError), match="client_cert: "):
        authority().client_context(tmp_path)


# --- values -----------------------------------------------------------------------------------


def test_the_values_are_frozen_equal_and_readable() -> None:
    assert Tls() == Tls(fault=None, hostnames=[])
    assert hash(Tls(hostnames="a.example")) == hash(Tls(hostnames=["A.example."]))
    assert repr(Tls()) == "Tls()"
    assert repr(Tls("a.example", min_version="1.3", fault=["expired", None])) == (
        "Tls(hostnames=('a.example',), min_version='1.3', fault=(TlsFault.expired, None))"
    )
    with pytest.raises(FrozenInstanceError):
        Tls().fault = None  # type: ignore[misc]
    assert TlsFault("expired") == TlsFault.expired
    assert (repr(TlsFault.expired), str(TlsFault.expired)) == ("TlsFault.expired", "expired")
    alert = TlsFault.alert("unknown_ca")
    assert alert == TlsFault.alert(48)
    assert (repr(alert), str(alert)) == ("TlsFault.alert(48)", "alert 48 (unknown CA)")
    assert str(TlsFault.alert(200)) == "alert 200 (an alert without a name)"


def test_the_names_are_as_clients_ask_for_them() -> None:
    given = [
        "Bücher.example",
        "Straße.example",
        "*.Faß.example.",
        "日本語。example",
        "☃.example",
        "*.SHOP.example",
        "::1",
        "my_service",
        "xn--bcher-kva.example",
    ]
    assert Tls(given).hostnames == (
        "xn--bcher-kva.example",
        "xn--strae-oqa.example",
        "*.xn--fa-hia.example",
        "xn--wgv71a119e.example",
        "xn--n3h.example",
        "*.shop.example",
        "::1",
        "my_service",
        "xn--bcher-kva.example",
    )


@pytest.mark.parametrize(
    ("hostnames", "asked", "chosen", "fits"),
    [
        ((), "A.example.", ("a.example",), True),
        ((), None, ("10.0.0.1", "127.0.0.1", "::1", "localhost"), True),
        (("a.example",), "a.example", ("a.example",), True),
        (("a.example", "b.example"), "b.example", ("b.example",), True),
        (("a.example", "*.b.example"), "x.b.example", ("*.b.example",), True),
        (("a.example", "*.b.example"), "b.example", ("a.example",), False),
        (("a.example",), None, ("a.example",), False),
        (("a.example", "10.0.0.1"), None, ("10.0.0.1",), True),
    ],
)
def test_which_certificate_is_chosen(
    hostnames: tuple[str, ...], asked: str | None, chosen: tuple[str, ...], fits: bool
) -> None:
    assert choose_names(hostnames, asked, ["::ffff:10.0.0.1", "10.0.0.1"]) == (chosen, fits)


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ((), ""),
        (((("commonName", "billing"),),), "CN=billing"),
        (((("countryName", "DE"),), (("commonName", "a"),)), "CN=a,C=DE"),
        (((("commonName", "a"), ("userId", "b")),), "CN=a+UID=b"),
        (((("emailAddress", "a@b"),),), "emailAddress=a@b"),
        (((("commonName", 'a,b+c"d\\e<f>g;h'),),), r"CN=a\,b\+c\"d\\e\<f\>g\;h"),
        (((("commonName", " # "),),), r"CN=\ #\ "),
        (((("commonName", "#a"),),), r"CN=\#a"),
    ],
)
def test_a_subject_is_text_as_rfc_4514_has_it(subject: tuple[Any, ...], text: str) -> None:
    assert subject_of({"subject": subject}) == text


@pytest.mark.parametrize("none", [None, {}])
def test_no_certificate_has_no_subject(none: dict[str, Any] | None) -> None:
    assert subject_of(none) is None
