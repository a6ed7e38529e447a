"""Measurements of ``aggregate`` → ``Metric`` (opentelemetry/proto/metrics/v1/metrics.proto), with delta temporality. Pure.

A window is the interval of each data point. Its durations are the histogram that the semantic conventions name, in seconds;
requests and errors are sums; every other number of the measurement is a gauge, and what it was measured by are attributes.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from pipeline.codecs.protobuf_wire import DoubleValue, FixedValue, delimited, tag
from pipeline.codecs.selection import Selection
from pipeline.model.events.event import AttributeValue
from pipeline.model.events.measurement import MEASUREMENT, Measurement
from pipeline.sinks.otlp.anyvalue import key_value
from pipeline.sinks.otlp.resource import is_of_resource
from pipeline.sinks.otlp.spans import LAST_NS, SpanKind

GAUGE, SUM, HISTOGRAM = 5, 7, 9
"""Numbers of the fields of Metric that say what its data points are."""
OF_NUMBER, OF_HISTOGRAM = 7, 9
"""Numbers of the field ``attributes`` in NumberDataPoint and HistogramDataPoint."""
DELTA = b"\x10\x01"
MONOTONIC = b"\x18\x01"
TRAITS = {GAUGE: b"", SUM: DELTA + MONOTONIC, HISTOGRAM: DELTA}

BUCKET, LATENCY = "httpipe.latency_ms.le_", "httpipe.latency_ms."
SUMS = {"httpipe.requests": "{request}", "httpipe.errors": "{request}"}
WINDOW, COUNT, MEAN, MAX = "httpipe.window_secs", "httpipe.latency_ms.count", "httpipe.latency_ms.mean", "httpipe.latency_ms.max"
IN_THE_POINT = {WINDOW, COUNT}
UNITS = {"ms": "ms", "secs": "s", "": "1"}
DESCRIPTIONS = {field.name: field for field in MEASUREMENT.attributes}
DURATION = {
    SpanKind.SERVER: ("http.server.request.duration", "Duration of HTTP server requests."),
    SpanKind.CLIENT: ("http.client.request.duration", "Duration of HTTP client requests."),
}


class Name(NamedTuple):
    """Which metric a data point is of, and what kind of metric that is."""

    name: str
    unit: str
    description: str
    type: int


class Interval(NamedTuple):
    """Of a data point, in nanoseconds since 1970."""

    begin: int
    end: int

    @property
    def written(self) -> bytes:
        """Fields 2 and 3 of every data point."""
        return b"\x11" + FixedValue.pack(self.begin) + b"\x19" + FixedValue.pack(self.end)


def points_of(event: Measurement, kind: SpanKind, selection: Selection) -> list[tuple[Name, bytes]]:
    """The data points of a measurement, each with the metric to which it belongs."""
    numbers = dict(_numbers(event.attributes))
    group = [(name, value) for name, value in event.attributes.items() if name not in DESCRIPTIONS and not is_of_resource(name)]
    group = [(name, value) for name, value in group if selection.takes(name)]
    begin = min(max(event.timestamp_ns, 0), LAST_NS)
    window = Interval(begin, min(begin + round(float(numbers.get(WINDOW, 0)) * 1e9), LAST_NS))
    found: list[tuple[Name, bytes]] = []
    attributes = b"".join(key_value(OF_NUMBER, name, value) for name, value in group)
    for name, value in numbers.items():
        if name not in IN_THE_POINT and not name.startswith(BUCKET):
            found.append((_named(name), attributes + window.written + _number(value)))
    if histogram := _histogram(numbers):
        name, description = DURATION[kind]
        attributes = b"".join(key_value(OF_HISTOGRAM, each, value) for each, value in group)
        found.append((Name(name, "s", description, HISTOGRAM), attributes + window.written + histogram))
    return found


def metric(name: Name, points: Sequence[bytes]) -> bytes:
    """The fields of a Metric with its data points."""
    data = b"".join(delimited(1, point) for point in points) + TRAITS[name.type]
    about = delimited(1, name.name.encode()) + delimited(2, name.description.encode()) + delimited(3, name.unit.encode())
    return about + delimited(name.type, data)


def _named(name: str) -> Name:
    field = DESCRIPTIONS[name]
    if name in SUMS:
        return Name(name, SUMS[name], field.description, SUM)
    return Name(name, UNITS[field.unit], field.description, GAUGE)


def _number(value: float) -> bytes:
    """Field ``as_int`` or ``as_double`` of NumberDataPoint."""
    return b"\x31" + FixedValue.pack(value) if isinstance(value, int) else b"\x21" + DoubleValue.pack(value)


def _histogram(numbers: Mapping[str, float]) -> bytes | None:
    """Count, sum, buckets, bounds and maximum of a HistogramDataPoint; None where there is no histogram.

    Buckets come cumulative and in milliseconds, and leave as counts and in seconds; the last one is behind the last bound.
    """
    cumulative = sorted((float(name[len(BUCKET) :]), int(value)) for name, value in numbers.items() if name.startswith(BUCKET))
    if not cumulative or COUNT not in numbers:
        return None
    total = max(int(numbers[COUNT]), cumulative[-1][1])
    steps = [0, *(count for _, count in cumulative), total]
    counts = [max(after - before, 0) for before, after in pairwise(steps)]
    bounds = [bound / 1000 for bound, _ in cumulative]
    out = b"\x21" + FixedValue.pack(total)
    if MEAN in numbers:
        out += b"\x29" + DoubleValue.pack(numbers[MEAN] * total / 1000)
    out += delimited(6, struct.pack(f"<{len(counts)}q", *counts)) + delimited(7, struct.pack(f"<{len(bounds)}d", *bounds))
    return out + tag(12, 1) + DoubleValue.pack(numbers[MAX] / 1000) if MAX in numbers else out


def _numbers(attributes: Mapping[str, AttributeValue]) -> Iterator[tuple[str, float]]:
    """What the transform has measured; a transform behind it may have put anything in its place."""
    for name, value in attributes.items():
        if name in DESCRIPTIONS and isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LAST_NS:
            yield name, value
