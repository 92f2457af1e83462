"""Formats of bodies: a content type and a way to make the bytes."""

from .base import Serializer
from .json import JsonSerializer
from .msgpack import MsgpackSerializer
from .toml import TomlSerializer
from .yaml import YamlSerializer

__all__ = ["JsonSerializer", "MsgpackSerializer", "Serializer", "TomlSerializer", "YamlSerializer"]
