"""The forward proxy: it records what passes and sends it on as it is."""

from .service import MockProxyService, start_proxy

__all__ = ["MockProxyService", "start_proxy"]
