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
    UnknownHandlerError,
)
from .journal import Exchange
from .matching import Match
from .proxy import MockProxyService, start_proxy
from .request import FormFile, RecordedRequest, RequestHistory
from .responses import (
    BadEncoding,
    BadStatusLine,
    BaseMockResponse,
    CallbackResponse,
    ConflictingLength,
    ContentResponse,
    DisconnectResponse,
    DripResponse,
    EarlyHints,
    EmptyResponse,
    ExpectationFailed,
    ExtraBytes,
    Fin,
    GarbageResponse,
    HalfClose,
    InvalidHeader,
    JsonResponse,
    LatencyResponse,
    MalformedChunkResponse,
    MissingFinalChunk,
    MsgpackResponse,
    OversizedHeaders,
    Pause,
    RawResponse,
    Reset,
    ResetResponse,
    Send,
    SequenceResponse,
    StaleConnection,
    Stall,
    StallResponse,
    TomlResponse,
    TruncatedResponse,
    WireResponse,
    YamlResponse,
)
from .routing import MockRoute
from .serialization import Serializer
from .service import MockService, start_service

__all__ = [
    "BadEncoding",
    "BadStatusLine",
    "BaseMockResponse",
    "CallbackResponse",
    "ConflictingLength",
    "ContentResponse",
    "DisconnectResponse",
    "DripResponse",
    "EarlyHints",
    "EmptyResponse",
    "Exchange",
    "ExpectationFailed",
    "ExtraBytes",
    "Fin",
    "FormFile",
    "GarbageResponse",
    "HalfClose",
    "InvalidHeader",
    "JsonResponse",
    "LatencyResponse",
    "MalformedChunkResponse",
    "Match",
    "Mismatch",
    "MissingFinalChunk",
    "MissingResponseError",
    "MockProxyService",
    "MockRoute",
    "MockService",
    "MsgpackResponse",
    "OversizedHeaders",
    "Pause",
    "RawResponse",
    "RecordedRequest",
    "RequestHistory",
    "Reset",
    "ResetResponse",
    "Send",
    "SequenceExhausted",
    "SequenceResponse",
    "Serializer",
    "SrvMockerError",
    "StaleConnection",
    "Stall",
    "StallResponse",
    "TomlResponse",
    "TruncatedResponse",
    "UnknownHandlerError",
    "WireResponse",
    "YamlResponse",
    "start_proxy",
    "start_service",
]
