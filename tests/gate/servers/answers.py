"""Python's own server: the secret below /admin. One argument: the port."""

import posixpath
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Handler(BaseHTTPRequestHandler):
    """Keeps connections."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """As a program that resolves paths does. Like that of ``python -m http.server`` it reads no body."""
        path = posixpath.normpath("/" + unquote(urlsplit(self.path).path).lstrip("/"))
        body = b"SECRET\n" if path.startswith("/admin") else b"hello\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_get = do_GET  # noqa: N815  names of methods

    def do_POST(self) -> None:
        """A body, then the same."""
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.do_GET()

    do_PUT = do_POST  # noqa: N815  the same

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    """Both families."""

    address_family = socket.AF_INET6
    request_queue_size = 256


Server(("::", int(sys.argv[1])), Handler).serve_forever()
