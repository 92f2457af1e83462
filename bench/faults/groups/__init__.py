"""The groups of faults, in the order of the page."""

from __future__ import annotations

from . import bodies, broken_off, handshakes, heads, kept, ports, slow, streams, unasked

__all__ = ["GROUPS"]

GROUPS = (
    ports.GROUP,
    handshakes.GROUP,
    broken_off.GROUP,
    slow.GROUP,
    heads.GROUP,
    bodies.GROUP,
    streams.GROUP,
    kept.GROUP,
    unasked.GROUP,
)
