"""HTTPS without a certificate at hand: an authority of this process, for tests only."""

from .authority import Authority, authority
from .kit import TlsKit
from .spec import Tls, TlsFault

__all__ = ["Authority", "Tls", "TlsFault", "TlsKit", "authority"]
