"""Measure this package beside its peers and write the table: `python -m bench`.

Everything that is compared runs in turn in one session; ratios hold better than figures.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from . import load, routing, startup, suite
from .peers import ROOT, our_python, peers_python, require_wrk

PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
HERE = Path(__file__).parent


class Row(NamedTuple):
    """One line of the table."""

    case: str
    ours: str
    peer: str
    target: str
    reached: str


def main() -> None:
    """Run the cases, print the table, and write it into the page."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run; writes no page")
    parser.add_argument("--only", choices=list(CASES))
    options = parser.parse_args()
    require_wrk()
    ours, peers = our_python(), peers_python()
    rows: list[Row] = []
    for name, case in CASES.items():
        if options.only in (None, name):
            print(f"measuring: {name}", file=sys.stderr)
            rows += case(ours, peers, options.quick)
    table = _table(rows)
    print(table)
    if not options.quick and options.only is None:
        text = PAGE.read_text()
        head, tail = text.split(BEGIN)[0], text.split(END)[1]
        PAGE.write_text(f"{head}{BEGIN}\n\n{_machine()}\n\n{table}\n\n{END}{tail}")


def _load(ours: str, peers: str, quick: bool) -> list[Row]:
    servers = {
        "ours": (ours, "service"),
        "peer": (peers, "service"),
        "aiohttp": (ours, "aiohttp"),
        "canned": (ours, "canned"),
    }
    found = load.measure(servers, rounds=1 if quick else 9, seconds=1)
    targets = dict(zip(found, (3.0, 3.0, 2.5, 2.5, 1.4), strict=True))
    rows = []
    for case, rates in found.items():
        ratio = rates["ours"] / rates["peer"]
        target = targets[case]
        floors = (
            f"{rates['aiohttp'] / 1e3:.1f} k aiohttp's server, {rates['canned'] / 1e3:.0f} k bare"
        )
        rows.append(
            Row(
                f"{case} (floors: {floors})",
                f"{rates['ours'] / 1e3:.1f} k/s",
                f"{rates['peer'] / 1e3:.1f} k/s",
                f"≥ {target:g}×",
                _verdict(f"{ratio:.2f}×", ratio >= target),
            )
        )
    return rows


def _life(ours: str, peers: str, quick: bool) -> list[Row]:
    runs: list[tuple[dict[str, float], dict[str, float]]] = []
    rounds = "50" if quick else "800"
    for _ in range(1 if quick else 7):
        runs.append(
            (
                _json(ours, "life.py", rounds),
                _json(peers, "life.py", rounds),
            )
        )
    mine = {name: median(run[0][name] for run in runs) for name in runs[0][0]}
    peer = {name: median(run[1][name] for run in runs) for name in runs[0][1]}
    life = median(run[0]["life"] / run[0]["bare_life"] for run in runs)
    test = median(run[0]["whole_test"] / run[0]["bare_test"] for run in runs)
    test_peer = median(run[1]["whole_test"] / run[1]["bare_test"] for run in runs)
    return [
        Row(
            f"start, register, stop (bare `create_server`: {mine['bare_life']:.0f} µs)",
            f"{mine['life']:.0f} µs",
            f"{peer['life']:.0f} µs",
            "≤ 60 µs where bare is 32: 1.88× bare",
            _verdict(f"{life:.2f}× bare", life <= 60 / 32),
        ),
        Row(
            f"one whole test in one loop (bare canned protocol: {mine['bare_test']:.0f} µs)",
            f"{mine['whole_test']:.0f} µs",
            f"{peer['whole_test']:.0f} µs, {test_peer:.2f}× bare",
            "≤ 1.3× bare",
            _verdict(f"{test:.2f}× bare", test <= 1.3),
        ),
    ]


def _thread(ours: str, peers: str, quick: bool) -> list[Row]:
    rounds = "20" if quick else "400"
    runs = [_json(ours, "thread.py", rounds) for _ in range(1 if quick else 7)]
    life, bare = (median(run[name] for run in runs) for name in ("life", "bare"))
    return [
        Row(
            "start, register, stop, all on a thread of its own",
            f"{life:.0f} µs",
            f"{bare:.0f} µs: a bare thread, loop and `create_server`",
            "< 2 ms",
            _verdict(f"{life / 1e3:.2f} ms", life < 2000),
        )
    ]


def _suite(ours: str, peers: str, quick: bool) -> list[Row]:
    found = suite.measure(ours, peers, 1 if quick else 5)
    mine = found["this package"]
    assert mine is not None
    rows = []
    for name, value in found.items():
        if name == "this package" or value is None:
            continue
        real = name in suite.REAL_SERVERS
        rows.append(
            Row(
                f"500 tests under pytest, beside {name}",
                f"{mine:.2f} ms a test",
                f"{value:.2f} ms a test",
                "fewer ms" if real else "–",
                _verdict(f"{value / mine:.2f}×", mine < value) if real else f"{value / mine:.2f}×",
            )
        )
    return rows


def _routing(ours: str, peers: str, quick: bool) -> list[Row]:
    found = routing.measure(lookups=200 if quick else 3000)
    return [
        Row(
            f"choosing a route, {shape}",
            f"{among[1]:.1f} µs among 10,000",
            f"{among[0]:.1f} µs among 10 (ours)",
            "≤ 1.5×",
            _verdict(f"{among[1] / among[0]:.2f}×", among[1] / among[0] <= 1.5),
        )
        for shape, among in found.items()
    ]


def _memory(ours: str, peers: str, quick: bool) -> list[Row]:
    count = "200" if quick else "3000"
    mine, peer = (_json(python, "memory.py", count) for python in (ours, peers))
    return [
        Row(
            "memory of a recorded request",
            f"{mine:.0f} bytes",
            f"{peer:.0f} bytes",
            "≤ 0.5×",
            _verdict(f"{mine / peer:.2f}×", mine / peer <= 0.5),
        )
    ]


def _stream(ours: str, peers: str, quick: bool) -> list[Row]:
    rounds = "20" if quick else "400"
    runs = [_json(ours, "stream.py", rounds) for _ in range(1 if quick else 7)]
    rows = []
    for name, what, target in (
        ("delivery", "delivered to a client", 2.0),
        ("send", "written alone", None),
    ):
        live = median(run[f"live_{name}"] for run in runs)
        bare = median(run[f"bare_{name}"] for run in runs)
        ratio = median(run[f"live_{name}"] / run[f"bare_{name}"] for run in runs)
        rows.append(
            Row(
                f"an event of a live stream, {what} in the same loop",
                f"{live:.1f} µs",
                f"{bare:.1f} µs: a bare asyncio writer",
                f"< {target:g}× bare" if target else "–",
                _verdict(f"{ratio:.2f}×", ratio < target) if target else f"{ratio:.2f}×",
            )
        )
    return rows


def _startup(ours: str, peers: str, quick: bool) -> list[Row]:
    added = startup.measure({"ours": ours, "peer": peers}, 2 if quick else 21)
    return [
        Row(
            "loading the plugin, added to a pytest run",
            f"{added['ours']:.1f} ms",
            f"{added['peer']:.0f} ms",
            "< 5 ms",
            _verdict(f"{added['ours']:.1f} ms", added["ours"] < 5),
        )
    ]


CASES = {
    "load": _load,
    "life": _life,
    "thread": _thread,
    "suite": _suite,
    "routing": _routing,
    "memory": _memory,
    "stream": _stream,
    "startup": _startup,
}


def _json(python: str, script: str, argument: str) -> Any:
    output = subprocess.run(
        [python, HERE / script, argument], capture_output=True, text=True, check=True
    ).stdout
    return json.loads(output)


def _verdict(figure: str, reached: bool) -> str:
    return f"**{figure}**" if reached else f"{figure} (missed)"


def _table(rows: list[Row]) -> str:
    lines = ["| case | this package | peer | target | reached |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _machine() -> str:
    cores = os.cpu_count()
    packages = ", ".join(f"{name} {version(name)}" for name in ("aiohttp", "pytest", "yarl"))
    return (
        f"{platform.system()} {platform.machine()}, {cores} cores, shared and virtual; "
        f"Python {platform.python_version()}, {packages}; peer: PyPI `asyncly` 0.10.1 where no "
        "other is named. Command: `make bench`."
    )


if __name__ == "__main__":
    main()
