"""Make the captures ``tls/quic-*.pcap`` again: aioquic, quic-go and Chromium on loopback, in a network namespace of their own.

    sudo PYTHON tests/replay/make_quic.py [NAME ...]

PYTHON is an interpreter with aioquic, which nothing else here needs; tcpdump, openssl, Go and chromium have to be there. The
files of what is expected are written by hand: what was asked of both ends, and the fingerprints that tshark and ja4plus compute.
"""

import asyncio
import contextlib
import os
import signal
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

from aioquic.asyncio import connect, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.packet import QuicProtocolVersion
from make_tls import BROWSER
from own_namespace import INSIDE, enter_namespace

CAPTURES = Path(__file__).parent / "captures/tls"
CASES = {
    "1": ("h3", {}, False),
    "2": ("h3", {"original_version": QuicProtocolVersion.VERSION_2}, False),
    "retry": ("h3", {}, True),
}
CASES["alert"] = ("nothing", {}, False)
GO = {"go-1": "1", "go-2": "2", "go-retry": "retry", "go-alert": "alpn"}
"""Its hello has a key of ML-KEM, so it takes two Initials, which quic-go cuts up on purpose."""
CHROMIUM = "chromium"
QUIC = "--origin-to-force-quic-on=server.example:4433"


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


def of_go(name: str, folder: Path) -> None:
    """Both ends are quic-go's."""
    source = Path(__file__).parent / "servers/quic-go"
    subprocess.run(["go", "build", "-o", str(folder / "go"), "."], cwd=source, check=True, timeout=300)
    files = (str(folder / "q.pem"), str(folder / "q.key"))
    subprocess.run([str(folder / "go"), GO[name], "127.0.0.1:4433", *files], check=True, timeout=20)


async def of_chromium(folder: Path) -> None:
    """A page asked for over QUIC, to which aioquic does not answer as HTTP/3: the handshake is all that is wanted."""
    server = QuicConfiguration(is_client=False, alpn_protocols=["h3"])
    server.load_cert_chain(folder / "q.pem", folder / "q.key")
    listening = await serve("127.0.0.1", 4433, configuration=server)
    command = ("timeout", "-k", "1", "6", *BROWSER, QUIC, f"--user-data-dir={folder}/profile", "https://server.example:4433/")
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    await asyncio.to_thread(subprocess.run, command, check=False, **quiet)
    listening.close()


def main() -> None:
    """Those that are named, or all."""
    if INSIDE not in os.environ:
        enter_namespace(__file__)
    subprocess.run(["ip", "link", "set", "lo", "up", "mtu", "1500"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        request = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=server.example")
        subprocess.run((*request, "-keyout", "q.key", "-out", "q.pem"), cwd=folder, check=True, capture_output=True)
        for name in sys.argv[1:] or [*CASES, *GO, CHROMIUM]:
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
                if name in GO:
                    of_go(name, Path(folder))
                else:
                    asyncio.run(of_chromium(Path(folder)) if name == CHROMIUM else talk(name, Path(folder)))
                capture.send_signal(signal.SIGINT)


if __name__ == "__main__":
    main()
