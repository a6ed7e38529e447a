"""JSON lines in any cut → events. What is not an event is kept for the dead letter; the next line begins behind its newline."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import ClassVar

from pipeline.codecs.errors import DecodeError
from pipeline.codecs.json import JsonCodec
from pipeline.codecs.json_native import native_events
from pipeline.model.events.event import AttributeValue, Event

MAX_LINE_BYTES = 256 * 1024 * 1024
"""Longer than any event with both bodies; what has no newline for so long is not JSON lines."""
MOST_LINE_BYTES = 256 * 1024
"""Of a line that is not an event, so much is kept."""
MEMORY_PER_BYTE = 2
"""Memory of an event is about twice its JSON."""


class Undecodable(Event, frozen=True, gc=False, kw_only=True):
    """A line that is not an event: where it stood, and its bytes as base64."""

    event_name: ClassVar[str] = "replay.undecodable"


class LinesReader:
    """One file of events. ``damage`` is set where it cannot be read any further; lines that are not events wait to be taken."""

    def __init__(self, name: str, now_ns: Callable[[], int]) -> None:
        self.damage: DecodeError | None = None
        self._name = name
        self._now_ns = now_ns
        self._decode = JsonCodec().decode
        self._rest = b""
        self._line = 0
        self._undecodable: list[tuple[Event, Exception]] = []

    def take_undecodable(self) -> list[tuple[Event, Exception]]:
        """The lines that are not events, each with the reason, since the last call."""
        taken, self._undecodable = self._undecodable, []
        return taken

    def feed(self, data: bytes) -> list[Sequence[Event]]:
        """The events of the lines that are complete now."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._rest += data
            if len(self._rest) > MAX_LINE_BYTES:
                self.damage = DecodeError(f"line {self._line + 1} has more than {MAX_LINE_BYTES} bytes")
            return [[]]
        whole, self._rest = self._rest + data[:end], data[end:]
        return [self._read(whole)]

    def finish(self) -> list[Sequence[Event]]:
        """No more bytes will come: what stands behind the last newline is a line, or half of one."""
        rest, self._rest = self._rest, b""
        return [self._read(rest)]

    def _read(self, text: bytes) -> Sequence[Event]:
        found = native_events(text, self._decode, self._event)
        if found is None:
            lines = BytesIO(text).readlines()  # by memchr, where bytes.split looks at each byte: a tenth of all that replay costs
            events = [event for place, line in enumerate(lines) if (event := self._event(line, place)) is not None]
            found = events, len(lines)
        self._line += found[1]
        return found[0]

    def _event(self, line: bytes, place: int) -> Event | None:
        """That of a line, by its place behind those that were read; None where there is none."""
        try:
            return self._decode(line)
        except DecodeError as error:
            if not line.isspace():
                number = self._line + 1 + place
                reason = DecodeError(f"{self._name}, line {number}, is not an event: {error}")
                self._undecodable.append((self._carrying(line.removesuffix(b"\n"), number), reason))
            return None

    def _carrying(self, line: bytes, number: int) -> Undecodable:
        kept = line[:MOST_LINE_BYTES]
        attributes: dict[str, AttributeValue] = {
            "log.file.path": self._name,
            "httpipe.replay.line": number,
            "httpipe.replay.content": b64encode(kept).decode(),
        }
        return Undecodable(timestamp_ns=self._now_ns(), attributes=attributes, memory_bytes=1024 + MEMORY_PER_BYTE * len(kept))
