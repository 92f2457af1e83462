"""Everything that a server can say, one kind a file."""

from .base import BaseMockResponse
from .callback import CallbackResponse
from .content import ContentResponse
from .faults import DisconnectResponse, EmptyResponse, ResetResponse, TruncatedResponse
from .framing import (
    BadEncoding,
    ConflictingLength,
    ExtraBytes,
    MalformedChunkResponse,
    MissingFinalChunk,
)
from .heads import BadStatusLine, GarbageResponse, InvalidHeader, OversizedHeaders
from .interim import EarlyHints, ExpectationFailed
from .json import JsonResponse
from .msgpack import MsgpackResponse
from .pacing import DripResponse, StallResponse
from .raw import RawResponse
from .sequence import SequenceResponse
from .stale import StaleConnection
from .steps import Fin, HalfClose, Pause, Reset, Send, Stall
from .timeout import LatencyResponse
from .toml import TomlResponse
from .wire import WireResponse
from .yaml import YamlResponse

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
    "ExpectationFailed",
    "ExtraBytes",
    "Fin",
    "GarbageResponse",
    "HalfClose",
    "InvalidHeader",
    "JsonResponse",
    "LatencyResponse",
    "MalformedChunkResponse",
    "MissingFinalChunk",
    "MsgpackResponse",
    "OversizedHeaders",
    "Pause",
    "RawResponse",
    "Reset",
    "ResetResponse",
    "Send",
    "SequenceResponse",
    "StaleConnection",
    "Stall",
    "StallResponse",
    "TomlResponse",
    "TruncatedResponse",
    "WireResponse",
    "YamlResponse",
]
