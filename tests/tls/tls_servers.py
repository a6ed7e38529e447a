"""Real servers with TLS on 127.0.0.1. Each answers every request with whom it answers, and what: ``peer=PORT uri=PATH end``."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

from tls_programs import HERE, go_program

WAIT_SECS = 20

NGINX = """
daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  log_format short '$request_method $request_uri $status $body_bytes_sent';
  access_log {folder}/access.log short;
  keepalive_requests 1000000;
  client_max_body_size 0; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl{http2}; listen [::1]:{port} ssl{http2};
    ssl_protocols TLSv1.2 TLSv1.3; ssl_early_data on;
    ssl_certificate {certificate}; ssl_certificate_key {certificate};
    root {folder}/www;
    location / {{ default_type text/plain; return 200 "peer=$remote_port uri=$request_uri end"; }}
    location /file/ {{ }}
    location /broken/ {{ return 503; }}
  }}
}}
"""
APACHE = """
ServerRoot {folder}
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
DefaultRuntimeDir {folder}
Mutex file:{folder}
ServerName localhost
Listen 127.0.0.1:{port}
LoadModule mpm_{mpm}_module {modules}/mod_mpm_{mpm}.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule ssl_module {modules}/mod_ssl.so
LoadModule include_module {modules}/mod_include.so
LoadModule alias_module {modules}/mod_alias.so
LoadModule mime_module {modules}/mod_mime.so
LoadModule socache_shmcb_module {modules}/mod_socache_shmcb.so
User www-data
Group www-data
MaxKeepAliveRequests 0
TypesConfig /dev/null
AddType text/html .shtml
{processes}
<Directory {folder}/www>
  Require all granted
  Options +Includes
  SetOutputFilter INCLUDES
</Directory>
<VirtualHost *:{port}>
  SSLEngine on
  SSLCertificateFile {certificate}
  AliasMatch ^/.*$ {folder}/www/index.shtml
</VirtualHost>
"""
APACHE_PROCESSES = {
    "worker": "StartServers 2\nServerLimit 2\nThreadsPerChild 64\nMaxRequestWorkers 128",
    "event": "StartServers 2\nServerLimit 2\nThreadsPerChild 64\nMaxRequestWorkers 128",
    "prefork": "StartServers 10\nMinSpareServers 10\nServerLimit 150\nMaxRequestWorkers 150",
}
APACHE_MODULES = "/usr/lib/apache2/modules"
HAPROXY = """
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend tests
  bind 127.0.0.1:{port} ssl crt {certificate} alpn http/1.1
  http-request return status 200 content-type text/plain lf-string "peer=%[src_port] uri=%[pathq] end"
"""

HAPROXY_OF_BYTES = """
defaults
  mode tcp
  timeout client 60s
  timeout server 60s
  timeout connect 5s
listen tests
  bind 127.0.0.1:{port} ssl crt {certificate}
  server other 127.0.0.1:{to}
"""


def free_port() -> int:
    """One that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Server:
    """One that runs. ``executable`` is the path of its program, ``pids`` are its processes."""

    def __init__(self, certificate: Path) -> None:
        self.folder = Path(mkdtemp(prefix="httpipe-tls-"))  # pytest's own folders are closed to www-data
        self.certificate, self.port = certificate, free_port()
        (self.folder / "www").mkdir()
        self.folder.chmod(0o755)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *command: str) -> "Server":
        """Until it answers."""
        with (self.folder / "output").open("wb") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        deadline = time.monotonic() + WAIT_SECS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), WAIT_SECS).close()
            except ConnectionRefusedError:
                time.sleep(0.02)
                continue
            return self
        raise RuntimeError(f"{command[0]} does not answer: {(self.folder / 'output').read_text(errors='replace')[-1000:]}")

    def write(self, name: str, text: str, **values: object) -> str:
        """A file of its configuration."""
        path = self.folder / name
        path.write_text(text.format(folder=self.folder, port=self.port, certificate=self.certificate, **values))
        return str(path)

    @property
    def pids(self) -> set[int]:
        """The process that was started, and its children."""
        assert self._process
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return {self._process.pid, *map(int, children)}

    @property
    def executable(self) -> str:
        """What the kernel calls it."""
        assert self._process
        return str(Path(f"/proc/{self._process.pid}/exe").readlink())

    def stop(self) -> int:
        """End it; its exit code."""
        assert self._process
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(WAIT_SECS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            return self._process.wait()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


def nginx(server: Server, http2: str = "") -> Server:
    """Two workers; an access log in ``access.log``."""
    return server.start("nginx", "-c", server.write("nginx.conf", NGINX, http2=http2))


def apache(server: Server, mpm: str) -> Server:
    """Its threads hand connections on (event) or keep them (worker), or each process has one at a time (prefork)."""
    page = '<!--#set var="p" value="$REMOTE_PORT" -->peer=<!--#echo var="REMOTE_PORT" --> uri=<!--#echo var="REQUEST_URI" --> end'
    (server.folder / "www" / "index.shtml").write_text(page.split("-->", 1)[1])
    path = server.write("apache.conf", APACHE, mpm=mpm, modules=APACHE_MODULES, processes=APACHE_PROCESSES[mpm])
    return server.start("apache2", "-D", "FOREGROUND", "-f", path)


def haproxy(server: Server) -> Server:
    """Answers by itself."""
    return server.start("haproxy", "-f", server.write("haproxy.cfg", HAPROXY))


def haproxy_of_bytes(server: Server, port: int) -> Server:
    """Takes TLS off, and hands what was in it to another server of this host."""
    return server.start("haproxy", "-f", server.write("haproxy.cfg", HAPROXY_OF_BYTES, to=port))


def node(server: Server) -> Server:
    """Node's own https module."""
    return server.start("node", str(HERE / "server.js"), str(server.port), str(server.certificate))


def python(server: Server, *options: str) -> Server:
    """asyncio, or uvloop."""
    return server.start(sys.executable, str(HERE / "server.py"), str(server.port), str(server.certificate), *options)


def go(server: Server) -> Server:
    """net/http."""
    return server.start(str(go_program("server")), str(server.port), str(server.certificate))


SERVERS: dict[str, Callable[[Server], Server]] = {
    "nginx": nginx,
    "apache worker": lambda server: apache(server, "worker"),
    "apache event": lambda server: apache(server, "event"),
    "apache prefork": lambda server: apache(server, "prefork"),
    "haproxy": haproxy,
    "node": node,
    "go": go,
    "asyncio": python,
    "uvloop": lambda server: python(server, "uvloop"),
}
"""Each takes a ``Server`` that is not started yet."""

NEEDED = {
    "nginx": "nginx",
    "apache worker": "apache2",
    "apache event": "apache2",
    "apache prefork": "apache2",
    "haproxy": "haproxy",
    "node": "node",
    "go": "go",
}
"""Programs that tools/setup.sh test installs."""


def missing(name: str) -> str:
    """Why a server cannot be started here; empty where it can."""
    program = NEEDED.get(name)
    return f"{program} is not installed: tools/setup.sh test does it" if program and shutil.which(program) is None else ""
