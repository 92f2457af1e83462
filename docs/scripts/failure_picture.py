"""Draw the output of a failing test as `docs/failure.svg`.

    python docs/scripts/failure_picture.py

The test runs for real, under pytest; what it prints is drawn line by line.
"""

from __future__ import annotations

import subprocess
import sys
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

PICTURE = Path(__file__).parent.parent / "failure.svg"

TEST = """\
import asyncio

import aiohttp

from asyncly.srvmocker import JsonResponse, MockRoute, start_service


async def place_order(session, quantity):
    order = {"items": [{"sku": "A-1", "qty": quantity}]}
    await session.post("/order", json=order)
    await session.post("/orders", json=order)


async def order_three():
    routes = [MockRoute("POST", "/orders", "create")]
    async with start_service(routes) as service:
        service.register("create", JsonResponse({"id": 7}, 201))
        async with aiohttp.ClientSession(service.url) as session:
            await place_order(session, 2)
        service.assert_called("create", json={"items": [{"sku": "A-1", "qty": 3}]})


def test_three_are_ordered():
    asyncio.run(order_three())
"""

_WIDTH, _HEIGHT, _PADDING = 8.43, 20, 18
_STYLES = {
    "where": "#9aa5b1",
    "code": "#e4e7eb",
    "error": "#ff8a80",
    "difference": "#ffe082",
}


def fail() -> list[str]:
    """Run the test and return what pytest prints about its failure."""
    with TemporaryDirectory() as folder:
        Path(folder, "test_orders.py").write_text(TEST)
        options = ["-q", "--tb=short", "--no-header", "--color=no", "-p", "no:cacheprovider"]
        run = subprocess.run(
            [sys.executable, "-m", "pytest", *options, "--rootdir", folder, "test_orders.py"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    lines = run.stdout.split("\n")
    last = max(number for number, line in enumerate(lines) if line.startswith("E "))
    first = max(number for number in range(last) if lines[number].startswith("test_orders.py:"))
    return lines[first : last + 1]


def draw(lines: list[str]) -> str:
    """Return the lines as a picture."""
    width = round(max(map(len, lines)) * _WIDTH + 2 * _PADDING)
    height = len(lines) * _HEIGHT + 2 * _PADDING
    texts = "\n".join(
        f'<text x="{_PADDING}" y="{_PADDING + 15 + number * _HEIGHT}" '
        f'fill="{_STYLES[_kind(line)]}">{escape(line, quote=False)}</text>'
        for number, line in enumerate(lines)
    )
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" \
height="{height}" role="img">
<title>A failing expectation</title>
<style>text {{ font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; \
white-space: pre }}</style>
<rect width="100%" height="100%" rx="8" fill="#1f2933"/>
{texts}
</svg>
"""


def _kind(line: str) -> str:
    if not line.startswith("E"):
        return "code" if line.startswith(" ") else "where"
    return "difference" if ": expected " in line and "AssertionError" not in line else "error"


if __name__ == "__main__":
    PICTURE.write_text(draw(fail()))
