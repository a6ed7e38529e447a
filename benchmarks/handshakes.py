"""TLS handshakes from a capture file, per second of CPU: read, dissected, decoded, all of it in one process.

``python -m benchmarks.handshakes [connections]``. The connections are those of ``tests/replay/captures/tls``, each again and
again from other ports. tshark reads the same file where it is installed, with JA3 asked for.
"""

import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline.decode import DecodeOptions, Decoder
from pipeline.sources.pcap.dissect import Dissector
from pipeline.sources.pcap.reader import CaptureReader

CAPTURES = Path(__file__).resolve().parents[1] / "tests/replay/captures/tls"
NAMES = ("openssl-1.3", "openssl-1.2", "go", "curl")
HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
PORT = 443


def write(path: Path, connections: int) -> None:
    """A capture of so many connections to one port, as their packets are but for the client's port and address."""
    talks = [_packets(name) for name in NAMES]
    with path.open("wb") as file:
        file.write(HEADER)
        for number in range(connections):
            port, host = (1024 + number % 60000).to_bytes(2, "big"), bytes([10, 0, number // 60000, 1])
            for client, packet in talks[number % len(talks)]:
                changed = bytearray(packet)
                changed[26:30], changed[30:34] = (host, b"\x0a\1\1\1") if client else (b"\x0a\1\1\1", host)
                changed[34:36], changed[36:38] = (port, PORT.to_bytes(2, "big")) if client else (PORT.to_bytes(2, "big"), port)
                file.write(struct.pack("<IIII", 1_700_000_000 + number // 1000, number % 1000 * 1000, len(packet), len(packet)))
                file.write(changed)


def _packets(name: str) -> list[tuple[bool, bytes]]:
    found = CaptureReader().frames((CAPTURES / f"{name}.pcap").read_bytes())
    packets = [block[start:end] for block, frames in found for _, start, end, *_ in frames]
    return [(packet[36:38] == (4433).to_bytes(2, "big"), packet) for packet in packets]


def read(path: Path) -> tuple[int, float]:
    """How many handshakes, and seconds of CPU."""
    begin = time.process_time()
    decoder, reader, found = Decoder(DecodeOptions(tls_handshakes=True), source="bench"), CaptureReader(Dissector(quic=True)), 0
    with path.open("rb") as file:
        while data := file.read(1 << 18):
            for records in reader.feed(data):
                found += len(decoder.feed(records))
    found += len(decoder.finish())
    return found, time.process_time() - begin


def tshark(path: Path) -> tuple[int, float]:
    """The same of tshark: lines with a fingerprint, and CPU of its process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    fields = (
        "-Y",
        "tls.handshake.type==1",
        "-T",
        "fields",
        "-e",
        "tls.handshake.ja3",
        "-e",
        "tls.handshake.extensions_server_name",
    )
    done = subprocess.run(["tshark", "-r", str(path), *fields], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout.count("\n"), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """A line for each."""
    connections = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "handshakes.pcap")
        write(path, connections)
        print(f"{connections} connections of {', '.join(NAMES)}; {path.stat().st_size >> 20} MiB")
        found, secs = read(path)
        print(f"httpipe  {found:>7} handshakes  {secs:6.2f} s CPU  {found / secs:>8.0f} a second")
        if shutil.which("tshark"):
            found, secs = tshark(path)
            print(f"tshark   {found:>7} handshakes  {secs:6.2f} s CPU  {found / secs:>8.0f} a second")


if __name__ == "__main__":
    main()
