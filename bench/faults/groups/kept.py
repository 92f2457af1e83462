"""A connection that is used again."""

from ..cases import POST_TWICE, SHORT, TWICE, Group, answered, scripted

_ONE, _OTHER = 'SIZED + b"meow"', 'SIZED + b"evil"'

GROUP = Group(
    "A connection that is used again",
    "Each client calls twice on one session; the table shows the second call. The server closes "
    "an idle connection just when the client sends on it again, which happens under every load "
    "balancer. *Sent again* means that the server got the second call twice: the client retried by "
    "itself.",
    (
        answered(
            "GET on a closed connection",
            'StaleConnection(RawResponse("ok"))',
            "The idle time of the server is shorter than the client's. aiohttp and curl retry, "
            "the others leave it to you.",
            TWICE,
        ),
        answered(
            "GET on a reset connection",
            'StaleConnection(RawResponse("ok"), how="reset")',
            "A load balancer forgets idle connections.",
            TWICE,
        ),
        answered(
            "POST on a closed connection",
            'StaleConnection(RawResponse("ok"))',
            "The same, but a POST may have been acted on, so aiohttp does not send it again. curl "
            "does.",
            POST_TWICE,
        ),
        answered(
            "POST on a reset connection",
            'StaleConnection(RawResponse("ok"), how="reset")',
            "A rolling deploy meets a client that writes.",
            POST_TWICE,
        ),
        scripted(
            "Two answers at once",
            f"Send({_ONE} + {_OTHER})",
            "Stall()",
            met="A server answers twice, or somebody poisons the connection: the second answer "
            "lies there before the second request is sent. httpx takes it for the answer to that "
            "request. requests and urllib3 drop it and ask again on the same connection, which "
            "this server does not answer; aiohttp and curl open a new one.",
            call=TWICE,
            timeout=SHORT,
        ),
        scripted(
            "A second answer, late",
            f"Send({_ONE})",
            "Pause(0.5)",
            f"Send({_OTHER})",
            "Stall()",
            met="The same, while the second request waits for its answer. HTTP/1.1 has no mark "
            "that tells which request an answer belongs to: put an id into the body.",
            call=TWICE,
            timeout=SHORT,
        ),
    ),
)
