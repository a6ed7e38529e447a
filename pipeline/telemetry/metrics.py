"""Every metric of httpipe, declared once: name, kind, labels, unit, meaning. The exposition and docs/metrics.md come from here.

Names follow Vector's internal metrics, with ``httpipe_`` in front; times are in seconds and sizes in bytes, as Prometheus'
naming rules want. Values are read from a snapshot when somebody asks, so a metric costs nothing per event.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from pipeline.model.snapshot import ComponentSnapshot, State

PREFIX = "httpipe_"


class Kind(StrEnum):
    """Prometheus' kinds."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


COMPONENT = ("component_id", "component_kind", "component_type")

Sample = tuple[tuple[str, ...], Any]
"""Values of the labels, and a number (of a histogram: the ``Histogram``)."""


class Metric(msgspec.Struct, frozen=True):
    """One metric. ``read`` gives the samples of one component."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    read: Callable[[ComponentSnapshot], Iterator[Sample]]

    @property
    def full_name(self) -> str:
        """As it is exposed; Prometheus' client adds ``_total`` to counters, so declared names already end so."""
        return PREFIX + self.name


def _one(attribute: str, *kinds: str) -> Callable[[ComponentSnapshot], Iterator[Sample]]:
    """One sample per component of these kinds (of all, where none is named)."""

    def read(component: ComponentSnapshot) -> Iterator[Sample]:
        if not kinds or component.kind in kinds:
            yield _labels(component), getattr(component, attribute)

    return read


def _discarded(component: ComponentSnapshot) -> Iterator[Sample]:
    for each in component.discarded:
        yield (*_labels(component), each.reason, str(each.intentional).lower()), each.events


def _state(component: ComponentSnapshot) -> Iterator[Sample]:
    for state in State:
        yield (*_labels(component), str(state)), int(component.state == state)


def _counters(component: ComponentSnapshot) -> Iterator[Sample]:
    for name, count in component.counters.items():
        yield (*_labels(component), name), count


def _labels(component: ComponentSnapshot) -> tuple[str, ...]:
    return (component.id, component.kind, component.type)


C, G, H = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM

METRICS: tuple[Metric, ...] = (
    Metric("component_received_events_total", C, COMPONENT, "Events that entered the component.", _one("received")),
    Metric(
        "component_created_events_total",
        C,
        COMPONENT,
        "Events that a transform made beyond those it took: copies to several outputs, results of windows.",
        _one("created", "transform"),
    ),
    Metric("component_sent_events_total", C, COMPONENT, "Events passed on; of a sink: delivered.", _one("sent")),
    Metric(
        "component_discarded_events_total",
        C,
        (*COMPONENT, "reason", "intentional"),
        "Events that ended here; `intentional` is false where somebody wanted them.",
        _discarded,
    ),
    Metric("component_in_flight_events", G, COMPONENT, "Events inside the component now.", _one("in_flight")),
    Metric("component_errors_total", C, COMPONENT, "Failed calls of the component, such as writes of a sink.", _one("errors")),
    Metric(
        "component_restarts_total", C, COMPONENT, "How often the engine restarted the component after a fault.", _one("restarts")
    ),
    Metric("component_state", G, (*COMPONENT, "state"), "1 for the state that the component is in.", _state),
    Metric(
        "component_counter_total",
        C,
        (*COMPONENT, "counter"),
        "What the component itself counts; of a source: what the capture lost and why (docs/capture.md).",
        _counters,
    ),
    Metric("component_busy_seconds_total", C, COMPONENT, "Time inside the component's own code.", _one("busy_secs")),
    Metric(
        "utilization", G, COMPONENT, "Share of the time since the last scrape inside the component's own code.", _one("busy_secs")
    ),
    Metric(
        "component_longest_call_seconds",
        G,
        COMPONENT,
        "Longest call that kept the whole pipeline waiting, where one took more than 0.1 s.",
        _one("blocked_secs"),
    ),
    Metric("buffer_events", G, COMPONENT, "Events that wait in the sink's queue.", _one("queued_events", "sink")),
    Metric("buffer_bytes", G, COMPONENT, "Bytes that wait in the sink's queue.", _one("queued_bytes", "sink")),
    Metric("buffer_max_events", G, COMPONENT, "Most events that may wait.", _one("max_events", "sink")),
    Metric("buffer_max_bytes", G, COMPONENT, "Most bytes that may wait.", _one("max_bytes", "sink")),
    Metric(
        "buffer_restored_events_total",
        C,
        COMPONENT,
        "Events that a disk queue held from an earlier run.",
        _one("restored", "sink"),
    ),
    Metric("buffer_lag_seconds", G, COMPONENT, "Age of the oldest event that waits.", _one("lag_secs", "sink")),
    Metric(
        "sink_latency_seconds",
        H,
        COMPONENT,
        "From capture to delivery, of the oldest event of each batch.",
        _one("latency", "sink"),
    ),
)

PROCESS: Mapping[str, str] = {
    "process_*": "What prometheus-client reports about the process itself: CPU, memory, open files, start time.",
    "httpipe_build_info": "1, with the version as a label.",
    "httpipe_uptime_seconds": "Time since the start of the run.",
    "httpipe_http_requests_total": "Of each `aggregate` transform: requests, labelled with `component_id` and the names in `by`.",
    "httpipe_http_errors_total": "Requests that its condition `errors` counts, labelled alike.",
    "httpipe_http_request_duration_seconds": "Histogram of its durations, labelled alike.",
}
"""Metrics beside the table."""


def markdown() -> str:
    """The table of docs/metrics.md."""
    rows = [
        f"| `{metric.full_name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.help} |"
        for metric in METRICS
    ]
    rows += [f"| `{name}` | | | {text} |" for name, text in PROCESS.items()]
    return "\n".join(["| Metric | Kind | Labels | Meaning |", "|---|---|---|---|", *rows])
