"""Provoke the mistakes against one mock, in this environment, and print the texts as JSON."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import logging
import sys
from typing import TYPE_CHECKING, Any

from ..peers import ROOT
from .cases import CASES
from .reading import NoFeature, Reading

if TYPE_CHECKING:
    from .cases import Case

__all__ = ["play"]


def play(adapter: str) -> list[str | None]:
    """Return what the tester reads, case by case; None where there is no such feature.

    An empty text is a mistake that nobody notices.
    """
    module = importlib.import_module(f".adapters.{adapter}", __package__)
    return [_provoke(module, case) for case in CASES]


def _provoke(module: Any, case: Case) -> str | None:
    provoke = getattr(module, case.kind, None)
    if provoke is None:
        return None
    reading = Reading(tracebacks=case.kind == "raises")
    logger = logging.getLogger()
    logger.addHandler(reading)
    try:
        made = provoke(case, reading)
        if inspect.isawaitable(made):
            asyncio.run(_finish(made))
    except NoFeature:
        return None
    finally:
        logger.removeHandler(reading)
    return "\n".join(reading.texts).replace(f"{ROOT}/", "")  # the same on every machine


async def _finish(made: Any) -> None:
    await made


if __name__ == "__main__":
    print(json.dumps(play(sys.argv[1])))
