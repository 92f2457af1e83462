"""A format whose package is not installed: nothing fails until it is used, then in words."""

from __future__ import annotations

import subprocess
import sys

import pytest

from asyncly.srvmocker import (
    ContentResponse,
    MockRoute,
    MsgpackResponse,
    TomlResponse,
    YamlResponse,
    start_service,
)
from asyncly.srvmocker.serialization import MsgpackSerializer, TomlSerializer, YamlSerializer

EXTRAS = [
    (
        MsgpackResponse({"a": 1}),
        MsgpackSerializer(),
        "msgspec.msgpack",
        "MessagePack needs the package 'msgspec': pip install 'asyncly[msgpack]'",
    ),
    (
        TomlResponse({"a": 1}),
        TomlSerializer(),
        "tomli_w",
        "TOML needs the package 'tomli_w': pip install 'asyncly[toml]'",
    ),
    (
        YamlResponse({"a": 1}),
        YamlSerializer(),
        "yaml",
        "YAML needs the package 'yaml': pip install 'asyncly[yaml]'",
    ),
]


@pytest.mark.parametrize(("response", "serializer", "module", "text"), EXTRAS)
async def test_a_missing_extra_names_the_pip_command_at_use(
    response: YamlResponse,
    serializer: YamlSerializer,
    module: str,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, module.partition(".")[0], None)
    async with start_service([MockRoute("GET", "/fact", "fact")]) as service:
        for missing in (type(response)({"b": 2}), ContentResponse({"b": 2}, serializer=serializer)):
            with pytest.raises(ImportError) as caught:
                service.register("fact", missing)
            assert str(caught.value) == text
        assert service.handlers == {}  # what could not be encoded is not registered


def test_nothing_optional_is_imported_before_it_is_used() -> None:
    code = """
import sys
for name in ("msgspec", "tomli_w", "yaml", "pytest"):
    sys.modules[name] = None
import asyncly.srvmocker
from asyncly.srvmocker.responses import msgpack, toml, yaml
from asyncly.srvmocker.serialization import msgpack, toml, yaml
print(asyncly.srvmocker.YamlResponse({"a": 1}))
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "YamlResponse(body={'a': 1}, status=200, headers=None)\n"
