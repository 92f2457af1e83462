"""Clients whose URL is hard-coded: they ask for a real name, and a mock service answers."""

from .network import MockNetwork, intercept

__all__ = ["MockNetwork", "intercept"]
