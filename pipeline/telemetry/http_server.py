"""A small HTTP server for a WSGI application, in a thread of its own, that no client can make expensive for the process.

In: an address and an application. What untrusted peers may do is bounded: connections at a time, time for a connection, and the
share of the processor that accepting and answering take, since all threads of Python share one processor with the event loop.
What goes wrong with a client ends its connection and leaves a debug line.
"""

import io
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from pipeline.errors import ConfigError, Problem
from pipeline.telemetry.logs import ComponentLog

MAX_CONNECTIONS = 16
"""A Prometheus or two, probes, somebody with curl. A descriptor and a thread each. For one more the oldest is disconnected, for
an answer takes some ms and what is old is idle; while those that were disconnected have not all ended, twice as many are the
most."""
CONNECTION_SECS = 10.0
"""For a whole connection: byte by byte takes no longer."""
PAUSE_SECS = 0.002
"""After each connection that is accepted, which costs 0.2 ms: a tenth of the processor at most."""
REST = 4
"""Answering rests four times as long as it worked: a fifth of the processor at most, however many ask. A scrape takes some ms."""
REST_SECS = 0.5
"""The longest rest; a thread that was not let run for long is no reason to keep the next one waiting."""

StartResponse = Callable[[str, list[tuple[str, str]]], object]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class _Handler(WSGIRequestHandler):
    """Requests are not worth a log line, nor is what a client does wrong."""

    timeout = CONNECTION_SECS

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as the base
        """Nothing."""

    def get_stderr(self) -> io.StringIO:
        """Where wsgiref writes tracebacks to."""
        return io.StringIO()


class HttpServer(socketserver.ThreadingMixIn, WSGIServer):
    """Serves each connection in a thread."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  as the base
        self._log = ComponentLog("metrics")
        self._since: dict[socket.socket, float] = {}
        super().__init__(*args, **kwargs)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept one, and leave time for the event loop; that is also what to do where no descriptor is left."""
        try:
            return super().get_request()
        finally:
            time.sleep(PAUSE_SECS)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  as the base
        """Make room where there is none."""
        beyond = len(self._since) - MAX_CONNECTIONS
        if beyond >= MAX_CONNECTIONS:
            self.shutdown_request(request)
            return
        if beyond >= 0:
            _disconnect(list(self._since)[beyond])
        self._since[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401  as the base
        """However a connection ends, it ends here."""
        self._since.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Twice a second and after each connection: disconnect who has had its time."""
        late = time.monotonic() - CONNECTION_SECS
        for request, since in list(self._since.items()):
            if since < late:
                _disconnect(request)

    def handle_error(self, _request: Any, client_address: Any) -> None:  # noqa: ANN401  as the base
        """No traceback on standard error."""
        self._log.debug("a request could not be answered", extra={"client": str(client_address)}, exc_info=True)


class _Gently:
    """An application that answers one request at a time, and rests after each."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._turn = threading.Lock()
        self._log = ComponentLog("metrics")

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        with self._turn:
            began = time.monotonic()
            try:
                return list(self._app(environ, start_response))
            except Exception as error:  # noqa: BLE001  a fault of ours: whoever asks learns of it, the run goes on
                self._log.warning("a request could not be answered", exc_info=error)
                start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
                return [b"an error in httpipe; its log has more\n"]
            finally:
                time.sleep(min(REST_SECS, REST * (time.monotonic() - began)))


def listen(address: str, option: str, app: Application) -> HttpServer:
    """A server that is bound but does not serve yet. Raises ``ConfigError`` with the option that named the address."""

    class Server(HttpServer):
        address_family = socket.AF_INET6 if "[" in address else socket.AF_INET

    host, _, port = address.rpartition(":")
    try:
        return make_server(host.strip("[]"), int(port), _Gently(app), Server, handler_class=_Handler)
    except (OSError, ValueError, OverflowError) as error:
        raise ConfigError(
            [Problem(option, f'cannot listen on "{address}": {getattr(error, "strerror", None) or error}')]
        ) from error


def _disconnect(request: socket.socket) -> None:
    """Its thread wakes up and ends; the descriptor stays until then."""
    try:
        request.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # gone already
