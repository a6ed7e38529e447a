"""What ``isolation = "process"`` costs: an event's way to a sink in a process of its own and back, and the process itself."""

import os
import statistics
import time
from pathlib import Path

import anyio

from pipeline.api import Context
from pipeline.isolation.sink import ProcessSink
from pipeline.sinks.null import NullSink
from pipeline.testing.contract import ordinary_events

BATCH_EVENTS = 1000
BATCHES = 200
STARTS = 5


def cpu_secs(process: str) -> float:
    """User and system time (proc(5))."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure() -> None:
    """Print a table."""
    events = ordinary_events(0, BATCH_EVENTS)
    sink = ProcessSink("pipeline.toml", {"type": "null", "inputs": ["x"]}, Context("bench"))
    starts = []
    for _ in range(STARTS):
        begin = time.perf_counter()
        await sink.open()
        starts.append(time.perf_counter() - begin)
        await sink.aclose()
    await sink.open()
    child = _child()
    memory = _memory(child)
    here, there = cpu_secs("self"), cpu_secs(child)
    walls = []
    for _ in range(BATCHES):
        begin = time.perf_counter()
        await sink.write(events)
        walls.append(time.perf_counter() - begin)
    here, there = cpu_secs("self") - here, cpu_secs(child) - there
    await sink.aclose()
    plain = NullSink(NullSink.Config(), Context("bench"))
    begin = time.perf_counter()
    for _ in range(BATCHES):
        await plain.write(events)
    count = BATCHES * BATCH_EVENTS
    print(f"{'':34}{'µs an event':>12}   batches of {BATCH_EVENTS}")
    print(f"{'null sink, no isolation':34}{(time.perf_counter() - begin) / count * 1e6:12.3f}")
    print(f"{'to the process and back, median':34}{statistics.median(walls) / BATCH_EVENTS * 1e6:12.2f}")
    print(f"{'processor, the pipeline':34}{here / count * 1e6:12.2f}")
    print(f"{'processor, the process':34}{there / count * 1e6:12.2f}")
    print(f"{'start of the process':34}{statistics.median(starts):12.2f} s")
    print(f"{'its memory':34}{memory:12.0f} MiB")


def _child() -> str:
    """The process of the sink: the one child of this."""
    return Path("/proc/thread-self/children").read_text().split()[-1]


def _memory(process: str) -> float:
    """Resident memory, MiB."""
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024


def main() -> None:
    """Measure."""
    anyio.run(measure)


if __name__ == "__main__":
    main()
