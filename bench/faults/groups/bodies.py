"""The body is not what the head says."""

from ..cases import SHORT, Group, answered, scripted

_GZIP = r'Send(OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"meow")[:-8])'

GROUP = Group(
    "The body is not what the head says",
    "The head was good, so the status is a 200 when the body goes wrong. A client that looks at "
    "the status alone has won nothing yet.",
    (
        answered(
            "Malformed chunk",
            "MalformedChunkResponse()",
            "A server writes text between its chunks, a stack trace for example.",
        ),
        answered(
            "Malformed chunk, late",
            "MalformedChunkResponse(delay=0.3)",
            "The same, while the head has long been read. aiohttp with its C parser notices "
            "nothing, not even the close, until its `total` ends: 300 seconds unless you set it.",
            timeout=SHORT,
        ),
        answered(
            "Missing last chunk",
            "MissingFinalChunk()",
            "A backend dies while it streams, and the proxy before it closes in order.",
        ),
        answered(
            "Bytes behind the body",
            "ExtraBytes()",
            "A server counts characters for its Content-Length where it should count bytes.",
        ),
        scripted(
            "Body on a 204",
            r'Send(b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}")',
            met="A framework sends `{}` whatever the status is, though a 204 has no body "
            "(RFC 9110 §15.3.5).",
        ),
        answered(
            "Not gzip",
            "BadEncoding()",
            "A cache keeps the header `Content-Encoding` and loses the coding.",
        ),
        answered(
            "Not deflate",
            'BadEncoding("deflate")',
            "The same with the other coding.",
        ),
        scripted(
            "Gzip cut short",
            _GZIP,
            met="A backend dies while it compresses, and nothing else tells the end of the body. "
            "What could be decoded is returned, and the checksum that is missing is not missed.",
        ),
        answered(
            "JSON cut short",
            """RawResponse('{"id": ', headers={"Content-Type": "application/json"})""",
            "A backend cut its own body and counted what was left. HTTP is right, so only your "
            "parser can tell.",
        ),
    ),
)
