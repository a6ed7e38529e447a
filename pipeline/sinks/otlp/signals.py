"""A batch → the bodies of requests: which events are spans, log records, metrics, and what each belongs to. Pure; never raises.

A body is an ``Export…ServiceRequest`` (opentelemetry/proto/collector), whose three kinds have the same shape: what was found
of each resource stands together under it, behind the name of who found it.
"""

from collections.abc import Hashable, Mapping, Sequence
from enum import StrEnum
from typing import Literal, NamedTuple

from pipeline.codecs.layout import as_registered, encodable
from pipeline.codecs.protobuf_wire import delimited, tag, varint
from pipeline.codecs.selection import Selection
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import Exchange
from pipeline.model.events.measurement import Measurement
from pipeline.sinks.otlp import metrics
from pipeline.sinks.otlp.logs import LogWriter
from pipeline.sinks.otlp.resource import Resources
from pipeline.sinks.otlp.spans import KindOption, SpanKind, SpanWriter, kind_of_span, program_of

ITEM = tag(2, 2)
"""Of a span, log record or metric in its Scope… message."""

TELLING = ("container_id", "process_executable_name", "httpipe_client_process_executable_name", "httpipe_process_end")
"""What of an event's own says what it belongs to and at which end it was seen."""

Exchanges = Literal["spans", "logs"]


class Signal(StrEnum):
    """What OTLP has services for."""

    TRACES = "traces"
    LOGS = "logs"
    METRICS = "metrics"


class Group(NamedTuple):
    """Events of one resource, seen at the same end."""

    kind: SpanKind
    resource: bytes
    events: list[Event]


class Export:
    """Makes bodies as the options say: ``exchanges`` as which signal, ``kind`` of spans, ``selection`` of attributes."""

    def __init__(
        self, exchanges: Exchanges, kind: KindOption, resource: Mapping[str, str], selection: Selection, version: str
    ) -> None:
        self._exchanges = Signal.TRACES if exchanges == "spans" else Signal.LOGS
        self._kind = kind
        self._selection = selection
        self._spans, self._logs = SpanWriter(selection), LogWriter(selection)
        self._resources = Resources(resource)
        self._scope = delimited(1, delimited(1, b"httpipe") + delimited(2, version.encode()))

    def signal_of(self, event: Event) -> Signal:
        """As what an event goes."""
        if isinstance(event, Exchange):
            return self._exchanges
        return Signal.METRICS if isinstance(event, Measurement) else Signal.LOGS

    def body(self, signal: Signal, events: Sequence[Event]) -> bytes:
        """A request with these events. The same events always make the same one."""
        groups: dict[Hashable, Group] = {}
        alike: dict[tuple[object, ...], Group] = {}
        for event in events:
            # the engine gives many events one mapping of attributes, which tells them to be alike at once
            seen = (type(event), id(event.attributes), *[getattr(event, name, None) for name in TELLING])
            group = alike.get(seen)
            if group is None:
                group = alike[seen] = self._group(groups, event)
            group.events.append(event)
        return b"".join([self._under(signal, group) for group in groups.values()])

    def _group(self, groups: dict[Hashable, Group], event: Event) -> Group:
        """The group of an event, by what it belongs to and at which end it was seen."""
        kind = SpanKind.CLIENT if self._kind == "client" else SpanKind.SERVER
        program = getattr(event, "process_executable_name", None)
        if isinstance(event, Exchange):
            kind = kind_of_span(event, self._kind)
            program = program_of(event, kind)
        key = (kind, self._resources.key_of(event, program))
        if key not in groups:
            groups[key] = Group(kind, self._resources.written(key, event, program), [])
        return groups[key]

    def _under(self, signal: Signal, group: Group) -> bytes:
        """The field of the request for one resource: the resource, the scope, and what there is of it."""
        out = bytearray(self._scope)
        if signal is Signal.METRICS:
            self._add_metrics(out, group)
        else:
            for event in group.events:
                item = self._item(signal, event, group.kind)
                out += ITEM
                out += varint(len(item))
                out += item
        return delimited(1, delimited(1, group.resource) + delimited(2, bytes(out)))

    def _item(self, signal: Signal, event: Event, kind: SpanKind) -> bytes:
        try:
            return self._written(signal, event, kind)
        except UnicodeEncodeError:  # text that is no text; it costs nothing where there is none
            return self._written(signal, encodable(as_registered(event)[0], event), kind)

    def _written(self, signal: Signal, event: Event, kind: SpanKind) -> bytes:
        if signal is Signal.TRACES and isinstance(event, Exchange):
            return self._spans.write(event, kind)
        return self._logs.write(event)

    def _add_metrics(self, out: bytearray, group: Group) -> None:
        """Every metric once, with the data points of all measurements."""
        points: dict[metrics.Name, list[bytes]] = {}
        for event in group.events:
            if isinstance(event, Measurement):
                for name, point in metrics.points_of(event, group.kind, self._selection):
                    points.setdefault(name, []).append(point)
        for name, each in points.items():
            out += delimited(2, metrics.metric(name, each))
