"""The graph that runs: a plan, one unit for each component of it, and how they are connected.

A reload goes from one graph to the next; units whose components did not change are in both.
"""

from collections.abc import Iterator, Mapping

import msgspec

from pipeline.delivery.dead_letter import DeadLetter
from pipeline.delivery.losses import Books
from pipeline.model.metric import Metric
from pipeline.model.snapshot import ComponentSnapshot
from pipeline.runtime.units.fanouts import Fanouts
from pipeline.runtime.units.sink import SinkUnit
from pipeline.runtime.units.source import SourceUnit
from pipeline.runtime.units.transform import TransformUnit
from pipeline.topology.plan import Plan

Unit = SourceUnit | TransformUnit | SinkUnit


class Graph(msgspec.Struct, frozen=True):
    """Units by id, in the order of the plan: every transform comes after what feeds it."""

    plan: Plan
    fanouts: Fanouts
    sources: Mapping[str, SourceUnit]
    transforms: Mapping[str, TransformUnit]
    sinks: Mapping[str, SinkUnit]

    def units(self) -> Iterator[Unit]:
        """All of them, in the direction of the events."""
        yield from self.sources.values()
        yield from self.transforms.values()
        yield from self.sinks.values()

    def books(self) -> Iterator[Books]:
        """Where losses show."""
        return (unit.books for unit in self.units())

    def snapshots(self) -> tuple[ComponentSnapshot, ...]:
        """The state of every component."""
        return tuple(unit.snapshot() for unit in self.units())

    def edges(self) -> tuple[tuple[str, str], ...]:
        """Which component feeds which; a named output counts as its component."""
        pairs = [(output.partition(".")[0], reader) for output, readers in self.plan.consumers.items() for reader in readers]
        return tuple(dict.fromkeys(pairs))

    def measurements(self) -> list[tuple[str, Metric]]:
        """The running totals of transforms, with the id of each."""
        running = [(name, unit.node.transform) for name, unit in self.transforms.items()]
        return [(name, metric) for name, transform in running if transform is not None for metric in transform.metrics()]

    def events_in_memory(self) -> int:
        """Events that are lost when the process ends now: what disk queues have taken in is not among them."""
        in_memory = [unit.snapshot().in_flight for unit in self.sinks.values() if unit.spec.options.buffer.type == "memory"]
        return sum(in_memory) + sum(unit.node.held for unit in self.transforms.values())

    def connect(self) -> None:
        """Connect every output with those that read it, and every source and sink with its dead letter. Nothing waits here."""
        for name in {*self.fanouts.outputs(), *self.plan.consumers}:
            readers = self.plan.consumers.get(name, ())
            fanout = self.fanouts.of(name)
            fanout.consumers = tuple(self.transforms[reader].node for reader in readers if reader in self.transforms)
            fanout.buffers = tuple(self.sinks[reader].worker.buffer for reader in readers if reader in self.sinks)
            if (observer := self.fanouts.observer) is not None:
                others = tuple(tap for tap in fanout.taps if tap is not observer)
                fanout.taps = (*others, observer) if fanout.buffers else others
        for sink in self.sinks.values():
            sink.worker.dead_letter = self._dead_letter(sink.spec.id, sink.spec.options.dead_letter)
        queues = tuple(sink.worker.buffer for sink in self.sinks.values())
        taking = (sink for sink in self.sinks.values() if sink.spec.component.wants_packets(sink.spec.config))
        takers = tuple(sink.worker.buffer for sink in taking)
        for source in self.sources.values():
            source.runner.dead_letter = self._dead_letter(source.spec.id, source.spec.dead_letter)
            source.runner.queues = queues
            source.runner.takers = takers

    def _dead_letter(self, component_id: str, target: str | None) -> DeadLetter | None:
        return DeadLetter(component_id, self.sinks[target].worker.buffer) if target else None
