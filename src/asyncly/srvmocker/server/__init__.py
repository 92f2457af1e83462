"""From the socket to the response: listener, connection, dispatch."""
