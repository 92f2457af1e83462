"""What the plugin says: a section, a warning, or a failure at teardown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Run

AUTO = "asyncio_mode = auto"
ASYNC_TEST = "async def test_it():\n    await {}"
UNMATCHED = """
import requests

def test_it(mock_service):
    requests.post(f"{mock_service.url}/order", json={"qty": 3})
"""
RAISING = """
import requests
from asyncly.srvmocker import CallbackResponse

def test_it(mock_service):
    mock_service.register("fact", CallbackResponse(lambda request: {}["missing"]))
    assert requests.get(f"{mock_service.url}/fact").status_code == 500
"""
UNUSED = """
import requests

def test_it(mock_service):
    mock_service.register("fact", RawResponse("ok"))
    mock_service.register("create", RawResponse("ok"))
    requests.get(f"{mock_service.url}/fact")
"""
STRICT = "mock_service_strict = true"


def test_a_failing_test_shows_what_the_server_saw(run: Run) -> None:
    result = run(UNMATCHED + "    mock_service.assert_called('create')\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*AssertionError: 'create' (POST /orders): expected a call, got none: it was never *",
            "E*came near, but reached no handler",
            "E*POST /order → 404",
            "E*path: expected '/orders', got '/order'",
            "*- mock server -*",
            "1 unmatched request on <MockService http://127.0.0.1:*, 2 routes, 1 exchanges>",
            "  unmatched",
            "    POST /order  body b'{\"qty\": 3}' → 404",
            "      nearest route: POST /orders ('create')",
            "        path: expected '/orders', got '/order'",
        ]
    )


def test_a_failing_test_shows_what_a_response_raised(run: Run) -> None:
    result = run(RAISING + "    assert False\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["1 failed response on *", "  raised while answering", "    GET /fact → 500", "*KeyError*"]
    )


def test_a_passing_test_warns_once(run: Run) -> None:
    result = run(UNMATCHED, "-Wdefault")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(
        [
            "*MockServiceWarning: 1 unmatched request on <MockService http://127.0.0.1:*",
            "*POST /order*404",
            "*nearest route*",
        ]
    )


def test_a_response_that_raised_warns(run: Run) -> None:
    result = run(RAISING, "-Wdefault")
    result.assert_outcomes(passed=1, warnings=1)


def test_nothing_is_said_of_a_clean_test(run: Run) -> None:
    code = UNMATCHED.replace("/order", "/orders").replace(
        "    requests", "    mock_service.register('create', RawResponse('ok'))\n    requests"
    )
    result = run(code)
    result.assert_outcomes(passed=1, warnings=0)
    result.stdout.no_fnmatch_line("*mock server*")


def test_strict_by_ini_fails_at_teardown(run: Run) -> None:
    for code, line in (
        (UNMATCHED, "1 unmatched request on *"),
        (RAISING, "1 failed response on *"),
        (UNUSED, "1 unused response on <MockService http://127.0.0.1:*"),
    ):
        result = run(code, ini=STRICT)
        result.assert_outcomes(passed=1, errors=1)
        result.stdout.fnmatch_lines(["*ERROR at teardown of test_it*", line])


def test_strict_names_the_unused_response(run: Run) -> None:
    result = run(UNUSED, ini=STRICT)
    result.stdout.fnmatch_lines(["  registered, but never used", "    'create'  POST /orders"])


def test_strict_spares_optional_routes(run: Run) -> None:
    mark = """
@pytest.mark.mock_service(strict=True, routes=[
    MockRoute("GET", "/fact", "fact"), MockRoute("POST", "/orders", "create", optional=True)])
def test_it"""
    run(UNUSED.replace("\ndef test_it", mark)).assert_outcomes(passed=1)


def test_a_default_that_a_test_replaced_counts_as_one_response(run: Run) -> None:
    code = UNUSED.replace('"create", RawResponse', '"fact", RawResponse')
    run(code, ini=STRICT).assert_outcomes(passed=1)


def test_the_marker_overrules_the_ini_option(run: Run) -> None:
    mark = "\n@pytest.mark.mock_service(strict=False)\ndef test_it"
    result = run(UNUSED.replace("\ndef test_it", mark), ini=STRICT)
    result.assert_outcomes(passed=1)


def test_strict_does_not_hide_a_failure(run: Run) -> None:
    result = run(UNMATCHED + "    assert 1 == 2\n", ini=STRICT)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert 1 == 2*", "*- mock server -*"])


def test_an_unknown_marker_argument_is_refused(run: Run) -> None:
    mark = "\n@pytest.mark.mock_service(strikt=True)\ndef test_it"
    result = run(UNMATCHED.replace("\ndef test_it", mark))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*is mock_service(strict=..., routes=..., thread=..., tls=...); got strikt*"]
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("strict='no'", "strict= takes True or False, got 'no'"),
        ("thread=1", "thread= takes True or False, got 1"),
        ("routes=None", "routes= takes a list of MockRoute objects, got None"),
        ("routes=MockRoute('GET', '/', 'x')", "routes= takes a list of MockRoute objects, got M*"),
        ("routes=['/fact']", "routes= takes a list of MockRoute objects, got *'/fact'*"),
    ],
)
def test_a_marker_argument_of_a_wrong_type_is_refused(run: Run, arguments: str, text: str) -> None:
    mark = f"\n@pytest.mark.mock_service({arguments})\ndef test_it"
    result = run(UNMATCHED.replace("\ndef test_it", mark))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*UsageError: *::test_it: the marker mock_service: {text}"])


def test_routes_that_the_fixture_forgot_to_return_are_named(run: Run) -> None:
    code = "\n@pytest.fixture\ndef mock_routes():\n    [MockRoute('GET', '/', 'x')]\n"
    result = run(code + UNMATCHED)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*UsageError: *::test_it: the fixture mock_routes gives a list of *, got None"]
    )


def test_what_to_add_stands_whole_in_the_report(run: Run) -> None:
    code = "def test_it(mock_service):\n    requests.get(f'{mock_service.url}/fact')\n    assert 0"
    result = run("import requests\n" + code)
    result.stdout.fnmatch_lines(
        ["      MissingResponseError: * before the request: service.register('fact', Json*(...))"]
    )


def test_reports_survive_xdist(run: Run) -> None:
    code = UNMATCHED + "    assert False\n"
    result = run(code, "-n1", plugins=("xdist",))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*- mock server -*", "1 unmatched request on *"])


def test_async_tests_report_too(run: Run) -> None:
    code = """
import aiohttp

async def test_it(mock_service, mock_proxy):
    async with aiohttp.ClientSession() as session:
        async with session.get(mock_proxy.url / "x") as answer:
            assert answer.status == 400
    mock_proxy.assert_called(method="POST")
"""
    result = run(code, plugins=("asyncio",), ini=AUTO)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*method: expected 'POST', got 'GET'*", "1 unmatched request on <MockProxyService *"]
    )


def test_the_proxy_fixture(run: Run) -> None:
    code = """
import requests

def test_it(mock_service, mock_proxy):
    mock_service.register("fact", RawResponse("ok"))
    answer = requests.get(f"{mock_service.url}/fact", proxies={"http": str(mock_proxy.url)})
    assert answer.text == "ok"
    mock_proxy.assert_called(target=mock_service.url / "fact", times=1)
"""
    run(code).assert_outcomes(passed=1)


def test_fixtures_and_marker_are_documented(pytester: pytest.Pytester) -> None:
    shown = pytester.runpytest_subprocess("--fixtures").stdout.str()
    for name in ("mock_routes", "mock_service", "mock_proxy"):
        assert f"{name} -- " in shown or f"{name}\n" in shown
    markers = pytester.runpytest_subprocess("--markers")
    markers.stdout.fnmatch_lines(
        ["@pytest.mark.mock_service(strict=..., routes=..., thread=..., *"]
    )


def test_a_failing_test_shows_the_seeds_that_draw_the_same_again(run: Run) -> None:
    code = """
import requests
from asyncly.srvmocker import ChanceResponse, LatencyResponse

def test_it(mock_service):
    late = LatencyResponse(RawResponse("late"), (0, 0.001))
    mock_service.register("fact", ChanceResponse([(1, RawResponse("a")), (1, late)], seed=7))
    mock_service.register("create", RawResponse("ok"))
    assert requests.get(f"{mock_service.url}/fact").text == f"{late.seed}"
"""
    result = run(code)
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(
        [
            ".*- mock server: seeds -.*",
            "to draw the same again, pass",
            r"  'fact': ChanceResponse\(\.\.\., seed=7\)",
            r"  'fact': LatencyResponse\(\.\.\., seed=\d+\)",
        ]
    )
    result.stdout.no_fnmatch_line("*'create'*seed*")
    run(code.replace('f"{late.seed}"', "'a'")).stdout.no_fnmatch_line("*'create'*")


@pytest.mark.parametrize(
    "wait", ["Gate().waiting(timeout=0.01)", "LiveStream('sse').accept(timeout=0.01)"]
)
@pytest.mark.parametrize("form", ["def test_it():\n    {}.block()", ASYNC_TEST])
def test_a_wait_that_fails_shows_the_line_of_the_test_and_none_of_ours(
    run: Run, wait: str, form: str
) -> None:
    code = f"from asyncly.srvmocker import Gate, LiveStream\n\n{form.format(wait)}\n"
    result = run(code, plugins=("asyncio",), ini=AUTO)
    result.assert_outcomes(failed=1)
    assert "waiting.py" not in result.stdout.str()
