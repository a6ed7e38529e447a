"""Measurements of `aggregate` as rows of a table for a terminal. Pure.

In: measurements of a batch, and the terminal's width. Out: a heading, and one row for each. The columns of the group have the
names of its fields; they share what the numbers leave them.
"""

from collections.abc import Sequence

from pipeline.api import AttributeValue, Event, Measurement
from pipeline.codecs.text import visible
from pipeline.sinks.stdout.cells import cells, fitted
from pipeline.sinks.stdout.clock import time_of_day

OWN = "httpipe."

COLUMNS = (
    ("REQUESTS", "httpipe.requests", 9),
    ("REQ/s", "httpipe.requests_per_sec", 8),
    ("ERRORS", "httpipe.errors_ratio", 7),
    ("P50", "httpipe.latency_ms.p50", 8),
    ("P95", "httpipe.latency_ms.p95", 8),
    ("P99", "httpipe.latency_ms.p99", 8),
    ("MAX", "httpipe.latency_ms.max", 8),
)
LEAST = ("REQUESTS", "ERRORS", "P50", "P99")
"""What a narrow terminal shows."""

NARROW = 100
GROUP_LEAST = 8


def is_tabular(event: Event) -> bool:
    """Whether the event has these columns."""
    return isinstance(event, Measurement) and all(name in event.attributes for _, name, _ in COLUMNS[:3])


class Table:
    """The columns for measurements like ``first``, wide enough for all of ``batch``. Equal tables need one heading."""

    def __init__(self, first: Event, batch: Sequence[Event], columns: int) -> None:
        self._numbers = [column for column in COLUMNS if columns >= NARROW or column[0] in LEAST]
        self._secs = first.attributes.get("httpipe.window_secs")
        self._names = _group(first)
        while self._room(columns) < GROUP_LEAST * len(self._names) and len(self._numbers) > 1:
            self._numbers.pop()
        rows = [event for event in batch if is_tabular(event) and self.takes(event)]
        wanted = [max(cells(name), *(cells(_text(row.attributes.get(name))) for row in rows)) for name in self._names]
        self._widths = _shared(wanted, max(self._room(columns), GROUP_LEAST * len(wanted)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and self.heading() == other.heading()

    __hash__ = None  # type: ignore[assignment]  # it is looked at, never kept in a set

    def _room(self, columns: int) -> int:
        """What time and numbers leave to the names."""
        return columns - len("00:00:00") - sum(width + 1 for _, _, width in self._numbers) - len(self._names)

    def takes(self, event: Event) -> bool:
        """Whether the event has the same columns."""
        return _group(event) == self._names and event.attributes.get("httpipe.window_secs") == self._secs

    def heading(self) -> str:
        """The names of the columns."""
        names = "".join(f" {fitted(name, width)}" for name, width in zip(self._names, self._widths, strict=True))
        return f"{'TIME':<8}{names}" + "".join(f" {title:>{width}}" for title, _, width in self._numbers)

    def row(self, event: Event) -> str:
        """One measurement."""
        texts = [_text(event.attributes.get(name)) for name in self._names]
        group = "".join(f" {fitted(text, width)}" for text, width in zip(texts, self._widths, strict=True))
        numbers = "".join(f" {_number(name, event.attributes.get(name)):>{width}}" for _, name, width in self._numbers)
        return f"{time_of_day(event.timestamp_ns, 0)}{group}{numbers}"


def _group(event: Event) -> list[str]:
    return [name for name in event.attributes if not name.startswith(OWN)]


def _text(value: AttributeValue | None) -> str:
    return "-" if value is None else visible(str(value))


def _shared(wanted: Sequence[int], room: int) -> list[int]:
    """Each column as wide as it wants, where all fit; else the widest give way until they do."""
    widths = list(wanted)
    while sum(widths) > room:
        widest = widths.index(max(widths))
        if widths[widest] <= GROUP_LEAST:
            break
        widths[widest] -= 1
    return widths


def _number(name: str, value: AttributeValue | None) -> str:
    if not isinstance(value, int | float):
        return "-"
    if name.endswith("_ratio"):
        return f"{value:.1%}" if value else "0%"
    if name.startswith("httpipe.latency_ms"):
        return f"{value:.1f}ms" if value < 1000 else f"{value / 1000:.2f}s"
    return f"{value:,}" if isinstance(value, int) else f"{value:.1f}"
