"""What 50 installed plugins cost a start that uses none of them: their metadata is read, nothing is imported."""

import sys
import tempfile
import time
from pathlib import Path

from pipeline.plugins.discovery import discover

PLUGINS = 50
RUNS = 30


def best_secs(path: list[str]) -> float:
    """The shortest of several looks through everything on the path."""
    times = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        discover(path)
        times.append(time.perf_counter() - begin)
    return min(times)


def main() -> None:
    """Print the difference that the plugins make."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(PLUGINS):
            metadata = Path(folder) / f"plugin_{number}-1.0.dist-info"
            metadata.mkdir()
            (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: plugin-{number}\nVersion: 1.0\n" + "x\n" * 2000)
            (metadata / "entry_points.txt").write_text(f"[httpipe.sinks]\nsink_{number} = plugin_{number}:Sink\n")
        without = best_secs(sys.path)
        found = best_secs([*sys.path, folder]) - without
    print(f"look for plugins            {without * 1000:7.2f} ms")
    print(f"{PLUGINS} more that are not used   {found * 1000:7.2f} ms  (wanted: 10)")


if __name__ == "__main__":
    main()
