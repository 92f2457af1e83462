"""The TLS handshake fails."""

from ..cases import SHORT, Group, owned, shaken

GROUP = Group(
    "The TLS handshake fails",
    "No request is sent: there is no connection to send it on. Around these recipes stands "
    "`start_service(ROUTES, tls=True)`, and the clients trust it: aiohttp by "
    "`TCPConnector(ssl=service.tls.client_context())`, others as [TLS](tls.md) shows. A list of "
    "faults comes one handshake after the other; "
    '`service.tls.fault = ["handshake_reset", None]` is right for a client that tries again.',
    (
        shaken(
            "Expired certificate",
            '"expired"',
            "Nobody renewed it. The most common one of all.",
        ),
        shaken(
            "Certificate of tomorrow",
            '"not_yet_valid"',
            "A clock is wrong: that of the server, or that of the client.",
        ),
        shaken(
            "Certificate of another host",
            '"wrong_host"',
            "A name was forgotten in the certificate, or DNS leads to another machine. curl looks "
            "at the name when the handshake is over: the server sees a connection without a "
            "request.",
        ),
        shaken(
            "Unknown authority",
            '"untrusted"',
            "The authority is a company's own, and this client was not told; or a proxy reads "
            "along.",
        ),
        shaken(
            "Self-signed certificate",
            '"self_signed"',
            "A device, or a server that somebody has set up in a hurry.",
        ),
        shaken(
            "Old version",
            '"old_version"',
            "A server speaks nothing newer than TLS 1.1, which clients have given up (RFC 8996).",
        ),
        shaken(
            "No shared cipher",
            '"no_shared_cipher"',
            "A server was hardened, or never updated: it answers by the alert `handshake_failure`.",
        ),
        shaken(
            "Unknown name",
            '"unknown_name"',
            "A load balancer does not know the host: the alert `unrecognized_name` (RFC 6066 §3).",
        ),
        shaken(
            "An alert",
            'TlsFault.alert("internal_error")',
            "Any other one, by its name or its number (RFC 8446 §6).",
        ),
        shaken(
            "Reset in the handshake",
            '"handshake_reset"',
            "A firewall that looks at the name which is asked for, or a crash. requests and "
            "urllib3 have another exception for it than for the alerts.",
        ),
        shaken(
            "Stall in the handshake",
            '"handshake_stall"',
            "The server is connected and says nothing. To httpx the connection is not made yet, so "
            "its timeout is that of connecting; to requests and urllib3 it is that of reading.",
            timeout=SHORT,
        ),
        shaken(
            "Plain HTTP on the port",
            '"plain_http"',
            "The wrong port, or a proxy that has ended TLS already.",
        ),
        owned(
            "No client certificate",
            'tls=Tls(client_cert="required")',
            "In TLS 1.3 the client has its connection before the server looks at its certificate: "
            "the refusal comes with the first read. httpx lets a bare `ssl.SSLError` through.",
        ),
        owned(
            "No client certificate, TLS 1.2",
            'tls=Tls(client_cert="required", max_version="1.2")',
            "Here it is a part of the handshake.",
        ),
    ),
)
