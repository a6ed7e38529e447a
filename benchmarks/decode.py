"""What decode costs: µs of CPU per exchange, bytes per idle connection, and how both grow.

``python benchmarks/decode.py [exchanges]``. Segments are made in memory, so this is decode alone. A fixed piece of work is timed
beside each run (splitting a head of 545 bytes): on a machine that others use, compare the ratios and not the microseconds.
"""

import gc
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable

from pipeline.decode import DecodeOptions, Decoder
from pipeline.model.records import Segment
from pipeline.testing.packets import Talk, flow_key, request, response

ASKS = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9",
    "Accept-Encoding: gzip, deflate",
    "Accept-Language: en",
    "Connection: keep-alive",
)
ANSWERS = ("Server: nginx", "Date: Mon, 01 Jan 2024 00:00:00 GMT", "Content-Type: text/plain", "Connection: keep-alive")
HEAD = request("/item/1", fields=ASKS * 2)
BATCH = 512


def key(number: int) -> bytes:
    """A connection of its own for each number."""
    return flow_key(f"10.{number >> 22 & 255}.{number >> 14 & 255}.{number >> 7 & 127}", 1024 + (number & 127))


def exchange(talk: Talk, number: int, extra: Iterable[str] = (), size: int = 200) -> None:
    """A request and its response, each in one segment, each acknowledged."""
    talk.exchange(request(f"/item/{number}", fields=[*ASKS, *extra]), response(b"x" * size, fields=[*ANSWERS, *extra]))


def keep_alive(exchanges: int, connections: int = 64, *, alike: bool = True) -> list[Segment]:
    """Connections that take turns; with ``alike`` false no two header blocks are the same, nor most lengths."""
    talks = [Talk(key(number)) for number in range(connections)]
    segments: list[Segment] = []
    for number in range(exchanges):
        talk = talks[number % connections]
        if alike:
            exchange(talk, number)
        else:
            exchange(talk, number, (f"X-Request-Id: {number}",), number % 1200)
        segments += talk.segments
        talk.segments.clear()
    return segments


def one_each(exchanges: int) -> list[Segment]:
    """A connection for each exchange: opened, used, closed."""
    segments: list[Segment] = []
    for number in range(exchanges):
        talk = Talk(key(number))
        exchange(talk, number)
        segments += talk.close().segments
    return segments


def other_traffic(exchanges: int) -> list[Segment]:
    """As many segments of a connection that is not HTTP."""
    talk = Talk(key(1))
    for _ in range(exchanges):
        talk.client(b"\x17\x03\x03" + b"x" * 500).server(b"\x17\x03\x03" + b"y" * 500)
    return talk.segments


def microseconds(work: Callable[[], object]) -> float:
    """CPU time of some work."""
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1e6


def decode(segments: list[Segment]) -> int:
    """Feed batches as a source does; the number of events."""
    decoder = Decoder(DecodeOptions(), source="bench")
    events = sum(len(decoder.feed(segments[start : start + BATCH])) for start in range(0, len(segments), BATCH))
    return events + len(decoder.finish())


def reference() -> float:
    """µs to split one head: what the machine is worth just now."""
    return microseconds(lambda: [[line.partition(b":") for line in HEAD.split(b"\r\n")] for _ in range(5000)]) / 5000


def cost(name: str, segments: list[Segment], exchanges: int, runs: int = 5) -> None:
    """The best of some runs."""
    gc.collect()
    best = min((microseconds(lambda: decode(segments)) / exchanges, reference()) for _ in range(runs))
    ratio = sorted(microseconds(lambda: decode(segments)) / exchanges / reference() for _ in range(runs))[runs // 2]
    print(f"{name:44} {best[0]:7.2f} µs an exchange   {ratio:6.2f} times the reference of {best[1]:.2f} µs")


def memory(connections: int) -> None:
    """Bytes of a connection that has had an exchange and is idle."""
    segments = [segment for number in range(connections) for segment in idle(number)]
    decoder = Decoder(DecodeOptions(), source="bench")
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for start in range(0, len(segments), BATCH):
        decoder.feed(segments[start : start + BATCH])
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    print(f"{connections:7} idle connections {held / connections:18.0f} bytes each")


def idle(number: int) -> list[Segment]:
    """An open connection with one exchange behind it."""
    talk = Talk(key(number))
    exchange(talk, number)
    return talk.segments


def main() -> None:
    """Print a table."""
    exchanges = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    cost("keep-alive, 64 connections", keep_alive(exchanges), exchanges)
    cost("keep-alive, every header block differs", keep_alive(exchanges, alike=False), exchanges)
    cost("one connection per exchange", one_each(exchanges), exchanges)
    cost("keep-alive, 10,000 connections", keep_alive(exchanges, 10_000), exchanges)
    cost("not HTTP, per four segments", other_traffic(exchanges), exchanges)
    cost("keep-alive, five times as many exchanges", keep_alive(5 * exchanges), 5 * exchanges, runs=1)
    for connections in (1000, 10_000, 50_000):
        memory(connections)


if __name__ == "__main__":
    main()
