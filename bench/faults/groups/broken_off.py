"""The connection ends before the answer does."""

from ..cases import Group, answered, scripted

GROUP = Group(
    "The connection ends early",
    "The server dies, is redeployed, or something on the way loses patience. A close in order "
    "(FIN) and a cut (RST) raise different things, and so do a cut before and a cut within the "
    "body.",
    (
        answered(
            "Closed without an answer",
            "EmptyResponse()",
            "A worker is killed while it has your request, and a proxy closes for it. "
            "`DisconnectResponse()` is the same by another name.",
        ),
        answered(
            "Reset without an answer",
            "ResetResponse()",
            "The process crashes with your request unread, or a firewall has forgotten the "
            "connection.",
        ),
        answered(
            "Reset after the status line",
            'ResetResponse("status")',
            "The host goes down while the head is on its way: the status is known, the answer is "
            "not.",
        ),
        answered(
            "Reset after the head",
            'ResetResponse("headers")',
            "A backend fails after the proxy has passed on its 200. A status that was read is no "
            "answer yet.",
        ),
        answered(
            "Reset in the body",
            'ResetResponse("body")',
            "A download is cut by a deploy or by a change of the network.",
        ),
        answered(
            "Body cut short",
            'TruncatedResponse(b"0123456789", declared_length=20)',
            "A backend dies under a proxy that has passed on its Content-Length.",
        ),
        scripted(
            "Head cut short",
            'Send(OK + b"Content-Le")',
            met="A process ends while its head is half written. requests and urllib3 return a 200 "
            "without a body: check what came, not the status alone.",
        ),
        scripted(
            "Body without a length cut short",
            r'Send(OK + b"\r\n01234")',
            met="An old server or a CGI script ends its body by closing (RFC 9112 §6.3), so half "
            "a body looks whole. No client can tell: put a checksum or a count into the body.",
        ),
        scripted(
            "Half-closed in the body",
            'Send(SIZED + b"me")',
            "HalfClose()",
            "Stall()",
            met="A server shuts down its sending side and keeps on reading. No client waits for "
            "the connection to be closed.",
        ),
    ),
)
