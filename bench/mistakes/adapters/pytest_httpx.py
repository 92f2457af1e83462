# mypy: ignore-errors
# (what it imports is installed in another environment)
"""pytest-httpx: a fixture only, so each case is a run of pytest; its own checks end the test."""

import contextlib
import io

import pytest

from ..reading import answer_order

BASE = "http://api.example.com"


class _Run:
    """A pytest plugin that plays one case and reads the exceptions of every phase."""

    def __init__(self, case, reading, callback):
        self.case, self.reading, self.callback = case, reading, callback

    @pytest.fixture
    def mistake(self):
        return self

    @pytest.hookimpl
    def pytest_runtest_makereport(self, item, call):
        if call.excinfo is not None:
            self.reading.add(call.excinfo.value)


def test_mistake(httpx_mock, mistake):
    for expected in mistake.case.expected:
        wish = _wish(expected)
        if mistake.callback:
            httpx_mock.add_callback(mistake.callback, **wish)
        else:
            httpx_mock.add_response(json={"id": 1}, **wish)
    for call in mistake.case.sent:
        mistake.reading.send_httpx(BASE, call)


def _wish(call):
    headers = dict(call.headers)
    if call.cookies:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in call.cookies.items())
    form = "&".join(f"{name}={value}" for name, value in call.form.items()).encode()
    named = {
        "match_json": call.json,
        "match_content": call.body or form,
        "match_headers": headers,
        "match_params": call.query,
    }
    given = {name: value for name, value in named.items() if value}
    return {"url": BASE + call.path, "method": call.method, **given}


def _play(case, reading, callback=None):
    options = ["-q", "-pno:cacheprovider", "-pno:logging", "--rootdir=/", "-c/dev/null"]
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main([*options, __file__], plugins=[_Run(case, reading, callback)])


def differs(case, reading):
    _play(case, reading)


def count(case, reading):
    _play(case, reading)


def raises(case, reading):
    _play(case, reading, answer_order)
