"""Streams that break off in their middle."""

from ..cases import SHORT, Group, scripted

_EVENTS = r'Send(CHUNKED + b"9\r\ndata: 1\n\n\r\n")'

GROUP = Group(
    "Streams that break off",
    "A stream of events, lines or tokens stops in its middle. Here the clients read it to its end; "
    "what came before the break is seen by a client that reads piece by piece. A test that wants "
    "to break a stream at a moment of its choice [drives it](streaming.md#driven-by-the-test).",
    (
        scripted(
            "Stream reset",
            _EVENTS,
            "Reset()",
            met="A deploy cuts the stream of a language model in mid answer.",
        ),
        scripted(
            "Stream closed",
            _EVENTS,
            "Fin()",
            met="A proxy closes a stream that was quiet for its idle time.",
        ),
        scripted(
            "Stream stalls",
            _EVENTS,
            "Stall()",
            met="The source of the events hangs, and no keep-alive comes.",
            timeout=SHORT,
        ),
        scripted(
            "Stream closed in a chunk",
            r'Send(CHUNKED + b"ff\r\ndata: 1\n\n")',
            "Fin()",
            met="A process dies while it writes a large event: half of a chunk is there.",
        ),
        scripted(
            "Stream without chunks closed",
            r'Send(OK + b"\r\ndata: 1\n\n")',
            "Fin()",
            met="A stream that ends with its connection. No client can tell a break from the end: "
            "wait for an event that says it, such as `[DONE]`.",
        ),
    ),
)
