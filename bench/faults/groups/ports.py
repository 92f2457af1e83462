"""The server is not there."""

from ..cases import SHORT, Case, Group

GROUP = Group(
    "The server is not there",
    "It is stopped, restarted, hung, or behind a firewall that drops what comes. The port stays "
    "the service's: when the [outage](outages.md) ends, the same URL is served again. Connections "
    "that were open are reset.",
    (
        Case(
            "Nobody listens",
            "await service.down()",
            "The process has crashed, or is not up yet. `await service.up()` brings it back, "
            "which a client that retries will notice.",
        ),
        Case(
            "Away for a while",
            'async with service.outage("refused"):',
            "A restart: the same, for the time of a block.",
        ),
        Case(
            "Silent port",
            'async with service.outage("silent"):',
            "The process hangs: the system still accepts connections, and nobody reads them. A "
            "health check that only connects is content.",
            timeout=SHORT,
        ),
        Case(
            "Black hole",
            'async with service.outage("blackhole"):',
            "A firewall drops packets, or a host is gone: not even the connection is made. Give "
            "the connection a timeout of its own, shorter than that of the answer. Only Linux can "
            "play this one.",
            timeout=SHORT,
        ),
    ),
)
