"""A mock HTTP server on a real socket, for testing the clients that you write.

async with start_service([MockRoute("GET", "/fact", "fact")]) as service:
    service.register("fact", JsonResponse({"fact": "Meow."}))
    ...  # point your client at service.url and call it
    service.assert_called("fact", times=1)
"""

from .comparing import (
    Mismatch,
)
from .exceptions import (
    MissingResponseError,
    SequenceExhausted,
    SrvMockerError,
    StreamClosedError,
    UnknownHandlerError,
    WebSocketScriptError,
)
from .interception import (
    MockNetwork,
    intercept,
)
from .journal import (
    Exchange,
    WebSocketMessage,
)
from .matching import (
    Match,
)
from .proxy import (
    MockProxyService,
    start_proxy,
)
from .request import (
    FormFile,
    RecordedRequest,
    RequestHistory,
)
from .responses import (
    BadEncoding,
    BadStatusLine,
    Barrier,
    BaseMockResponse,
    CallbackResponse,
    ChanceResponse,
    ChunkedResponse,
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
    Gate,
    GatedResponse,
    HalfClose,
    InvalidHeader,
    JsonResponse,
    LatencyResponse,
    LiveConnection,
    LiveStream,
    MalformedChunkResponse,
    MissingFinalChunk,
    MsgpackResponse,
    NdjsonResponse,
    OversizedHeaders,
    Pause,
    RawResponse,
    Reset,
    ResetResponse,
    Send,
    SequenceResponse,
    ServerSentEvent,
    SseResponse,
    StaleConnection,
    Stall,
    StallResponse,
    StreamEnd,
    TomlResponse,
    TruncatedResponse,
    WebSocketConnection,
    WebSocketResponse,
    WireResponse,
    YamlResponse,
    ws,
)
from .routing import (
    MockRoute,
)
from .serialization import (
    Serializer,
)
from .server.evidence import ConnectionRecord
from .service import (
    MockService,
    start_service,
)
from .tls import (
    Tls,
    TlsFault,
    TlsKit,
)

__all__ = [
    "BadEncoding",
    "BadStatusLine",
    "Barrier",
    "BaseMockResponse",
    "CallbackResponse",
    "ChanceResponse",
    "ChunkedResponse",
    "ConflictingLength",
    "ConnectionRecord",
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
    "Gate",
    "GatedResponse",
    "HalfClose",
    "InvalidHeader",
    "JsonResponse",
    "LatencyResponse",
    "LiveConnection",
    "LiveStream",
    "MalformedChunkResponse",
    "Match",
    "Mismatch",
    "MissingFinalChunk",
    "MissingResponseError",
    "MockNetwork",
    "MockProxyService",
    "MockRoute",
    "MockService",
    "MsgpackResponse",
    "NdjsonResponse",
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
    "ServerSentEvent",
    "SrvMockerError",
    "SseResponse",
    "StaleConnection",
    "Stall",
    "StallResponse",
    "StreamClosedError",
    "StreamEnd",
    "Tls",
    "TlsFault",
    "TlsKit",
    "TomlResponse",
    "TruncatedResponse",
    "UnknownHandlerError",
    "WebSocketConnection",
    "WebSocketMessage",
    "WebSocketResponse",
    "WebSocketScriptError",
    "WireResponse",
    "YamlResponse",
    "intercept",
    "start_proxy",
    "start_service",
    "ws",
]
