"""Asks as the others do, on one connection as long as it lives. A line for each request: what came, milliseconds."""

import sys
import time
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

place = urlsplit(sys.argv[1])
client = HTTPConnection(place.hostname or "", place.port, timeout=6)
for method, path, body in (("GET", "/ok", ""), ("GET", "/admin/x", ""), ("POST", "/admin/x", "x" * 300000), ("GET", "/ok", "")):
    start = time.monotonic()
    try:
        client.request(method, path, body)
        response = client.getresponse()
        response.read()
        came = str(response.status)
    except TimeoutError:
        came = "hang"
    except (OSError, HTTPException):
        came = "reset"
        client.close()
    sys.stdout.write(f"{came} {round((time.monotonic() - start) * 1000)}\n")
