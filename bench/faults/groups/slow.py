"""The answer does not come, or slowly."""

from ..cases import SHORT, Group, answered

GROUP = Group(
    "The answer does not come, or slowly",
    "What one calls a timeout differs. A limit for the whole call (aiohttp's `total`, `curl -m`) "
    "always ends it. A limit for the next byte (the `timeout` of httpx, requests and urllib3) "
    "begins anew with each byte.",
    (
        answered(
            "No answer",
            "StallResponse()",
            "A server is overloaded, or its database is. It is what every timeout is tested with.",
            timeout=SHORT,
        ),
        answered(
            "Stall after the status line",
            'StallResponse("status")',
            "A packet is lost in a tunnel that drops large ones: the first bytes come, the rest "
            "never does.",
            timeout=SHORT,
        ),
        answered(
            "Stall after the head",
            'StallResponse("headers")',
            "A server sends the head at once and computes the body for ever. requests raises "
            "`ConnectionError` now, no `ReadTimeout`: catch both.",
            timeout=SHORT,
        ),
        answered(
            "Stall in the body",
            'StallResponse("body")',
            "A download hangs in its middle, because the machine behind it does.",
            timeout=SHORT,
        ),
        answered(
            "Slow drip",
            'DripResponse(RawResponse("0123456789"), bytes_per_second=40)',
            "A congested link, or a peer that means you harm. Only a limit for the whole call "
            "ends it; the other clients return the answer long after their timeout.",
            timeout=SHORT,
        ),
    ),
)
