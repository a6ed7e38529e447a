"""Writes docs/watch.svg, the recording of `httpipe watch` in the README: ``python -m tools.watch_recording``, with tmux.

The demo capture comes through a pipe, as it was captured but slower, and keys are pressed as somebody would.
"""

import os
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from tests.watch.screen import HTTPIPE, ROOT, Screen
from tools.film import Film, Frame

TARGET = ROOT / "docs/watch.svg"
CAPTURE = ROOT / "examples/demo.pcap"
COLUMNS, ROWS = 100, 27
SLOWER = 4.0
TYPING_SECS = 0.09


def packets(capture: bytes) -> Iterator[tuple[float, bytes]]:
    """Records of a capture file (pcap), each with its time in seconds since the first."""
    at, first = 24, None
    while at < len(capture):
        secs, micros, length, _ = struct.unpack_from("<IIII", capture, at)
        now = secs + micros / 1e6
        first = now if first is None else first
        yield now - first, capture[at : at + 16 + length]
        at += 16 + length


def feed(fifo: Path, begin: threading.Event) -> None:
    """Write the capture as time goes by, from ``begin`` on; the pipe stays open, as of a capture that goes on."""
    capture = CAPTURE.read_bytes()
    with fifo.open("wb", buffering=0) as pipe:
        pipe.write(capture[:24])
        begin.wait()
        began = time.monotonic()
        for secs, record in packets(capture):
            time.sleep(max(0.0, began + secs * SLOWER - time.monotonic()))
            pipe.write(record)
        time.sleep(60)


class Recorder:
    """Takes a screen's picture whenever something has changed."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._taken: list[tuple[float, str]] = []

    def look(self, secs: float) -> None:
        """For so long."""
        end = time.monotonic() + secs
        while time.monotonic() < end:
            picture = self._screen.coloured()
            if not self._taken or self._taken[-1][1] != picture:
                self._taken.append((time.monotonic(), picture))
            time.sleep(0.03)

    def type(self, text: str) -> None:
        """Letter by letter."""
        for letter in text:
            self._screen.type(letter)
            self.look(TYPING_SECS)

    def frames(self) -> list[Frame]:
        """From the first exchange on, each until the next."""
        begin = next(number for number, (_, picture) in enumerate(self._taken) if " 200 " in picture or "GET" in picture)
        taken = [*self._taken[begin:], (time.monotonic(), "")]
        return [Frame(picture, until - at) for (at, picture), (until, _) in pairwise(taken)]


def play(screen: Screen, begin: threading.Event) -> Recorder:
    """What is shown of it."""
    screen.shows("0 events")
    begin.set()
    recorder = Recorder(screen)
    recorder.look(8.5)
    screen.shows("22 events")
    for _ in range(4):
        screen.press("Up")
        recorder.look(0.25)
    screen.press("Enter")
    recorder.look(3)
    screen.press("Escape")
    recorder.look(0.5)
    screen.press("/")
    recorder.look(0.5)
    recorder.type("stat")
    recorder.look(0.8)
    screen.press("Tab")
    recorder.look(0.5)
    recorder.type(" >= 400 and pth")
    recorder.look(1.2)
    for _ in range(3):
        screen.press("BSpace")
        recorder.look(TYPING_SECS)
    recorder.type('path.startswith("/api/")')
    screen.press("Enter")
    recorder.look(2.5)
    screen.press("Escape")
    recorder.look(0.6)
    screen.press("3")
    recorder.look(3)
    screen.press("4")
    recorder.look(2.5)
    screen.press("1")
    recorder.look(1.5)
    return recorder


def main() -> None:
    """Record and write."""
    with tempfile.TemporaryDirectory() as name:
        fifo = Path(name) / "capture"
        os.mkfifo(fifo)
        begin = threading.Event()
        threading.Thread(target=feed, args=(fifo, begin), daemon=True).start()
        command = ["sh", "-c", f"cat {fifo} | {HTTPIPE} watch -r - --bodies 64KiB"]
        with Screen("recording", command, COLUMNS, ROWS) as screen:
            frames = play(screen, begin).frames()
    title = "tcpdump -U -w - port 80 | httpipe watch -r -"
    still = max(range(len(frames)), key=lambda number: frames[number].screen.count("shop.example"))
    TARGET.write_text(Film(frames, COLUMNS, ROWS, title=title, still=still).svg())


if __name__ == "__main__":
    main()
