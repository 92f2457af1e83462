"""Every fault, in the groups of the page: how to make it, and when one meets it in real life.

A case is run as it stands: its line is the first of its recipe. What it needs of a service stands
in `play.serve`.
"""

from __future__ import annotations

from dataclasses import dataclass

from .clients import GET, Call

__all__ = ["Case", "Group", "answered", "owned", "scripted", "shaken"]

PATIENT, SHORT = 10.0, 2.0
TWICE = Call(times=2)
POST_TWICE = Call("POST", times=2)
UPLOAD = Call("POST", body=b"meow", expects=True)


@dataclass(frozen=True)
class Case:
    """One row of the table, and its recipe.

    Attributes:
        title: the heading of the recipe.
        line: brings the fault about: a statement with `service`, or the head of an `async with`.
        met: when one meets it, and what is to be known of it, in Markdown.
        call: what the clients are told to do.
        timeout: seconds that each client waits.
        tls: whether the service speaks TLS.
        asked: the service that is asked: the one that is there, or one that the line begins.
    """

    title: str
    line: str
    met: str
    call: Call = GET
    timeout: float = PATIENT
    tls: bool = False
    asked: str = "service"


@dataclass(frozen=True)
class Group:
    """Rows that belong together.

    Attributes:
        title: the heading above their table.
        problem: the question that they answer, in Markdown.
        cases: the rows, in order.
    """

    title: str
    problem: str
    cases: tuple[Case, ...]


def answered(
    title: str, response: str, met: str, call: Call = GET, timeout: float = PATIENT
) -> Case:
    """Return the case of a response."""
    name = "fact" if call.method == "GET" else "create"
    return Case(title, f'service.register("{name}", {response})', met, call, timeout)


def scripted(title: str, *steps: str, met: str, call: Call = GET, timeout: float = PATIENT) -> Case:
    """Return the case of a script on the wire."""
    return answered(title, f"WireResponse({', '.join(steps)})", met, call, timeout)


def shaken(title: str, fault: str, met: str, timeout: float = PATIENT) -> Case:
    """Return the case of a fault in the TLS handshake."""
    return Case(title, f"service.tls.fault = {fault}", met, timeout=timeout, tls=True)


def owned(title: str, options: str, met: str) -> Case:
    """Return the case of a service that is started in another way."""
    line = f"async with start_service(ROUTES, {options}) as strict:"
    return Case(title, line, met, tls=True, asked="strict")
