"""nginx with TLS, on the loopback of a namespace; the kernel encrypts what it sends (KTLS), as far as it can."""

import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from inside_httpipe import WAIT_SECS, until
from live_namespace import Namespace

LARGE = 1_000_000
"""Bytes of a file that nginx sends, where the kernel has TLS of its own by SSL_sendfile."""

CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:443 ssl;
    ssl_certificate {folder}/both.pem; ssl_certificate_key {folder}/both.pem;
    ssl_conf_command Options KTLS; sendfile on; root {folder}/www;
    location / {{ return 200 "hello"; }}
    location /large {{ }}
  }}
}}
"""


@contextmanager
def tls_nginx(folder: Path, namespace: Namespace) -> Generator[None, None, None]:
    """It listens when this is entered."""
    (folder / "www").mkdir(parents=True)
    (folder / "www" / "large").write_bytes(bytes(LARGE))
    both = folder / "both.pem"
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", str(both)]
    made = subprocess.run(["openssl", "req", *options], check=True, capture_output=True, text=True)
    both.write_text(both.read_text() + made.stdout)
    (folder / "nginx.conf").write_text(CONFIG.format(folder=folder))
    process = subprocess.Popen(namespace.command("nginx", "-c", str(folder / "nginx.conf")), stderr=subprocess.DEVNULL)
    try:
        assert until((folder / "pid").exists)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(WAIT_SECS)
