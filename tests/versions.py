"""Where an older aiohttp does otherwise than the newest one; docs/index.md tells the user."""

from __future__ import annotations

import re

import aiohttp

__all__ = ["AIOHTTP", "LENIENT_CLIENT", "is_taken_for_an_answer"]

AIOHTTP = tuple(int(number) for number in re.findall(r"\d+", aiohttp.__version__)[:3])

LENIENT_CLIENT = AIOHTTP < (3, 13, 4)
"""Its client takes a NUL in a header, and any number of headers, for an answer."""


def is_taken_for_an_answer(code: str) -> bool:
    """Tell whether a recipe of docs/faults.md makes a fault that this client does not mind."""
    faults = (r'InvalidHeader(b"X-Name: a\0b")', "OversizedHeaders(count=500)")
    return LENIENT_CLIENT and any(fault in code for fault in faults)
