"""The public names, and the import paths of code that migrates: nothing comes or goes unseen."""

from __future__ import annotations

import inspect
from importlib import import_module
from types import ModuleType

import pytest

import asyncly.srvmocker as mocker

NAMES = [
    "BadEncoding",
    "BadStatusLine",
    "Barrier",
    "BaseMockResponse",
    "BlockedLoopError",
    "BlockedLoopWarning",
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
    "ServiceThreadError",
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
    "run_proxy",
    "run_service",
    "start_proxy",
    "start_service",
    "ws",
]
OLD_PATHS = {
    "models": ["MockRoute", "MockService", "RecordedRequest", "RequestHistory"],
    "service": ["MockService", "start_service"],
    "matching": ["Match"],
    "exceptions": [
        "MissingResponseError",
        "SequenceExhausted",
        "SrvMockerError",
        "UnknownHandlerError",
    ],
    "responses.base": ["BaseMockResponse"],
    "responses.content": ["ContentResponse"],
    "responses.json": ["JsonResponse"],
    "responses.raw": ["RawResponse"],
    "responses.sequence": ["SequenceResponse"],
    "responses.timeout": ["LatencyResponse"],
    "responses.faults": ["DisconnectResponse", "TruncatedResponse"],
    "responses.msgpack": ["MsgpackResponse"],
    "responses.toml": ["TomlResponse"],
    "responses.yaml": ["YamlResponse"],
    "serialization.base": ["Serializer"],
    "serialization.json": ["JsonSerializer"],
    "serialization.msgpack": ["MsgpackSerializer"],
    "serialization.toml": ["TomlSerializer"],
    "serialization.yaml": ["YamlSerializer"],
}


def test_the_public_names_are_these() -> None:
    assert mocker.__all__ == NAMES == sorted(NAMES)
    public = {
        name
        for name, value in vars(mocker).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public == set(NAMES) - {"ws"}  # the steps of a WebSocket's script: a module
    assert isinstance(mocker.ws, ModuleType)


@pytest.mark.parametrize("path", OLD_PATHS)
def test_a_path_of_older_code_leads_to_the_same_thing(path: str) -> None:
    module = import_module(f"asyncly.srvmocker.{path}")
    for name in OLD_PATHS[path]:
        assert name in module.__all__
        assert isinstance(getattr(module, name), type) or callable(getattr(module, name))
        if name in NAMES:
            assert getattr(module, name) is getattr(mocker, name)


def test_the_older_name_of_the_record_is_the_record() -> None:
    assert mocker.RequestHistory is mocker.RecordedRequest


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_documented(name: str) -> None:
    assert inspect.getdoc(getattr(mocker, name))


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (
            mocker.start_service,
            "routes, *, tls=False, ssl_context=None, host='127.0.0.1', port=0, "
            "journal_limit=10000, max_body_size=None",
        ),
        (mocker.MockRoute, "method, path, handler_name, match=None, *, optional=False"),
        (
            mocker.Match,
            "json=UNSET, body=None, headers=None, query=None, path_params=None, cookies=None, "
            "form=None, predicate=None",
        ),
        (mocker.JsonResponse, "body=None, status=200, headers=None"),
        (mocker.RawResponse, "body=b'', status=200, headers=None"),
        (mocker.ContentResponse, "body=None, status=200, headers=None, serializer=None"),
        (mocker.MsgpackResponse, "body=None, status=200, headers=None"),
        (mocker.TomlResponse, "body=None, status=200, headers=None"),
        (mocker.YamlResponse, "body=None, status=200, headers=None"),
        (mocker.SequenceResponse, "responses, on_exhausted='raise'"),
        (mocker.LatencyResponse, "wrapped, latency, seed=None"),
        (mocker.DisconnectResponse, ""),
        (
            mocker.TruncatedResponse,
            "body=b'', *, declared_length=None, status=200, headers=None",
        ),
        (mocker.CallbackResponse, "callback"),
    ],
)
def test_the_arguments_are_these(function: object, signature: str) -> None:
    assert callable(function)
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(function).parameters.values()
    ]
    shown = str(inspect.Signature(parameters))
    assert shown == f"({signature})"
