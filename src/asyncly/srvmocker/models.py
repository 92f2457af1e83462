"""Old import locations, kept for code that migrates. Nobody inside imports this module."""

from .request import RecordedRequest, RequestHistory
from .routing import MockRoute
from .service import MockService

__all__ = ["MockRoute", "MockService", "RecordedRequest", "RequestHistory"]
