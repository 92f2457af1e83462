"""Requests a second: servers under the same load, in turn, from another core."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

from .servers import ORDER

HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "User-Agent": "python-httpx/0.28.1",
    "Authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl",
}
CONNECTIONS = 32


class Case(NamedTuple):
    """A request that is repeated."""

    name: str
    path: str
    bodies: tuple[bytes, ...] = ()


_order = json.dumps(ORDER).encode()
_varied = tuple(
    json.dumps({**ORDER, "customer": {**ORDER["customer"], "id": n}}).encode()  # type: ignore[dict-item]
    for n in range(64)
)
CASES = (
    Case("GET, canned JSON", "/fact"),
    Case("GET, templated path with a query", "/items/5?page=2&sort=name"),
    Case("POST 1 kB JSON, Match(json=) decides", "/orders", (_order,)),
    Case("POST 1 kB JSON, every second body differs", "/orders", (_order, *_varied)),
    Case("GET, a user's own response class", "/own"),
)


def measure(
    pythons: dict[str, tuple[str, str]], *, rounds: int, seconds: int
) -> dict[str, dict[str, float]]:
    """Return requests a second, the median of the rounds, by case and server.

    Args:
        pythons: name of a server to (interpreter, kind).
        rounds: how often each server gets each load, in turn.
        seconds: how long each time.
    """
    found: dict[str, dict[str, float]] = {}
    with ExitStack() as stack:
        ports = {name: _start(stack, *server) for name, server in pythons.items()}
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for case in CASES:
            script = folder / "case.lua"
            script.write_text(_lua(case))
            rates: dict[str, list[float]] = {name: [] for name in ports}
            for _ in range(rounds):
                for name, port in ports.items():
                    rates[name].append(_wrk(script, f"http://127.0.0.1:{port}{case.path}", seconds))
            found[case.name] = {name: median(values) for name, values in rates.items()}
    return found


def _start(stack: ExitStack, python: str, kind: str) -> int:
    script = str(Path(__file__).with_name("servers.py"))
    server = subprocess.Popen(
        [*_on_core(0), python, script, kind],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    stack.callback(server.wait)
    stack.callback(server.kill)
    assert server.stdout is not None
    stack.callback(server.stdout.close)
    return int(server.stdout.readline())


def _wrk(script: Path, url: str, seconds: int) -> float:
    command = [
        *_on_core(1),
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds}",
        "-s",
        str(script),
        url,
    ]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in output:
        raise RuntimeError(f"{url} did not answer 200:\n{output}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    assert rate is not None, output
    return float(rate[1])


def _on_core(core: int) -> list[str]:
    """Pin a process, where there is a core for the server and one for the load."""
    return ["taskset", "-c", str(core)] if (os.cpu_count() or 1) > 1 else []


def _lua(case: Case) -> str:
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in HEADERS.items()]
    if case.bodies:
        quoted = ", ".join(f"[==[{body.decode()}]==]" for body in case.bodies)
        lines += [
            f"local bodies = {{{quoted}}}",
            "local number = 0",
            'wrk.method = "POST"',
            'wrk.headers["Content-Type"] = "application/json"',
            "request = function()",
            "  number = number + 1",
            # The first body is the one that matches; of several, it is every second request.
            "  local body = bodies[1]",
            "  if #bodies > 1 and number % 2 == 0 then",
            "    body = bodies[2 + math.floor(number / 2) % (#bodies - 1)]",
            "  end",
            "  return wrk.format(nil, nil, nil, body)",
            "end",
        ]
    return "\n".join(lines)
