"""A transform in the running pipeline: what makes and calls it, and where its outputs go."""

from collections import Counter

from msgspec.structs import replace

from pipeline.api import DEFAULT, Transform
from pipeline.delivery.fanout import Refused
from pipeline.delivery.health import Health
from pipeline.delivery.ledger import Ledger
from pipeline.delivery.losses import Books
from pipeline.model.snapshot import ComponentSnapshot
from pipeline.runtime.options import RunOptions
from pipeline.runtime.tasks import Task
from pipeline.runtime.units.context import context_of
from pipeline.runtime.units.fanouts import Fanouts
from pipeline.runtime.units.files import FileReader
from pipeline.runtime.units.snapshots import component_snapshot
from pipeline.runtime.units.transform_node import TransformNode
from pipeline.telemetry.logs import ComponentLog
from pipeline.topology.plan import TransformSpec


class TransformUnit:
    """A transform in the running pipeline."""

    def __init__(self, spec: TransformSpec, fanouts: Fanouts, options: RunOptions, before: "TransformUnit | None" = None) -> None:
        self.spec = spec
        self.counters: Counter[str] = before.counters if before else Counter()
        self.log = ComponentLog(spec.id)
        self.flushing: Task | None = None
        self._options = options
        self._health = Health(self.log)
        named = {name: fanouts.of(f"{spec.id}.{name}") for name in spec.outputs if name != DEFAULT}
        self.node: TransformNode = TransformNode(
            make=self._make,
            downstream={DEFAULT: fanouts.of(spec.id), **named},
            ledger=before.node.ledger if before else Ledger(),
            health=self._health,
            log=self.log,
            clock=options.clock,
        )

    def _make(self) -> Transform:
        """A fresh transform reads its files afresh."""
        context = context_of(self.spec.id, self.log, self.counters, self._options, self._health, attributes=self.spec.attributes)
        files = FileReader()
        return self.spec.component(self.spec.config, replace(context, read_file=files.read, map_file=files.map))

    def give_out(self) -> Refused:
        """Have it give out all that it holds, at once; returns what stands before a full queue."""
        refused: Refused = []
        self.node.flush(self._options.clock.now_ns(), refused, last=True)
        self.node.close()
        return refused

    @property
    def flushes(self) -> bool:
        """Whether it ever holds something back."""
        return self.spec.component.flush is not Transform.flush

    @property
    def health(self) -> Health:
        """Its state and its last error."""
        return self.node.health

    @property
    def books(self) -> Books:
        """Where its losses show."""
        return Books(self.node.ledger, self.counters, self.log)

    def snapshot(self) -> ComponentSnapshot:
        """Its state of now."""
        node = self.node
        return component_snapshot(
            component_id=self.spec.id,
            kind="transform",
            type_=self.spec.type,
            ledger=node.ledger,
            health=node.health,
            in_flight=node.held,
            counters=self.counters,
        )
