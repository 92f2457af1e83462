"""Everything that a server can say, one kind a file."""

from .base import BaseMockResponse
from .callback import CallbackResponse
from .chance import ChanceResponse
from .content import ContentResponse
from .faults import DisconnectResponse, TruncatedResponse
from .gates import Barrier, Gate, GatedResponse
from .json import JsonResponse
from .msgpack import MsgpackResponse
from .raw import RawResponse
from .sequence import SequenceResponse
from .timeout import LatencyResponse
from .toml import TomlResponse
from .yaml import YamlResponse

__all__ = [
    "Barrier",
    "BaseMockResponse",
    "CallbackResponse",
    "ChanceResponse",
    "ContentResponse",
    "DisconnectResponse",
    "Gate",
    "GatedResponse",
    "JsonResponse",
    "LatencyResponse",
    "MsgpackResponse",
    "RawResponse",
    "SequenceResponse",
    "TomlResponse",
    "TruncatedResponse",
    "YamlResponse",
]
