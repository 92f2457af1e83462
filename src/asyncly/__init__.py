"""A real HTTP server in the test's own event loop, for testing the clients that you write.

Everything lives in `asyncly.srvmocker`. This module stays empty on purpose: the pytest
plugin loads it at every pytest run, so it must import nothing.
"""

__version__ = "1.0.0"
