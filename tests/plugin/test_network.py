"""The fixture `mock_network` works in every way to run tests that there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Run

ORIGINS = """
@pytest.fixture
def mock_origins():
    return ["https://api.shop.test"]
"""
AIOHTTP_TEST = """
import aiohttp

async def test_call(mock_service, mock_network):
    mock_service.register("fact", JsonResponse({"fact": "Meow."}))
    async with aiohttp.ClientSession(connector=mock_network.aiohttp_connector()) as session:
        async with session.get("https://api.shop.test/fact") as answer:
            assert await answer.json() == {"fact": "Meow."}
    assert str(mock_service.last_call("fact").url) == "https://api.shop.test/fact"

async def test_again(mock_service, mock_network):
    await test_call(mock_service, mock_network)
"""
HTTPX_TEST = """
import httpx

@pytest.mark.mock_network("https://api.shop.test", patch=True)
async def test_call(mock_service, mock_network):
    mock_service.register("fact", JsonResponse({"fact": "Meow."}))
    async with httpx.AsyncClient() as client:
        assert (await client.get("https://api.shop.test/fact")).json() == {"fact": "Meow."}
    await mock_service.wait_for_call("fact")
"""
MARKED_TEST = """
import requests

@pytest.mark.mock_network("https://api.shop.test", patch=True)
@pytest.mark.parametrize("n", [1, 2])
def test_plain(mock_service, n):
    mock_service.register("fact", JsonResponse({"fact": "Meow."}))
    assert requests.get("https://api.shop.test/fact", timeout=5).ok
    mock_service.assert_called("fact", times=1)

@pytest.mark.mock_network("https://api.shop.test", patch=True)
class TestAll:
    def test_one(self, mock_service):
        mock_service.register("fact", JsonResponse({"fact": "Meow."}))
        assert requests.get("https://api.shop.test/fact", timeout=5).ok
"""
PLAIN_TEST = """
import requests

def test_call(mock_service, mock_network):
    mock_service.register("fact", JsonResponse({"fact": "Meow."}))
    with mock_network.mount(requests.Session()) as session:
        assert session.get("https://api.shop.test/fact", timeout=5).json() == {"fact": "Meow."}
    mock_service.assert_called("fact", times=1)

@pytest.mark.mock_network("https://api.shop.test", patch=True)
def test_patched(mock_service, mock_network):
    mock_service.register("fact", JsonResponse({"fact": "Meow."}))
    assert requests.get("https://api.shop.test/fact", timeout=5).ok
"""


@pytest.mark.parametrize("mode", ["strict", "auto"])
@pytest.mark.parametrize("scope", ["function", "session"])
def test_pytest_asyncio(run: Run, mode: str, scope: str) -> None:
    mark = f'\npytestmark = pytest.mark.asyncio(loop_scope="{scope}")\n'
    result = run(mark + ORIGINS + AIOHTTP_TEST, plugins=("asyncio",), ini=f"asyncio_mode = {mode}")
    result.assert_outcomes(passed=2)


def test_pytest_aiohttp(run: Run) -> None:
    result = run(ORIGINS + AIOHTTP_TEST, plugins=("asyncio", "aiohttp"), ini="asyncio_mode = auto")
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_anyio(run: Run, backend: str) -> None:
    code = f"""
pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "{backend}"
"""
    run(code + HTTPX_TEST, plugins=("anyio",)).assert_outcomes(passed=1)


def test_plain_functions(run: Run) -> None:
    run(ORIGINS + PLAIN_TEST).assert_outcomes(passed=2)


def test_async_fixtures_call_in_setup_and_teardown(run: Run) -> None:
    code = """
import aiohttp, pytest_asyncio

@pytest_asyncio.fixture
async def session(mock_service, mock_network):
    mock_service.register("fact", RawResponse("Meow."))
    async with aiohttp.ClientSession(connector=mock_network.aiohttp_connector()) as session:
        assert (await session.get("https://api.shop.test/fact")).status == 200
        yield session
        assert (await session.get("https://api.shop.test/fact")).status == 200

async def test_call(session):
    assert (await session.get("https://api.shop.test/fact")).status == 200
"""
    result = run(ORIGINS + code, plugins=("asyncio",), ini="asyncio_mode = auto")
    result.assert_outcomes(passed=1)


def test_services_of_ones_own(run: Run) -> None:
    code = """
import httpx
from asyncly.srvmocker import MockService, start_service

@pytest.fixture
async def other():
    async with start_service([MockRoute("GET", "/fact", "fact")]) as service:
        service.register("fact", RawResponse("Woof."))
        yield service

@pytest.fixture
def mock_origins(mock_service, other):
    mock_service.register("fact", RawResponse("Meow."))
    return {"https://cats.test": mock_service, "https://dogs.test": other}

async def test_call(mock_network):
    async with httpx.AsyncClient(transport=mock_network.httpx_transport()) as client:
        assert (await client.get("https://cats.test/fact")).text == "Meow."
        assert (await client.get("https://dogs.test/fact")).text == "Woof."
"""
    run(code, plugins=("asyncio",), ini="asyncio_mode = auto").assert_outcomes(passed=1)


def test_the_nearest_marker_wins(run: Run) -> None:
    code = """
pytestmark = pytest.mark.mock_network("https://module.test", patch=True)

def test_of_the_module(mock_network):
    assert repr(mock_network) == "<MockNetwork 'https://module.test', patch, open>"

@pytest.mark.mock_network("https://a.test", "https://b.test")
def test_of_its_own(mock_network):
    assert repr(mock_network) == "<MockNetwork 'https://a.test', 'https://b.test', patch, open>"

@pytest.mark.mock_network(patch=False)
def test_without_patch(mock_network):
    assert repr(mock_network) == "<MockNetwork 'https://module.test', open>"
"""
    run(ORIGINS + code).assert_outcomes(passed=3)


def test_one_origin_may_be_a_text(run: Run) -> None:
    code = """
@pytest.fixture
def mock_origins():
    return "https://api.shop.test"

def test_it(mock_network):
    assert repr(mock_network) == "<MockNetwork 'https://api.shop.test', open>"
"""
    run(code).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "got"),
    [
        ("5", "5"),
        ("['https://api.shop.test']", "['https://api.shop.test']"),
        ("'https://api.shop.test', thread=True", "thread"),
    ],
)
def test_a_wrong_marker_says_what_is_right(run: Run, arguments: str, got: str) -> None:
    code = f"""
@pytest.mark.mock_network({arguments})
def test_it(mock_network):
    pass
"""
    result = run(code)
    result.assert_outcomes(errors=1)
    wanted = f"::test_it: the marker is mock_network('api.github.com', ..., patch=...); got {got}"
    assert wanted in result.stdout.str()


def test_without_origins_it_says_where_to_declare_them(run: Run) -> None:
    result = run("def test_it(mock_network):\n    pass\n")
    result.assert_outcomes(errors=1)
    assert (
        "::test_it: mock_network has no origins: override the fixture mock_origins, or mark the "
        "test with @pytest.mark.mock_network('api.github.com', ..., patch=...)"
    ) in result.stdout.str()


def test_it_is_listed_with_its_words(run: Run) -> None:
    result = run("", "--markers", "-q")
    assert "@pytest.mark.mock_network('api.github.com', ..., patch=...): " in (result.stdout.str())


def test_the_marker_is_enough(run: Run) -> None:
    result = run(MARKED_TEST)
    result.assert_outcomes(passed=3)
