"""JSON lines in any cut → events. A line that is none is counted and left out: the next one begins behind its newline."""

from collections.abc import Sequence

from pipeline.codecs.errors import DecodeError
from pipeline.codecs.json import JsonCodec
from pipeline.model.exchange import Event

MAX_LINE_BYTES = 256 * 1024 * 1024
"""Longer than any event with both bodies; what has no newline for so long is no JSON lines."""


class LinesReader:
    """One file of events. ``damage`` says what the first bad line is, and how many there are."""

    def __init__(self) -> None:
        self._decode = JsonCodec().decode
        self._rest = b""
        self._line = 0
        self._bad = 0
        self._first = ""

    @property
    def damage(self) -> str:
        """Empty where every line was an event."""
        more = f" (and {self._bad - 1} more)" if self._bad > 1 else ""
        return f"{self._first}{more}" if self._bad else ""

    def feed(self, data: bytes) -> list[list[Event]]:
        """The events of the lines that are complete now."""
        if b"\n" not in data:
            self._rest += data
            if len(self._rest) > MAX_LINE_BYTES:
                self._line += 1
                self._spoiled(f"has more than {MAX_LINE_BYTES} bytes")
                self._rest = b""
            return []
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [self._events(lines)]

    def finish(self) -> list[list[Event]]:
        """No more bytes will come: what stands behind the last newline is a line, or half of one."""
        rest, self._rest = self._rest, b""
        return [self._events([rest])]

    def _events(self, lines: Sequence[bytes]) -> list[Event]:
        events = []
        for line in lines:
            self._line += 1
            if not line.strip():
                continue
            try:
                events.append(self._decode(line))
            except DecodeError as error:
                self._spoiled(f"is no event: {error}")
        return events

    def _spoiled(self, problem: str) -> None:
        self._bad += 1
        self._first = self._first or f"line {self._line} {problem}"
