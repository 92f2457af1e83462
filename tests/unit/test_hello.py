"""The name that a client asks for is read in its first message, whatever that is."""

from __future__ import annotations

import ssl
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncly.srvmocker.tls.hello import asked_name


def hello_of_a_client(name: str | None, newest: ssl.TLSVersion) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.maximum_version = newest
    sent = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name).do_handshake()
    return sent.read()


HELLO = hello_of_a_client("api.example.com", ssl.TLSVersion.TLSv1_3)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", ["api.example.com", "a", "xn--bcher-kva.example", None])
def test_the_name_of_a_real_client(name: str | None, newest: ssl.TLSVersion) -> None:
    assert asked_name(hello_of_a_client(name, newest)) == (name or "").encode()


def test_a_part_of_it_has_no_name() -> None:
    assert {asked_name(HELLO[:size]) for size in range(len(HELLO))} == {b""}
    assert asked_name(HELLO + b"more") == b"api.example.com"


def test_the_list_may_hold_a_kind_of_name_that_nobody_knows() -> None:
    at = HELLO.index(b"api.example.com") - 3
    assert HELLO[at] == 0
    assert asked_name(HELLO[:at] + b"\x05" + HELLO[at + 1 :]) == b""


@given(st.integers(0, len(HELLO) - 1), st.binary(max_size=9))
def test_anything_else_does_no_harm(at: int, other: bytes) -> None:
    assert isinstance(asked_name(HELLO[:at] + other + HELLO[at + len(other) :]), bytes)
    assert isinstance(asked_name(other), bytes)
