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
)
from .journal import Exchange
from .matching import Match
from .proxy import MockProxyService, start_proxy
from .request import FormFile, RecordedRequest, RequestHistory
from .responses import (
    Barrier,
    BaseMockResponse,
    CallbackResponse,
    ChanceResponse,
    ChunkedResponse,
    ContentResponse,
    DisconnectResponse,
    Gate,
    GatedResponse,
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
    YamlResponse,
)
from .routing import MockRoute
from .serialization import Serializer
from .service import MockService, start_service

__all__ = [
    "Barrier",
    "BaseMockResponse",
    "CallbackResponse",
    "ChanceResponse",
    "ChunkedResponse",
    "ContentResponse",
    "DisconnectResponse",
    "Exchange",
    "FormFile",
    "Gate",
    "GatedResponse",
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
    "YamlResponse",
    "start_proxy",
    "start_service",
]
