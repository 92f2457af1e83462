"""Everything that a server can say, one kind a file."""

from . import (
    ws,
)
from .base import (
    BaseMockResponse,
)
from .callback import (
    CallbackResponse,
)
from .chance import (
    ChanceResponse,
)
from .content import (
    ContentResponse,
)
from .faults import (
    DisconnectResponse,
    EmptyResponse,
    ResetResponse,
    TruncatedResponse,
)
from .framing import (
    BadEncoding,
    ConflictingLength,
    ExtraBytes,
    MalformedChunkResponse,
    MissingFinalChunk,
)
from .gated import (
    GatedResponse,
)
from .gates import (
    Barrier,
    Gate,
)
from .heads import (
    BadStatusLine,
    GarbageResponse,
    InvalidHeader,
    OversizedHeaders,
)
from .interim import (
    EarlyHints,
    ExpectationFailed,
)
from .json import (
    JsonResponse,
)
from .live import (
    LiveStream,
)
from .live_connection import (
    LiveConnection,
    StreamEnd,
)
from .msgpack import (
    MsgpackResponse,
)
from .pacing import (
    DripResponse,
    StallResponse,
)
from .raw import (
    RawResponse,
)
from .sequence import (
    SequenceResponse,
)
from .sse import (
    ServerSentEvent,
    SseResponse,
)
from .stale import (
    StaleConnection,
)
from .steps import (
    Fin,
    HalfClose,
    Pause,
    Reset,
    Send,
    Stall,
)
from .streams import (
    ChunkedResponse,
    NdjsonResponse,
)
from .timeout import (
    LatencyResponse,
)
from .toml import (
    TomlResponse,
)
from .websocket import (
    WebSocketResponse,
)
from .websocket_connection import (
    WebSocketConnection,
)
from .wire import (
    WireResponse,
)
from .yaml import (
    YamlResponse,
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
    "ContentResponse",
    "DisconnectResponse",
    "DripResponse",
    "EarlyHints",
    "EmptyResponse",
    "ExpectationFailed",
    "ExtraBytes",
    "Fin",
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
    "MissingFinalChunk",
    "MsgpackResponse",
    "NdjsonResponse",
    "OversizedHeaders",
    "Pause",
    "RawResponse",
    "Reset",
    "ResetResponse",
    "Send",
    "SequenceResponse",
    "ServerSentEvent",
    "SseResponse",
    "StaleConnection",
    "Stall",
    "StallResponse",
    "StreamEnd",
    "TomlResponse",
    "TruncatedResponse",
    "WebSocketConnection",
    "WebSocketResponse",
    "WireResponse",
    "YamlResponse",
    "ws",
]
