"""``aggregate``: request rate, errors and latency per group and window, as events and as metrics.

Events go in, one ``Measurement`` per group comes out when its window is over. Windows follow the time of the events, so that a
capture file gives the numbers its traffic would have given live; while nothing comes, the clock moves that time on.
"""

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from pipeline.api import DEFAULT, AttributeValue, Config, Context, Event, FieldType, Measurement, Metric, Outputs, Transform
from pipeline.expressions.helpers import to_str
from pipeline.model.events.kinds import field_named
from pipeline.transforms.histogram import BOUNDS_MS, Red
from pipeline.transforms.keys import bounded
from pipeline.transforms.options import Compiled
from pipeline.transforms.sample import RATE

NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")

OTHER = "_other"
QUANTILES = (0.5, 0.9, 0.95, 0.99)
Group = tuple[AttributeValue | None, ...]

COUNTS = ("httpipe.requests", "httpipe.errors")
RATIOS = ("httpipe.window_secs", "httpipe.requests_per_sec", "httpipe.errors_ratio")
LATENCY = ("httpipe.latency_ms.mean", "httpipe.latency_ms.max", *(f"httpipe.latency_ms.p{round(q * 100)}" for q in QUANTILES))
TIMED = "httpipe.latency_ms.count"
BUCKETS = tuple(f"httpipe.latency_ms.le_{bound:g}" for bound in BOUNDS_MS)


class AggregateConfig(Config):
    """Measure rate, errors and duration."""

    by: tuple[str, ...] = ()
    """Names of the fields and attributes that make a group, such as `["server.address", "url.template"]`. Default: one group."""
    window_secs: Annotated[float, Field(ge=0.1, le=86_400)] = 10.0
    """Length of a window; windows begin at multiples of it."""
    grace_secs: Annotated[float, Field(ge=0, le=3600)] = 2.0
    """How long a window waits for events that come late: an exchange comes when it is over, with the time at which it began."""
    errors: str = "status >= 500 or has(error.type)"
    """Condition of the events that count as errors."""
    duration: str = "httpipe.duration_ms"
    """Expression of the duration in milliseconds."""
    max_groups: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Different groups in a window, and in the metrics; further ones are counted together, as `_other`."""
    histogram: bool = True
    """Add the histogram to each measurement: requests up to 5, 10, 25 … 10,000 ms (OpenTelemetry's bounds), cumulative."""


class Aggregate(Transform):
    """Measures rate, errors and latency per group and window.

    Events sampled by `sample` count as many as they stand for.

    Counters: `other_group`, events beyond `max_groups`; `late`, events whose window was over, counted in the oldest one open;
    `missing_field`, how often an expression met a field that the event lacks.
    """

    api_version = 1
    Config = AggregateConfig
    discard_reason = "aggregated"

    def __init__(self, config: AggregateConfig, context: Context) -> None:
        self.config = config
        self.count = context.count
        self.now_ns = context.now_ns
        self.window_ns = round(config.window_secs * 1e9)
        self.grace_ns = round(config.grace_secs * 1e9)
        with Compiled(context) as options:
            values = [options.value(f"by.{index}", name) for index, name in enumerate(config.by)]
            for index, name in enumerate(config.by):
                if not NAME.fullmatch(name):
                    options.refuse(
                        f"by.{index}", f'"{name}" is not the name of a field; give the value a name with a `set` transform first'
                    )
            self.is_error = options.condition("errors", config.errors).test
            duration = options.value("duration", config.duration)
            if duration.type not in (FieldType.INT, FieldType.FLOAT):
                options.refuse("duration", f'"{config.duration}" gives {duration.type.value}, a number is wanted')
        self.names = [field.name if (field := field_named(name)) else name for name in config.by]
        self.group_of = [value.of for value in values]
        self.duration = duration.of
        self.count_misses, self.reads = options.count_misses, options.reads
        self.adds = {
            **{name: value.type for name, value in zip(self.names, values, strict=True)},
            **dict.fromkeys((*COUNTS, TIMED), FieldType.INT),
            **dict.fromkeys((*RATIOS, *LATENCY), FieldType.FLOAT),
            **dict.fromkeys(BUCKETS, FieldType.INT),
        }
        self.windows: dict[int, dict[Group, Red]] = {}
        self.counted: dict[int, int] = {}
        self.oldest: dict[int, int] = {}
        self.taken = 0
        self.totals: dict[Group, Red] = {}
        self.newest_ns = 0
        self.newest_at_ns = 0
        self.closed_to = 0

    @property
    def held_events(self) -> int:
        """Events in open windows: their source learns that they are acknowledged when their measurement has gone out."""
        return sum(self.counted.values())

    @property
    def oldest_held(self) -> int:
        """The first event of any open window: events near the border of two come in either order."""
        return min(self.oldest.values(), default=self.taken)

    def process(self, batch: Sequence[Event]) -> Outputs:
        """Count the events; give out the windows that they show to be over."""
        for event in batch:
            self._add(event)
        if batch:
            self.newest_at_ns = self.now_ns()
            self.count_misses()
        return {DEFAULT: self._closed(self.newest_ns)}

    def flush(self, now_ns: int, *, last: bool) -> Outputs:
        """Give out the windows that are over by now; at the end all of them."""
        if last:
            return {DEFAULT: self._closed(None)}
        idle_ns = max(0, now_ns - self.newest_at_ns)
        return {DEFAULT: self._closed(self.newest_ns + idle_ns) if self.windows else []}

    def metrics(self) -> Sequence[Metric]:
        """Requests, errors and durations per group since the start."""
        found: list[Metric] = []
        for group, red in list(self.totals.items()):  # asked from another thread
            labels = {name: "" if value is None else to_str(value) for name, value in zip(self.names, group, strict=True)}
            found.append(Metric("http_requests_total", "counter", "Requests seen.", labels, red.requests))
            found.append(Metric("http_errors_total", "counter", "Requests that count as errors.", labels, red.errors))
            seconds = tuple((bound / 1000, count) for bound, count in red.durations.cumulative())
            text = "Duration of requests."
            found.append(
                Metric("http_request_duration_seconds", "histogram", text, labels, red.timed, red.durations.sum / 1000, seconds)
            )
        return found

    def _add(self, event: Event) -> None:
        start = event.timestamp_ns - event.timestamp_ns % self.window_ns
        self.newest_ns = max(self.newest_ns, event.timestamp_ns)
        if start < self.closed_to:
            self.count("late", 1)
            start = self.closed_to
        groups = self.windows.setdefault(start, {})
        self.counted[start] = self.counted.get(start, 0) + 1
        self.oldest.setdefault(start, self.taken)
        self.taken += 1
        group: Group = tuple([bounded(of(event)) for of in self.group_of])
        red = groups.get(group)
        if red is None:
            if len(groups) >= self.config.max_groups:
                self.count("other_group", 1)
            red = self._new(groups, group)
        duration = self.duration(event)
        stands_for = event.attributes.get(RATE, 1.0) if event.attributes else 1.0
        red.add(
            duration if isinstance(duration, float | int) else None,
            error=self.is_error(event),
            stands_for=stands_for if isinstance(stands_for, float) else 1.0,
        )

    def _new(self, groups: dict[Group, Red], group: Group) -> Red:
        if len(groups) >= self.config.max_groups:
            group = (OTHER,) * len(group)
        return groups.setdefault(group, Red())

    def _closed(self, by_ns: int | None) -> list[Event]:
        """Measurements of the windows that are over, oldest first; the events' time is ``by_ns``, None for the end of time."""
        measured: list[Event] = []
        for start in sorted(self.windows):
            if by_ns is not None and start + self.window_ns + self.grace_ns > by_ns:
                break
            for group, red in self.windows.pop(start).items():
                measured.append(self._measurement(start, group, red))
                totals = self.totals.get(group)
                (self._new(self.totals, group) if totals is None else totals).merge(red)
            del self.counted[start], self.oldest[start]
            self.closed_to = start + self.window_ns
        return measured

    def _measurement(self, start: int, group: Group, red: Red) -> Measurement:
        attributes: dict[str, AttributeValue] = {
            name: value for name, value in zip(self.names, group, strict=True) if value is not None
        }
        secs = self.config.window_secs
        attributes |= dict(zip(COUNTS, (round(red.requests), round(red.errors)), strict=True))
        rates = (secs, round(red.requests / secs, 3), round(red.errors / red.requests, 6))
        attributes |= dict(zip(RATIOS, rates, strict=True))
        if red.timed:
            quantiles = (red.quantile_ms(each) or 0.0 for each in QUANTILES)
            latency = (round(red.durations.sum / red.timed, 3), round(red.largest, 3), *quantiles)
            attributes |= {TIMED: round(red.timed), **dict(zip(LATENCY, latency, strict=True))}
            if self.config.histogram:
                attributes |= dict(zip(BUCKETS, (round(count) for _, count in red.durations.cumulative()), strict=True))
        return Measurement(start, attributes)
