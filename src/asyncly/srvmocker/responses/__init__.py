"""Everything that a server can say, one kind a file."""

from .base import BaseMockResponse
from .callback import CallbackResponse
from .chance import ChanceResponse
from .content import ContentResponse
from .faults import DisconnectResponse, TruncatedResponse
from .gates import Barrier, Gate, GatedResponse
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
from .yaml import YamlResponse

__all__ = [
    "Barrier",
    "BaseMockResponse",
    "CallbackResponse",
    "ChanceResponse",
    "ChunkedResponse",
    "ContentResponse",
    "DisconnectResponse",
    "Gate",
    "GatedResponse",
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
    "YamlResponse",
]
