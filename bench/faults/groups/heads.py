"""The head is no HTTP."""

from ..cases import Group, answered, scripted

GROUP = Group(
    "The head is no HTTP",
    "The port belongs to something else, a proxy mangles what it passes on, or somebody wrote an "
    "HTTP server by hand. Strict clients raise; lenient ones return an answer that nobody sent.",
    (
        answered(
            "Garbage",
            "GarbageResponse()",
            "You speak HTTP to a port of TLS, or of another protocol.",
        ),
        answered(
            "Bad status line",
            "BadStatusLine()",
            "A server written by hand, or another protocol that answers with text, such as SSH.",
        ),
        answered(
            "Header without a colon",
            "InvalidHeader()",
            "A script prints a warning among its headers. requests and urllib3 end the head there, "
            "drop the headers behind it, and no more than log a warning.",
        ),
        answered(
            "Header with a NUL",
            r'InvalidHeader(b"X-Name: a\0b")',
            "A C program puts an uncleared buffer into a header. aiohttp before 3.13.4 lets "
            "it through.",
        ),
        answered(
            "Very long header",
            "OversizedHeaders(bytes=100_000)",
            "Cookies or traces that grow with each hop. The limits: aiohttp 8,190 bytes "
            "(`max_field_size`), requests and urllib3 a line of 65,536.",
        ),
        answered(
            "Very many headers",
            "OversizedHeaders(count=500)",
            "A proxy that adds a header at each turn of a loop. requests and urllib3 take fewer "
            "than 100, aiohttp before 3.13.4 any number.",
        ),
        answered(
            "Two lengths, the last too large",
            "ConflictingLength(5, 10)",
            "A proxy adds a Content-Length of its own. Who believes which is how requests are "
            "smuggled (RFC 9112 §11.2).",
        ),
        answered(
            "Two lengths, the last right",
            "ConflictingLength(10, 5)",
            "The same proxy, the other way round: curl believes the last one.",
        ),
        scripted(
            "Negative length",
            r'Send(OK + b"Content-Length: -1\r\n\r\n01234")',
            met="A server computes a length with a signed number that overflowed. requests and "
            "urllib3 read until the close.",
        ),
    ),
)
