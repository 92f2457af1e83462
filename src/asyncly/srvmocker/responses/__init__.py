"""Everything that a server can say, one kind a file."""

from . import ws
from .base import BaseMockResponse
from .callback import CallbackResponse
from .content import ContentResponse
from .faults import DisconnectResponse, TruncatedResponse
from .json import JsonResponse
from .live import LiveStream
from .live_connection import LiveConnection, StreamEnd
from .msgpack import MsgpackResponse
from .raw import RawResponse
from .sequence import SequenceResponse
from .sse import ServerSentEvent, SseResponse
from .streams import ChunkedResponse, NdjsonResponse
from .timeout import LatencyResponse
from .toml import TomlResponse
from .websocket import WebSocketResponse
from .websocket_connection import WebSocketConnection
from .yaml import YamlResponse

__all__ = [
    "BaseMockResponse",
    "CallbackResponse",
    "ChunkedResponse",
    "ContentResponse",
    "DisconnectResponse",
    "JsonResponse",
    "LatencyResponse",
    "LiveConnection",
    "LiveStream",
    "MsgpackResponse",
    "NdjsonResponse",
    "RawResponse",
    "SequenceResponse",
    "ServerSentEvent",
    "SseResponse",
    "StreamEnd",
    "TomlResponse",
    "TruncatedResponse",
    "WebSocketConnection",
    "WebSocketResponse",
    "YamlResponse",
    "ws",
]
