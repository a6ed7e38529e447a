"""Make the captures ``tls/quic-*.pcap`` again: aioquic's client and server on loopback, in a network namespace of their own.

    sudo PYTHON tests/replay/make_quic.py

PYTHON is an interpreter with aioquic, which nothing else here needs; tcpdump and openssl have to be there. The files of what is
expected are written by hand: what was asked of both ends, and the fingerprints that tshark computes.
"""

import asyncio
import contextlib
import os
import signal
import ssl
import subprocess
import tempfile
from pathlib import Path

from aioquic.asyncio import connect, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.packet import QuicProtocolVersion
from own_namespace import INSIDE, enter_namespace

CAPTURES = Path(__file__).parent / "captures/tls"
CASES = {
    "1": ("h3", {}, False),
    "2": ("h3", {"original_version": QuicProtocolVersion.VERSION_2}, False),
    "retry": ("h3", {}, True),
}
CASES["alert"] = ("nothing", {}, False)


async def talk(name: str, folder: Path) -> None:
    """One connection."""
    protocol, version, retry = CASES[name]
    versions = {"supported_versions": list(version.values())} if version else {}
    server = QuicConfiguration(is_client=False, alpn_protocols=["h3"], **versions)
    server.load_cert_chain(folder / "q.pem", folder / "q.key")
    client = QuicConfiguration(
        alpn_protocols=[protocol], server_name="server.example", verify_mode=ssl.CERT_NONE, **versions, **version
    )
    listening = await serve("127.0.0.1", 4433, configuration=server, retry=retry)
    with contextlib.suppress(ConnectionError):
        async with connect("127.0.0.1", 4433, configuration=client) as connection:
            await connection.ping()
    listening.close()


def main() -> None:
    """All of them."""
    if INSIDE not in os.environ:
        enter_namespace(__file__)
    subprocess.run(["ip", "link", "set", "lo", "up", "mtu", "1500"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        request = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=server.example")
        subprocess.run((*request, "-keyout", "q.key", "-out", "q.pem"), cwd=folder, check=True, capture_output=True)
        for name in CASES:
            command = (
                "tcpdump",
                "-i",
                "lo",
                "--immediate-mode",
                "-U",
                "-Z",
                "root",
                "-w",
                str(CAPTURES / f"quic-{name}.pcap"),
                "udp",
            )
            with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as capture:
                assert capture.stderr is not None
                while "listening on" not in capture.stderr.readline():
                    pass
                asyncio.run(talk(name, Path(folder)))
                capture.send_signal(signal.SIGINT)


if __name__ == "__main__":
    main()
