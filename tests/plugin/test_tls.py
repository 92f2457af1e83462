"""HTTPS by the marker, and the handshakes that failed in the report of a failing test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Run

TLS = """
import aiohttp
import requests
from asyncly.srvmocker import Tls

def fetch(service, **options):
    return requests.get(f"{service.url}/fact", timeout=10, **options)
"""
REFUSED = (
    TLS
    + """
@pytest.mark.mock_service(tls=True)
def test_it(mock_service):
    for _ in range(TIMES):
        with pytest.raises(requests.exceptions.SSLError):
            fetch(mock_service, verify=True)
    for record in mock_service.connections:
        record.closed().block()
"""
)


def test_the_marker_serves_https_in_every_mode(run: Run) -> None:
    result = run(
        TLS
        + """
import trio

SPEC = Tls(client_cert="required")
pytestmark = pytest.mark.mock_service(tls=SPEC)

@pytest.fixture(autouse=True)
def answer(mock_service):
    mock_service.register("fact", RawResponse("ok"))

def test_plain(mock_service):
    pem = mock_service.tls.client_cert_pem
    assert fetch(mock_service, verify=mock_service.tls.ca_pem, cert=pem).text == "ok"
    assert mock_service.tls.spec is SPEC

async def get(service):
    connector = aiohttp.TCPConnector(ssl=service.tls.client_context())
    async with aiohttp.ClientSession(service.url, connector=connector) as session:
        async with session.get("/fact") as answer:
            return await answer.text()

async def test_in_the_loop(mock_service):
    assert await get(mock_service) == "ok"

@pytest.mark.mock_service(thread=True)
async def test_on_a_thread(mock_service):
    assert await get(mock_service) == "ok"

@pytest.mark.mock_service(tls=False)
def test_without(mock_service):
    assert fetch(mock_service).text == "ok"
""",
        plugins=("asyncio",),
        ini="asyncio_mode = auto",
    )
    result.assert_outcomes(passed=4)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("'yes'", "TypeError: tls takes True or a Tls(...), got 'yes'"),
        ("Tls(fault='x')", "ValueError: there is no fault 'x': *"),
    ],
)
def test_a_wrong_argument_is_told(run: Run, value: str, said: str) -> None:
    code = f"\ndef test_it(mock_service):\n    pass\ntest_it = MARK(tls={value})(test_it)\n"
    result = run(TLS + "MARK = pytest.mark.mock_service\n" + code)
    assert sum(result.parseoutcomes().values()) == 1
    result.stdout.fnmatch_lines([f"E*{said}"])


def test_a_failing_test_shows_the_handshakes_that_failed(run: Run) -> None:
    result = run(REFUSED.replace("TIMES", "7") + "    assert False\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- mock server -*",
            "7 failed handshakes on <MockService https://127.0.0.1:*, 2 routes, 0 exchanges>",
            "  no TLS connection",
            "    connection 1: the client refused the certificate: unknown CA (TLS alert 48)",
            "    connection 2: *",
            "    connection 3: *",
            "    connection 4: *",
            "    connection 5: *",
            "    … and 2 more",
            "    → let the client trust the authority: service.tls.client_context(), "
            "service.tls.ca_pem, or service.tls.env() in a subprocess",
            "*= short test summary info =*",
        ],
        consecutive=True,
    )


def test_a_passing_test_does_not(run: Run) -> None:
    result = run(REFUSED.replace("TIMES", "1"))
    result.assert_outcomes(passed=1, warnings=0)


def test_strict_does_not_ask_for_them(run: Run) -> None:
    result = run(REFUSED.replace("TIMES", "1"), ini="mock_service_strict = true")
    result.assert_outcomes(passed=1)


def test_faults_of_the_tests_own_are_not_shown(run: Run) -> None:
    code = REFUSED.replace("TIMES", "1").replace("tls=True", "tls=Tls(fault='untrusted')")
    result = run(code + "    assert False\n")
    result.assert_outcomes(failed=1)
    assert "mock server" not in result.stdout.str()
