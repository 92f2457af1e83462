"""A mock HTTP server on a real socket, for testing the clients that you write.

async with start_service([MockRoute("GET", "/fact", "fact")]) as service:
    service.register("fact", JsonResponse({"fact": "Meow."}))
    ...  # point your client at service.url and call it
    service.assert_called("fact", times=1)
"""

from .comparing import Mismatch
from .exceptions import (
    MissingResponseError,
    SequenceExhausted,
    SrvMockerError,
    StreamClosedError,
    UnknownHandlerError,
    WebSocketScriptError,
)
from .journal import Exchange, WebSocketMessage
from .matching import Match
from .proxy import MockProxyService, start_proxy
from .request import FormFile, RecordedRequest, RequestHistory
from .responses import (
    BaseMockResponse,
    CallbackResponse,
    ChunkedResponse,
    ContentResponse,
    DisconnectResponse,
    JsonResponse,
    LatencyResponse,
    LiveConnection,
    LiveStream,
    MsgpackResponse,
    NdjsonResponse,
    RawResponse,
    SequenceResponse,
    ServerSentEvent,
    SseResponse,
    StreamEnd,
    TomlResponse,
    TruncatedResponse,
    WebSocketConnection,
    WebSocketResponse,
    YamlResponse,
    ws,
)
from .routing import MockRoute
from .serialization import Serializer
from .service import MockService, start_service

__all__ = [
    "BaseMockResponse",
    "CallbackResponse",
    "ChunkedResponse",
    "ContentResponse",
    "DisconnectResponse",
    "Exchange",
    "FormFile",
    "JsonResponse",
    "LatencyResponse",
    "LiveConnection",
    "LiveStream",
    "Match",
    "Mismatch",
    "MissingResponseError",
    "MockProxyService",
    "MockRoute",
    "MockService",
    "MsgpackResponse",
    "NdjsonResponse",
    "RawResponse",
    "RecordedRequest",
    "RequestHistory",
    "SequenceExhausted",
    "SequenceResponse",
    "Serializer",
    "ServerSentEvent",
    "SrvMockerError",
    "SseResponse",
    "StreamClosedError",
    "StreamEnd",
    "TomlResponse",
    "TruncatedResponse",
    "UnknownHandlerError",
    "WebSocketConnection",
    "WebSocketMessage",
    "WebSocketResponse",
    "WebSocketScriptError",
    "YamlResponse",
    "start_proxy",
    "start_service",
    "ws",
]
