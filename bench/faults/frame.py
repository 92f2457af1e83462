import gzip

import aiohttp

from asyncly.srvmocker import MockRoute

__all__ = ["CHUNKED", "OK", "ROUTES", "SIZED", "SOON", "gzip"]

ROUTES = [MockRoute("GET", "/fact", "fact"), MockRoute("POST", "/orders", "create")]
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
SIZED = OK + b"Content-Length: 4\r\n\r\n"
SOON = aiohttp.ClientTimeout(total=0.5)
