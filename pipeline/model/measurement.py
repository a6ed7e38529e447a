"""What is measured over many events: an event of its own (``Measurement``), and running totals for metrics (``Metric``)."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import msgspec

from pipeline.model.exchange import Event


class Measurement(Event, frozen=True, gc=False):
    """Numbers about the events of one window and group, all of them attributes. ``timestamp_ns`` is the window's beginning."""

    event_name: ClassVar[str] = "http.measurement"


class Metric(msgspec.Struct, frozen=True):
    """One running total, in Prometheus' sense: it only grows.

    ``buckets`` of a histogram are pairs of upper bound and cumulative count, without the last one (+Inf), which is ``value``.
    """

    name: str
    kind: Literal["counter", "histogram"]
    help: str
    labels: Mapping[str, str]
    value: float
    sum: float = 0.0
    buckets: tuple[tuple[float, float], ...] = ()
