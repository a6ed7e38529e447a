"""What the terminal view costs the run beside it: nginx at 5,000 exchanges a second for a minute, on a terminal of tmux.

Without a view, with `httpipe watch` that follows the newest, with one that is filtered and sorted by keys meanwhile, and with the
headers of one name in place of whole heads, so that the lane decodes. Prints exchanges answered, reported, left out by whole
connections, and lost otherwise; CPU of httpipe per exchange, its largest memory; and how long the screen took to show
another view when its key was pressed, at most and in the middle.
``python -m benchmarks.watch SECONDS WAY…`` for another length, and for some of: ``none``, ``heads``, ``busy``, ``lane``.
Needs root, nginx, h2load and tmux.
"""

import re
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from benchmarks import live
from benchmarks.ui import RATE, httpipe, memory_mb
from tests.watch.screen import Screen

WAYS = ("none", "heads", "busy", "lane")
SELECTED = ("-i", "lo", "-p", str(live.PORT))
PAUSE_SECS = 1.0
"""Between two keys."""
BUSY = (("2", "SINCE"), ("3", "ENDPOINT"), ("4", "CLIENT"), ("5", "SOURCES"), ("1", "METHOD"))
"""Keys, and what then stands on the screen."""


class Fingers:
    """Press keys until they are told to stop, and note how long each took to show."""

    def __init__(self, screen: Screen, *, sorts: bool) -> None:
        self._screen = screen
        self._sorts = sorts
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._press)
        self.took_ms: list[float] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _press(self) -> None:
        if self._sorts:
            self._screen.press("/")
            self._screen.type("status < 400")
            self._screen.press("Enter", "s")
        turn = 0
        while not self._over.wait(PAUSE_SECS):
            key, shown = BUSY[turn % len(BUSY)]
            turn += 1
            began = time.monotonic()
            self._screen.press(key)
            self._screen.shows(shown)
            self.took_ms.append((time.monotonic() - began) * 1000)


@contextmanager
def watch(folder: Path, way: str) -> Iterator[Screen]:
    """A screen that captures."""
    options = ["--headers", "x-request-id"] if way == "lane" else []
    with Screen(f"bench-{way}", [live.HTTPIPE, "watch", *SELECTED, *options], 120, 40) as screen:
        screen.shows("0 events")
        yield screen
        (folder / "summary").write_text(screen.text())


def turn(way: str, folder: Path) -> None:
    """One minute, and its line."""
    keys = ""
    if way == "none":
        with httpipe(folder, "none") as (process, _):
            pid = process.pid
            before = live.cpu_of(pid)
            answered, _, p99 = live.load(folder, RATE)
            own, memory = live.cpu_of(pid) - before, memory_mb(pid)
        reported, _ = live.count(folder / "out.jsonl")
        said = (folder / "watcher.log").read_text()
    else:
        with watch(folder, way) as screen:
            pid = screen.pid()
            before = live.cpu_of(pid)
            with Fingers(screen, sorts=way == "busy") as fingers:
                answered, _, p99 = live.load(folder, RATE)
            own, memory = live.cpu_of(pid) - before, memory_mb(pid)
            time.sleep(1)
            screen.press("q")
            said = screen.shows("ENDED 0")
        reported = int(re.search(r"([\d,]+) exchanges seen", said)[1].replace(",", ""))  # type: ignore[index]
        keys = f"{statistics.median(fingers.took_ms):>7.0f} {max(fingers.took_ms):>7.0f}"
    found = re.search(r"shed_requests ([\d,]+)", said)
    shed = int(found[1].replace(",", "")) if found else 0
    print(
        f"{way:<8} {answered:>9} {reported:>9} {shed:>6} {answered - reported - shed:>6} {own / answered * 1e6:>8.1f}"
        f" {p99:>7.0f} {memory:>6} {keys}",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    live.SECONDS = int(sys.argv[1]) if sys.argv[1:] else 60
    print("          answered  reported   shed   lost own_us/x  p99_us mem_MB key_p50 key_max (ms)")
    with tempfile.TemporaryDirectory() as name, live.nginx(Path(name)):
        for way in sys.argv[2:] or WAYS:
            turn(way, Path(name))


if __name__ == "__main__":
    main()
