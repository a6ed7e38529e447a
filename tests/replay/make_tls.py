"""Make the captures of ``tests/replay/captures/tls`` again: TLS handshakes of other people's libraries on loopback.

    sudo python tests/replay/make_tls.py [NAME ...]

Needs tcpdump, openssl, gnutls-cli, curl, node, go and tshark. What is expected of each handshake is what was asked of the two
ends, and the fingerprints that tshark computes; nothing here knows httpipe.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from own_namespace import INSIDE, enter_namespace

HERE = Path(__file__).parent
CAPTURES = HERE / "captures/tls"
PORT = 4433
SUBJECT = "CN=server.example,O=Example\\, Inc.,C=DE"
COMMON = {"sni": "server.example", "established": True, "resumed": False}
CERTIFICATE = {"subject": SUBJECT, "issuer": SUBJECT, "names": ["server.example", "127.0.0.1"]}
WEAK = "ALL:@SECLEVEL=0"

BROWSER = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--ignore-certificate-errors",
    "--host-resolver-rules=MAP * 127.0.0.1", "--dump-dom",
)  # fmt: skip

GO_CLIENT = """package main

import (
	"crypto/tls"
	"fmt"
	"os"
)

func main() {
	c, err := tls.Dial("tcp", "127.0.0.1:4433", &tls.Config{InsecureSkipVerify: true, ServerName: "server.example",
		NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	c.Write([]byte("GET / HTTP/1.0\\r\\n\\r\\n"))
	b := make([]byte, 10)
	c.Read(b)
	c.Close()
}
"""
NODE_CLIENT = """
const tls = require('tls');
const s = tls.connect({port: 4433, host: '127.0.0.1', servername: 'server.example', rejectUnauthorized: false,
  ALPNProtocols: ['http/1.1']}, () => { s.write('GET / HTTP/1.0\\r\\n\\r\\n'); });
s.on('data', () => s.end()); s.on('end', () => process.exit(0)); s.on('error', () => process.exit(1));
"""
Expected = dict[str, Any]
Case = tuple[Sequence[str], Callable[["Ends"], object], Expected | list[Expected]]


class Ends:
    """Both ends of a case, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *command: str, text: str = "", secs: float = 10) -> int:
        """Run a client to its end; it says ``text``."""
        quiet = subprocess.DEVNULL
        done = subprocess.run(
            command, cwd=self.folder, input=text.encode(), stdout=quiet, stderr=quiet, timeout=secs, check=False
        )
        return done.returncode

    def s_client(self, *options: str, sni: bool = True) -> int:
        """OpenSSL's client asks for a page, and waits for it."""
        name = ("-servername", "server.example") if sni else ("-noservername",)
        request = "GET / HTTP/1.0\r\n\r\n"
        return self.run(
            "openssl", "s_client", "-connect", f"127.0.0.1:{PORT}", *name, "-ign_eof", "-quiet", *options, text=request
        )

    def twice(self, *options: str) -> None:
        """The second time with the session of the first."""
        self.s_client("-sess_out", "session", *options)
        self.s_client("-sess_in", "session", *options)

    def go(self) -> None:
        """Go's client."""
        (self.folder / "client.go").write_text(GO_CLIENT)
        self.run("go", "build", "-o", "client", "client.go", secs=120)
        self.run("./client")

    def node(self) -> None:
        """Node's client."""
        (self.folder / "client.js").write_text(NODE_CLIENT)
        self.run("node", "client.js")

    def curl(self) -> None:
        """curl offers HTTP/2, too."""
        self.run("curl", "-sk", "--connect-to", f"::127.0.0.1:{PORT}", "https://server.example/")

    def gnutls(self, *options: str) -> None:
        """GnuTLS's client."""
        where = ("-p", str(PORT), "127.0.0.1", "--sni-hostname", "server.example", "--insecure")
        self.run("gnutls-cli", *where, *options, text="GET / HTTP/1.0\r\n\r\n")

    def python(self) -> None:
        """CPython's ssl module, without a server name."""
        code = (
            "import ssl, socket\nc = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE\n"
            f"s = c.wrap_socket(socket.create_connection(('127.0.0.1', {PORT})))\n"
            "s.write(b'GET / HTTP/1.0\\r\\n\\r\\n'); s.read()\n"
        )
        self.run(sys.executable, "-c", code)


SERVER = ("-www",)
SSL_1_2 = {"version": "1.2", "names": CERTIFICATE["names"], **{key: CERTIFICATE[key] for key in ("subject", "issuer")}}
CASES: dict[str, Case] = {
    "openssl-1.3": (SERVER, lambda ends: ends.s_client(), {"version": "1.3", "curve": "x25519"}),
    "openssl-1.2": (
        (*SERVER, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"),
        lambda ends: ends.s_client(),
        {**SSL_1_2, "cipher": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "curve": "x25519"},
    ),
    "openssl-1.2-dhe": (
        (*SERVER, "-tls1_2", "-cipher", "DHE-RSA-AES256-SHA"),
        lambda ends: ends.s_client(),
        {**SSL_1_2, "cipher": "TLS_DHE_RSA_WITH_AES_256_CBC_SHA", "curve": None},
    ),
    "openssl-1.2-alpn": (
        (*SERVER, "-tls1_2", "-alpn", "h2"),
        lambda ends: ends.s_client("-alpn", "foo,h2"),
        {**SSL_1_2, "alpn": "h2", "offered": ["foo", "h2"]},
    ),
    "openssl-1.1": (
        (*SERVER, "-tls1_1", "-cipher", WEAK),
        lambda ends: ends.s_client("-cipher", WEAK),
        {**SSL_1_2, "version": "1.1"},
    ),
    "openssl-1.0": (
        (*SERVER, "-tls1", "-cipher", WEAK),
        lambda ends: ends.s_client("-tls1", "-cipher", WEAK),
        {**SSL_1_2, "version": "1.0", "versions": ["1.0"]},
    ),
    "openssl-1.2-ticket": ((*SERVER, "-tls1_2"), lambda ends: ends.twice(), [SSL_1_2, {"version": "1.2", "resumed": True}]),
    "openssl-1.2-session": (
        (*SERVER, "-tls1_2", "-no_ticket"),
        lambda ends: ends.twice(),
        [SSL_1_2, {"version": "1.2", "resumed": True, "subject": None}],
    ),
    "openssl-1.3-psk": (SERVER, lambda ends: ends.twice(), [{"version": "1.3"}, {"version": "1.3", "resumed": True}]),
    "openssl-1.3-retry": (
        (*SERVER, "-groups", "P-384"),
        lambda ends: ends.s_client("-groups", "X25519:P-384"),
        {"version": "1.3", "retry": True, "curve": "secp384r1"},
    ),
    "openssl-1.2-client-certificate": (
        (*SERVER, "-tls1_2", "-Verify", "1"),
        lambda ends: ends.s_client("-cert", "client.pem", "-key", "client.key"),
        {**SSL_1_2, "client_subject": "CN=client.example"},
    ),
    "alert-version": (
        (*SERVER, "-tls1_3"),
        lambda ends: ends.s_client("-tls1_2"),
        {"established": False, "alert": "protocol_version", "alert_from": "server", "error": "protocol_version", "resumed": None},
    ),
    "alert-cipher": (
        (*SERVER, "-tls1_2", "-cipher", "AES128-SHA"),
        lambda ends: ends.s_client("-tls1_2", "-cipher", "AES256-SHA"),
        {
            "established": False,
            "alert": "handshake_failure",
            "alert_from": "server",
            "error": "handshake_failure",
            "resumed": None,
        },
    ),
    "alert-unknown-ca-1.2": (
        (*SERVER, "-tls1_2"),
        lambda ends: ends.s_client("-verify_return_error"),
        {**SSL_1_2, "established": False, "alert": "unknown_ca", "alert_from": "client", "error": "unknown_ca"},
    ),
    "alert-unknown-ca-1.3": (
        SERVER,
        lambda ends: ends.s_client("-verify_return_error"),
        {"version": "1.3", "established": False, "alert_from": "client"},
    ),
    "alert-alpn": (
        (*SERVER, "-alpn", "h2"),
        lambda ends: ends.s_client("-alpn", "foo"),
        {"established": False, "alert": "no_application_protocol", "alert_from": "server", "resumed": None},
    ),
    "openssl-1.3-small-records": (
        (*SERVER, "-max_send_frag", "512"),
        lambda ends: ends.s_client("-max_send_frag", "512", "-split_send_frag", "64"),
        {"version": "1.3"},
    ),
    "openssl-1.2-small-records": (
        (*SERVER, "-tls1_2"),
        lambda ends: ends.s_client("-maxfraglen", "512"),
        SSL_1_2,
    ),
    "openssl-odd-alpn": (
        SERVER,
        lambda ends: ends.s_client("-alpn", "-x-,h2", sni=False),
        {"version": "1.3", "sni": None, "offered": ["-x-", "h2"]},
    ),
    "openssl-short-alpn": (SERVER, lambda ends: ends.s_client("-alpn", "h"), {"version": "1.3", "offered": ["h"]}),
    "openssl-1.3-client-certificate": (
        (*SERVER, "-Verify", "1"),
        lambda ends: ends.s_client("-cert", "client.pem", "-key", "client.key"),
        {"version": "1.3"},
    ),
    "go": (SERVER, lambda ends: ends.go(), {"version": "1.3", "offered": ["h2", "http/1.1"]}),
    "node": ((*SERVER, "-alpn", "http/1.1"), lambda ends: ends.node(), {"version": "1.3", "offered": ["http/1.1"]}),
    "curl": (
        (*SERVER, "-alpn", "http/1.1", "-tls1_2"),
        lambda ends: ends.curl(),
        {**SSL_1_2, "alpn": "http/1.1", "offered": ["h2", "http/1.1"]},
    ),
    "gnutls": (SERVER, lambda ends: ends.gnutls(), {"version": "1.3"}),
    "gnutls-1.2": (SERVER, lambda ends: ends.gnutls("--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2"), SSL_1_2),
    "python-no-sni": (SERVER, lambda ends: ends.python(), {"version": "1.3", "sni": None}),
}


def prepare(folder: Path) -> None:
    """Certificates."""
    for name, subject, extra in (
        ("server", "/C=DE/O=Example, Inc./CN=server.example", ("-addext", "subjectAltName=DNS:server.example,IP:127.0.0.1")),
        ("client", "/CN=client.example", ()),
    ):
        command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", subject, *extra)
        subprocess.run((*command, "-keyout", f"{name}.key", "-out", f"{name}.pem"), cwd=folder, check=True, capture_output=True)


def make(name: str, folder: Path) -> None:
    """One capture and what is expected of it."""
    options, client, expected = CASES[name]
    path = CAPTURES / f"{name}.pcap"
    command = ("openssl", "s_server", "-accept", str(PORT), "-cert", "server.pem", "-key", "server.key", *options)
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for_port()
            with Capture(path):
                client(Ends(folder))
        finally:
            server.send_signal(signal.SIGKILL)
    handshakes = expected if isinstance(expected, list) else [expected]
    hashed = fingerprints(path)
    assert len(hashed) == len(handshakes), f"{name}: tshark sees {len(hashed)} handshakes"
    found = [{**COMMON, **each, **prints} for each, prints in zip(handshakes, hashed, strict=True)]
    path.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


class Capture:
    """tcpdump on loopback, while it lasts."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        command = ("tcpdump", "-i", "lo", "--immediate-mode", "-U", "-Z", "root", "-w", str(self._path), "port", str(PORT))
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        while "listening on" not in self._process.stderr.readline():
            pass
        threading.Thread(target=self._process.stderr.read, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        size = -1
        while size != self._path.stat().st_size:  # what was sent has been written
            size = self._path.stat().st_size
            time.sleep(0.2)
        self._process.send_signal(signal.SIGINT)
        self._process.wait()


def wait_for_port() -> None:
    """Until the server listens."""
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", PORT)) == 0:
                return
        time.sleep(0.05)


def fingerprints(path: Path) -> list[Expected]:
    """What tshark says of each connection: JA3 of its first ClientHello, JA3S of its last ServerHello."""
    fields = [part for each in ("tcp.stream", "tls.handshake.ja3", "tls.handshake.ja3s") for part in ("-e", each)]
    command = ("tshark", "-r", str(path), "-d", f"tcp.port=={PORT},tls", "-Y", "tls.handshake.type<=2", "-T", "fields", *fields)
    found: dict[str, Expected] = {}
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
        stream, ja3, ja3s = line.split("\t")
        known = found.setdefault(stream, {})
        if ja3:
            known.setdefault("ja3", ja3.split(",")[0])
        if ja3s:
            known["ja3s"] = ja3s.split(",")[-1]
    return list(found.values())


def main() -> None:
    """Those that are named, or all."""
    if INSIDE not in os.environ:
        enter_namespace(__file__)
    subprocess.run(["ip", "link", "set", "lo", "up", "mtu", "1500"], check=True)
    CAPTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        for name in sys.argv[1:] or CASES:
            make(name, Path(folder))
            sys.stdout.write(f"{name}: {(CAPTURES / f'{name}.pcap').stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
