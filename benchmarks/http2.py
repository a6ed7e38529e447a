"""HTTP/2 from a capture file to JSON lines: exchanges of ten fields each way per CPU second, and tshark on the same file.

The client's and the server's fields are indexed where they repeat, as browsers and nginx do; path, request id and length differ.
``python -m benchmarks http2``. Wanted: ten times what tshark does in the same run. Also gRPC calls (one message each way, a
status in the trailers), and the same exchanges without the compiled lane.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import captures
from benchmarks.file_to_file import from_capture, run
from pipeline.decode.http2.frames import DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS

EXCHANGES = 100_000
FEW = 10_000
"""For tshark, which takes a minute for as many."""
ASKS = (
    (b":authority", b"shop.example"), (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    (b"accept", b"text/html,*/*;q=0.8"), (b"accept-language", b"en-US,en;q=0.5"), (b"accept-encoding", b"gzip, deflate, br"),
    (b"te", b"trailers"),
)  # fmt: skip
ANSWERS = (
    (b"server", b"nginx/1.22.1"), (b"date", b"Tue, 14 Nov 2023 22:13:20 GMT"), (b"cache-control", b"no-store"),
    (b"vary", b"accept"),
    (b"content-type", b"application/json"), (b"x-frame-options", b"DENY"), (b"x-cache", b"MISS"),
)  # fmt: skip


def literal(name: bytes, value: bytes, first: bytes) -> bytes:
    """RFC 7541, section 6.2, with a name of its own."""
    return first + bytes([len(name)]) + name + bytes([len(value)]) + value


def indexes(count: int) -> bytes:
    """The entries that were added first, the oldest first, while nothing else is."""
    return bytes(0x80 | 61 + count - number for number in range(count))


def frame(kind: int, payload: bytes, flags: int, stream: int) -> bytes:
    """A frame."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


CALLS = (
    (b":authority", b"shop.svc:50051"),
    (b"content-type", b"application/grpc"),
    (b"user-agent", b"grpc-go/1.66.0"),
    (b"te", b"trailers"),
)
ANSWERED = ((b"content-type", b"application/grpc"),)
OVER = ((b"grpc-status", b"0"), (b"grpc-message", b""))


class Connection(captures.Connection):
    """One that speaks HTTP/2."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self._stream = 1

    def exchange(self, number: int, *, acks: bool) -> Iterator[bytes]:  # noqa: ARG002  none are apart here
        """A request of ten fields, an answer of ten fields, and a small body."""
        first, stream = self._stream == 1, self._stream
        asked = b"\x82\x87" + literal(b":path", b"/api/v1/items/%d" % number, b"\0")
        body = b'{"id":%d}' % number
        answered = (
            b"\x88" + literal(b"content-length", b"%d" % len(body), b"\0") + literal(b"x-request-id", b"%012d" % number, b"\0")
        )
        asked += b"".join(literal(*field, b"\x40") for field in ASKS) if first else indexes(len(ASKS))
        asked += literal(b"x-id", b"%d" % number, b"\0")
        answered += b"".join(literal(*field, b"\x40") for field in ANSWERS) if first else indexes(len(ANSWERS))
        opening = PREFACE + frame(SETTINGS, b"", 0, 0) if first else b""
        yield self.packet(0, captures.PSH | captures.ACK, opening + frame(HEADERS, asked, END_HEADERS | END_STREAM, stream))
        answer = frame(HEADERS, answered, END_HEADERS, stream) + frame(DATA, body, END_STREAM, stream)
        yield self.packet(1, captures.PSH | captures.ACK, (frame(SETTINGS, b"", 0, 0) if first else b"") + answer)
        self._stream += 2


class Calls(Connection):
    """One that carries gRPC."""

    def exchange(self, number: int, *, acks: bool) -> Iterator[bytes]:  # noqa: ARG002  as above
        """A call of one message each way."""
        first, stream = self._stream == 1, self._stream
        message = b"\0\0\0\0\x0c%012d" % number
        asked = b"\x83\x86" + (literal(b":path", b"/shop.Cart/Add", b"\x40") if first else indexes(1 + len(CALLS))[:1])
        asked += b"".join(literal(*field, b"\x40") for field in CALLS) if first else indexes(1 + len(CALLS))[1:]
        known = indexes(len(ANSWERED) + len(OVER))
        head = b"\x88" + (b"".join(literal(*field, b"\x40") for field in ANSWERED) if first else known[: len(ANSWERED)])
        over = b"".join(literal(*field, b"\x40") for field in OVER) if first else known[len(ANSWERED) :]
        opening = PREFACE + frame(SETTINGS, b"", 0, 0) if first else b""
        request = frame(HEADERS, asked, END_HEADERS, stream) + frame(DATA, message, END_STREAM, stream)
        yield self.packet(0, captures.PSH | captures.ACK, opening + request)
        answer = frame(HEADERS, head, END_HEADERS, stream) + frame(DATA, message, 0, stream)
        answer += frame(HEADERS, over, END_HEADERS | END_STREAM, stream)
        yield self.packet(1, captures.PSH | captures.ACK, (frame(SETTINGS, b"", 0, 0) if first else b"") + answer)
        self._stream += 2


def keep_alive(exchanges: int, connections: int, kind: type[Connection] = Connection) -> Iterator[bytes]:
    """The exchanges in turn over connections that are all open at once."""
    pool = [kind(number) for number in range(connections)]
    for connection in pool:
        yield from connection.opening()
    for number in range(exchanges):
        yield from pool[number % connections].exchange(number, acks=False)


def tshark(path: Path) -> float:
    """CPU seconds of tshark for the fields of all heads."""
    names = ("method", "path", "authority", "status")
    fields = [word for name in names for word in ("-e", f"http2.headers.{name}")]
    command = [
        "tshark",
        "-r",
        str(path),
        "-d",
        "tcp.port==80,http2",
        "-Y",
        "http2.type==1",
        "-T",
        "fields",
        "-e",
        "http2.streamid",
        *fields,
    ]
    before = os.times()
    lines = subprocess.run(command, check=True, capture_output=True).stdout.count(b"\n")
    after = os.times()
    assert lines >= 2 * FEW - 200, lines
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        captures.write(folder / "in.pcap", iter(()))
        start = run(folder, from_capture(folder)).cpu_secs

        def measure(name: str, kind: type[Connection]) -> float:
            captures.write(folder / "in.pcap", keep_alive(EXCHANGES, 64, kind))
            cost = run(folder, from_capture(folder))
            assert cost.lines == EXCHANGES, cost.lines
            rate = EXCHANGES / (cost.cpu_secs - start)
            print(f"{name}: {rate:,.0f} per CPU second (start-up of {start:.2f} s taken off), peak {cost.peak_mb:.0f} MB")
            return rate

        measure("gRPC calls", Calls)
        rate = measure("exchanges", Connection)
        os.environ["HTTPIPE_LANE"] = "0"
        measure("exchanges without the lane", Connection)
        del os.environ["HTTPIPE_LANE"]
        if shutil.which("tshark") is None:
            print("tshark is not installed: nothing to compare with")
            return
        captures.write(folder / "few.pcap", keep_alive(FEW, 64))
        other = FEW / tshark(folder / "few.pcap")
        print(f"tshark: {other:,.0f} exchanges per CPU second; ratio {rate / other:.1f} (wanted: 10)")


if __name__ == "__main__":
    main()
