"""Make ``tls/chromium.pcap`` and ``http2/chromium-node.pcap`` again: a browser's handshake, and what it said behind it, in clear.

    sudo python tests/replay/make_chromium.py

Needs chromium, node, openssl, tcpdump and tshark; with the browser's keys tshark undoes the encryption of its first connection.
What is expected of HTTP/2 is what the server wrote down. Of the handshake it is written by hand, as in ``make_quic.py``.
"""

import json
import os
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from make_tls import BROWSER, PORT, Capture, wait_for_port
from own_namespace import INSIDE, enter_namespace

HERE = Path(__file__).parent
CLEAR = 8002
"""The port that the tests take for the server's."""
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def browse(folder: Path, path: Path) -> str:
    """A capture of one visit. Returns what the server printed."""
    request = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=server.example")
    subprocess.run((*request, "-keyout", "k.pem", "-out", "c.pem"), cwd=folder, check=True, capture_output=True)
    command = ("node", str(HERE / "servers/browsed.js"), str(PORT), "c.pem", "k.pem")
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
        wait_for_port()
        with Capture(path):
            options = (
                "--disable-quic",
                f"--ssl-key-log-file={folder}/keys",
                f"--user-data-dir={folder}/profile",
                "--virtual-time-budget=3000",
            )
            page = f"https://server.example:{PORT}/"
            subprocess.run(("timeout", "-k", "1", "20", *BROWSER, *options, page), check=False, **QUIET)  # type: ignore[call-overload]
            time.sleep(0.5)
        server.terminate()
        return server.communicate(timeout=10)[0]


def turns(folder: Path, path: Path) -> list[tuple[bool, bytes]]:
    """Who said what in the first connection, without its encryption; the client's come first."""
    command = (
        "tshark",
        "-r",
        str(path),
        "-o",
        f"tls.keylog_file:{folder}/keys",
        "-d",
        f"tcp.port=={PORT},tls",
        "-q",
        "-z",
        "follow,tls,raw,0",
    )
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    said = [
        (line.startswith("\t"), bytes.fromhex(line))
        for line in lines
        if line.strip() and set(line.strip()) <= set("0123456789abcdef")
    ]
    client = next(side for side, data in said if data.startswith(b"PRI"))
    return [(side == client, data) for side, data in said]


def packets(said: list[tuple[bool, bytes]]) -> Iterator[bytes]:
    """Raw IP packets of one TCP connection, checksums left out."""
    sent = {True: 1000, False: 5000}

    def packet(flags: int, data: bytes = b"", *, client: bool) -> bytes:
        ports = (40000, CLEAR) if client else (CLEAR, 40000)
        tcp = struct.pack(">HHIIBBHHH", *ports, sent[client], 0 if flags == 2 else sent[not client], 0x50, flags, 65535, 0, 0)
        sent[client] += len(data) + (flags & 3 > 0)
        return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(data), 0, 0, 64, 6, 0, b"\x7f\0\0\1", b"\x7f\0\0\1") + tcp + data

    yield from (packet(2, client=True), packet(0x12, client=False), packet(0x10, client=True))
    for client, data in said:
        for at in range(0, len(data), 1400):
            yield packet(0x18, data[at : at + 1400], client=client)
    yield from (packet(0x11, client=False), packet(0x11, client=True), packet(0x10, client=False))


def main() -> None:
    """Both."""
    if INSIDE not in os.environ:
        enter_namespace(__file__)
    subprocess.run(["ip", "link", "set", "lo", "up", "mtu", "1500"], check=True)
    with tempfile.TemporaryDirectory() as name:
        folder, whole = Path(name), Path(name) / "whole.pcap"
        printed = browse(folder, whole)
        handshake = (
            "tshark",
            "-r",
            str(whole),
            "-Y",
            "tcp.stream==0",
            "-w",
            str(HERE / "captures/tls/chromium.pcap"),
            "-F",
            "pcap",
        )
        subprocess.run(handshake, check=True, capture_output=True)
        said = turns(folder, whole)
    records = b"".join(
        struct.pack("<IIII", 1_700_000_000, place * 500, len(each), len(each)) + each for place, each in enumerate(packets(said))
    )
    clear = HERE / "captures/http2/chromium-node"
    clear.with_suffix(".pcap").write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 16, 101) + records)
    clear.with_suffix(".json").write_text("".join(json.dumps(json.loads(line)) + "\n" for line in printed.splitlines()))


if __name__ == "__main__":
    main()
