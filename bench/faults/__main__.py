"""Run every fault against every client and write docs/faults.md: look at the difference."""

from __future__ import annotations

from .groups import GROUPS
from .play import play
from .render import write


def main() -> None:
    """Run, and write the page."""
    seen = iter(play([case for group in GROUPS for case in group.cases]))
    write({group: [next(seen) for _ in group.cases] for group in GROUPS})


if __name__ == "__main__":
    main()
