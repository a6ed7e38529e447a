"""nginx with TLS, on the loopback of a namespace."""

import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from inside_httpipe import WAIT_SECS, until
from live_namespace import Namespace

CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:443 ssl;
    ssl_certificate {folder}/both.pem; ssl_certificate_key {folder}/both.pem;
    return 200 "hello";
  }}
}}
"""


@contextmanager
def tls_nginx(folder: Path, namespace: Namespace) -> Generator[None, None, None]:
    """It listens when this is entered."""
    folder.mkdir()
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
