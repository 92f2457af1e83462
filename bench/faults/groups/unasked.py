"""Something is said before the answer."""

from ..cases import UPLOAD, Group, answered, scripted

_OK = 'Send(SIZED + b"meow")'

GROUP = Group(
    "Something comes before the answer",
    "Interim answers (1xx) may precede the real one (RFC 9110 §15.2), and a server may refuse a "
    "body before it is sent.",
    (
        answered(
            "Early hints",
            'EarlyHints("</a.css>; rel=preload", RawResponse("ok"))',
            "A CDN sends a 103 (RFC 8297) to everybody. requests and urllib3 take it for the "
            "answer, and never see the 200.",
        ),
        scripted(
            "Unasked 100",
            r'Send(b"HTTP/1.1 100 Continue\r\n\r\n")',
            _OK,
            met="A server tells every client to go on, whether it waits or not.",
        ),
        scripted(
            "Unasked 101",
            r'Send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: cat\r\n\r\n")',
            met="A server switches to a protocol that the client did not offer (RFC 9110 §15.2.2).",
        ),
        answered(
            "Upload refused",
            "ExpectationFailed()",
            "A gateway refuses an upload by its head. aiohttp with `expect100=True` and curl wait "
            "with the body and do not send it; the others have sent it when the 417 comes.",
            UPLOAD,
        ),
    ),
)
