"""A real server: Debian's nginx, with an access log to compare with."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from live_namespace import Namespace

CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  log_format short '$request_method $request_uri $status $body_bytes_sent';
  access_log {folder}/access.log short;
  keepalive_requests 1000000;
  sendfile on; tcp_nopush on;
  client_max_body_size 0; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen unix:{folder}/upstream;
    access_log off;
    return 200 "thank you";
  }}
  server {{
    listen unix:{folder}/paths;
    access_log off;
    return 200 $uri;
  }}
  server {{
    {listen}
    root {folder}/www;
    location /small {{ return 200 "hello from nginx"; }}
    location /none {{ return 204; }}
    location /upload {{ proxy_pass http://unix:{folder}/upstream; }}
  }}
}}
"""
"""The sockets for others come last: nginx listens in this order, and who can connect there finds all of them."""
WAIT_SECS = 10


class Logged(NamedTuple):
    """One line of the access log."""

    method: str
    target: str
    status: int
    body_bytes: int


class Nginx:
    """Serves ``www`` of its folder, in a namespace, on the given sockets (``127.0.0.1:80``, ``[::1]:80 http2``)."""

    def __init__(self, folder: Path, namespace: Namespace, sockets: list[str]) -> None:
        self._folder = folder
        self._log = folder / "access.log"
        self._namespace = namespace
        (folder / "www").mkdir()
        listen = " ".join(f"listen {address};" for address in sockets)
        (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, listen=listen))
        self._process = subprocess.Popen(namespace.command("nginx", "-c", str(folder / "nginx.conf")), stderr=subprocess.DEVNULL)
        for address in sockets:
            self._wait_for(address.split()[0])

    @property
    def pid(self) -> int:
        """Of the one process that it is."""
        return int((self._folder / "pid").read_text())

    @property
    def paths_socket(self) -> Path:
        """A socket on which it answers every request with the path that it would look for."""
        return self._folder / "paths"

    def file(self, name: str, size: int) -> None:
        """A file of so many bytes of text."""
        line = b"The quick brown fox jumps over the lazy dog.\n"
        (self._folder / "www" / name).write_bytes((line * (size // len(line) + 1))[:size])

    def sparse(self, name: str, size: int) -> None:
        """A file of so many zeros, which takes no place on the disk."""
        with (self._folder / "www" / name).open("wb") as file:
            os.truncate(file.fileno(), size)

    def logged(self) -> list[Logged]:
        """What the server says that it has answered, in the order of its answers."""
        if not self._log.exists():
            return []
        lines = (line.split() for line in self._log.read_text().splitlines())
        return [Logged(method, target, int(status), int(size)) for method, target, status, size in lines]

    def stop(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(WAIT_SECS)

    def _wait_for(self, address: str) -> None:
        host, port = address.rsplit(":", 1)
        deadline = time.monotonic() + WAIT_SECS
        while time.monotonic() < deadline:
            with self._namespace.entered():
                try:
                    socket.create_connection((host.strip("[]"), int(port)), WAIT_SECS).close()
                except ConnectionRefusedError:
                    continue
                return
        raise TimeoutError(f"nginx does not answer on {address}")


Serve = Callable[[Namespace, list[str]], Nginx]
"""``serve(namespace, sockets)`` starts one."""
