"""Try out what every mock can do, print the table, and write it into docs/comparison.md."""

from __future__ import annotations

from .. import page
from ..apart import MOCKS, ask

ROWS = {
    "real_socket": "the client connects a socket",
    "clients": "clients it works with",
    "hard_coded": "takes over a hard-coded URL",
    "sync_test": "a plain function as test, no async plugin",
    "same_loop": "a function that answers runs in the test's loop",
    "disconnect": "cuts the connection",
    "truncated": "ends a body too early",
    "https": "answers `https://`: whose certificates",
    "expired": "shows an expired certificate",
    "client_certificate": "asks for the client's certificate, and tells whose it is",
    "unmatched": "remembers a request that matched nothing",
    "proxy": "records as a forward proxy",
    "tunnel": "records tunnels as a proxy (`CONNECT`)",
    "within_tunnel": "answers for a host within a tunnel",
}


def main() -> None:
    """Try everything, each mock in the environment it lives in."""
    found = [ask(mock, "bench.capabilities.probes") for mock in MOCKS]
    rows = [[title, *(cell(answers[row]) for answers in found)] for row, title in ROWS.items()]
    table = page.table(["", *MOCKS], rows)
    print(table)
    page.write("capabilities", table)


def cell(answer: str | list[str] | None) -> str:
    """Return the words of the table for what a probe found."""
    if isinstance(answer, list):
        return "any" if len(answer) == 4 else ", ".join(answer)
    return answer or "–"


if __name__ == "__main__":
    main()
