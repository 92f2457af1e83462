"""Choosing a route among 10 and among 10,000, in microseconds, with paths that never repeat."""

from __future__ import annotations

import time
from statistics import median

from asyncly.srvmocker import MockRoute
from asyncly.srvmocker.routing import RouteTable

SHAPES = {
    "exact": ("/route{n}/things", "/route{n}/things"),
    "templated": ("/route{n}/{{id}}", "/route{n}/{i}"),
    "templated, one prefix": ("/things/{{id}}/part{n}", "/things/{i}/part{n}"),
    "expression, one prefix": (r"/things/{{id:\d+}}/part{n}", "/things/{i}/part{n}"),
}
"""Name to the template of a route and to a path for it."""


def measure(sizes: tuple[int, ...] = (10, 10_000), lookups: int = 2_000) -> dict[str, list[float]]:
    """Return the median time of one lookup for each shape and size."""
    found: dict[str, list[float]] = {}
    for shape, (template, path) in SHAPES.items():
        tables = {
            size: RouteTable(
                MockRoute("GET", template.format(n=n), f"handler{n}") for n in range(size)
            )
            for size in sizes
        }
        times: dict[int, list[float]] = {size: [] for size in sizes}
        for turn in range(lookups * 2):
            for size, table in tables.items():
                # The same ten routes in both tables, so that both are equally warm.
                asked = path.format(n=turn % 10, i=turn)
                table.forget()
                begin = time.perf_counter()
                (candidates, _) = table.find("GET", asked)
                spent = time.perf_counter() - begin
                assert len(candidates) == 1
                if turn >= lookups:
                    times[size].append(spent)
        found[shape] = [median(times[size]) * 1e6 for size in sizes]
    return found
