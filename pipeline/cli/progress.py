"""How far files and pipes are: one line of a terminal, written over and gone at the end; nothing where there is no terminal."""

import time
from collections.abc import Callable
from typing import TextIO

INTERVAL_SECS = 0.1
"""Ten times a second: smooth to the eye, free of cost."""

BAR_WIDTH = 24


class Progress:
    """Shows ``done`` of ``total`` bytes of each source, and how many events they held."""

    def __init__(self, terminal: TextIO, *, enabled: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._terminal = terminal
        self._enabled = enabled and terminal.isatty()
        self._clock = clock
        self._state: dict[str, tuple[int, int, int]] = {}
        self._next = 0.0
        self._shown = False

    def show(self, source: str, done: int, total: int, events: int) -> None:
        """A source reports how far it is; a total of 0, of a pipe, means that nobody knows."""
        self._state[source] = (done, total, events)
        now = self._clock()
        if self._enabled and now >= self._next:
            self._next = now + INTERVAL_SECS
            self._shown = True
            self._write(f"\r\x1b[K{self.line()}")

    def line(self) -> str:
        """All sources in one line: a bar where the total is known."""
        return "  ".join(_part(source, *state) for source, state in self._state.items())

    def clear(self) -> None:
        """Leave the terminal as if nothing had been there."""
        if self._shown:
            self._shown = False
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        """A terminal that is gone does not make the run fail."""
        try:
            self._terminal.write(text)
            self._terminal.flush()
        except OSError:
            self._enabled = False


def _part(source: str, done: int, total: int, events: int) -> str:
    count = f"{events:,} event{'' if events == 1 else 's'}"
    if total <= 0:
        return f"{source} {count}, {size(done)}"
    share = min(done / total, 1.0)
    bar = "█" * int(share * BAR_WIDTH)
    return f"{source} {bar:░<{BAR_WIDTH}} {share:4.0%} of {size(total)}, {count}"


def size(count: float) -> str:
    """``1.5 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
