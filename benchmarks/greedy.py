"""What one connection can cost the others: µs per record, and the longest that a batch of 64 records took.

``python -m benchmarks.greedy [MESSAGES]``: connections that make decode work or hold all they can (``tests.greedy_connections``),
beside a calm one. The ratio is that of all messages to half as many: 2 where time per record does not grow.
"""

import sys
import time

from pipeline.decode import BodyOptions, DecodeOptions, Decoder
from pipeline.model.records import Segment
from pipeline.testing.packets import keep_alive
from tests.greedy_connections import GREEDY

MESSAGES = 20_000
BATCH = 64


def cost(segments: list[Segment]) -> tuple[float, float]:
    """Seconds of CPU: all, and the worst batch."""
    decoder = Decoder(DecodeOptions(bodies=BodyOptions(max_bytes=1 << 20)), source="bench")
    whole = worst = 0.0
    for start in range(0, len(segments), BATCH):
        before = time.process_time()
        decoder.feed(segments[start : start + BATCH])
        took = time.process_time() - before
        whole, worst = whole + took, max(worst, took)
    decoder.finish()
    return whole, worst


def main() -> None:
    """Print a table."""
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES
    for name, make in {"calm: keep-alive": keep_alive, **GREEDY}.items():
        segments = make(messages)
        once, _ = cost(make(messages // 2))
        whole, worst = cost(segments)
        each = f"{whole / len(segments) * 1e6:8.1f} µs a record {whole / messages * 1e6:8.1f} µs a message"
        print(f"{name:44} {each}   worst 64 records {worst * 1e3:7.2f} ms   ratio {whole / once:5.2f}")


if __name__ == "__main__":
    main()
