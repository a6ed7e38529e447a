"""WebSocket messages per CPU second, from segments in memory to events: small, large, and compressed ones with their content.

``python benchmarks/websocket.py [messages]``. Behind each stands a thousandth of a fixed piece of work (SHA-256 of 16 MiB) a
message: on a machine that others use, compare these and not the times.
"""

import gc
import hashlib
import sys
import time
import zlib
from collections.abc import Iterable, Iterator

from pipeline.decode import BodyOptions, DecodeOptions, Decoder
from pipeline.model.records import Segment
from pipeline.testing.packets import Talk

UPGRADE = b"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n%b\r\n"
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
FIXED = bytes(16 << 20)
BATCH = 512
TEXT, BINARY, COMPRESSED = 0x81, 0x82, 0xC1


def frame(first: int, payload: bytes) -> bytes:
    """From a server."""
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
    return bytes([first]) + length + payload


def ticks(count: int) -> Iterator[bytes]:
    """Two hundred bytes of JSON, each a little different."""
    for number in range(count):
        yield b'{"symbol":"ABC","price":%d,"volume":%d,"book":"%b"}' % (number, number * 7, b"0123456789" * 15)


def segments(frames: Iterable[bytes], extensions: bytes = b"") -> list[Segment]:
    """One connection, a segment for each frame or more."""
    talk = Talk()
    talk.client(UPGRADE)
    talk.server(ACCEPTED % extensions)
    for each in frames:
        talk.server(each)
    return talk.segments


def compressed(count: int) -> Iterator[bytes]:
    """With context takeover."""
    stream = zlib.compressobj(wbits=-15)
    for tick in ticks(count):
        yield frame(COMPRESSED, (stream.compress(tick) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4])


def fixed() -> float:
    """Seconds of CPU for the fixed piece of work."""
    before = time.process_time()
    hashlib.sha256(FIXED).digest()
    return time.process_time() - before


def measure(name: str, held: list[Segment], count: int, options: DecodeOptions) -> None:
    """The best of five."""
    best = 1e9
    for _ in range(5):
        decoder = Decoder(options, source="bench", capture="packet")
        gc.collect()
        gc.disable()
        before, events = time.process_time(), 0
        for start in range(0, len(held), BATCH):
            events += len(decoder.feed(held[start : start + BATCH]))
        best = min(best, time.process_time() - before)
        gc.enable()
        if events < count:
            raise SystemExit(f"{name}: {events} events of {count} messages")
        decoder.finish()
    each = best / count
    print(f"{name:<34} {1 / each:>12,.0f}/s {each * 1e6:>8.2f} µs {each / fixed() * 1e3:>8.3f}")


def main() -> None:
    """The table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    plain = DecodeOptions(websocket_messages=True)
    content = DecodeOptions(websocket_messages=True, bodies=BodyOptions())
    small = segments(frame(TEXT, tick) for tick in ticks(count))
    print(f"{'messages':<34} {'per CPU second':>14} {'each':>11} {'of fixed work':>14}")
    measure("200 bytes, a segment each", small, count, plain)
    measure("the same, with content", small, count, content)
    many = segments(b"".join(frame(BINARY, b"x" * 20) for _ in range(50)) for _ in range(count // 50))
    measure("20 bytes, fifty a segment", many, count // 50 * 50, plain)
    measure("compressed, with content", segments(compressed(count), DEFLATE), count, content)
    large = segments(frame(BINARY, b"x" * 60_000) for _ in range(count // 100))
    measure("60 kB, 42 segments each", large, count // 100, plain)


if __name__ == "__main__":
    main()
