"""A transform in the running pipeline: what makes and calls it, and where its outputs go."""

from collections import Counter

import anyio
from msgspec.structs import replace

from pipeline.api import DEFAULT, Transform
from pipeline.delivery.clock import Backoff
from pipeline.delivery.fanout import Refused
from pipeline.delivery.health import Health, describe
from pipeline.delivery.ledger import Ledger
from pipeline.delivery.losses import Books
from pipeline.delivery.session import timed
from pipeline.model.snapshot import ComponentSnapshot
from pipeline.runtime.options import RunOptions
from pipeline.runtime.tasks import Task
from pipeline.runtime.units.context import context_of
from pipeline.runtime.units.fanouts import Fanouts
from pipeline.runtime.units.files import FileReader
from pipeline.runtime.units.snapshots import component_snapshot
from pipeline.runtime.units.transform_node import CALM_SECS, RESTART_BACKOFF_SECS, TransformNode
from pipeline.telemetry.logs import ComponentLog
from pipeline.topology.plan import TransformSpec

LOOK_SECS = 1.0
"""How often it is looked whether a transform has been made again, which only a fault does."""


class TransformUnit:
    """A transform in the running pipeline."""

    def __init__(self, spec: TransformSpec, fanouts: Fanouts, options: RunOptions, before: "TransformUnit | None" = None) -> None:
        self.spec = spec
        self.counters: Counter[str] = before.counters if before else Counter()
        self.log = ComponentLog(spec.id)
        self.flushing: Task | None = None
        self.task = Task()
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

    @property
    def runs(self) -> bool:
        """Whether it does anything beside events."""
        return self.spec.component.run is not Transform.run

    async def run(self) -> None:
        """What the transform does beside events, for ever; begun again where it fails, and where the transform is made again."""
        clock = self._options.clock
        backoff = Backoff(*RESTART_BACKOFF_SECS, clock.random)
        while True:
            transform = self.node.transform
            async with anyio.create_task_group() as group:
                if transform is not None:
                    group.start_soon(self._beside, transform, backoff, group.cancel_scope)
                await clock.sleep(LOOK_SECS)
                while self.node.transform is transform:
                    await clock.sleep(LOOK_SECS)
                group.cancel_scope.cancel()

    async def _beside(self, transform: Transform, backoff: Backoff, scope: anyio.CancelScope) -> None:
        clock, began = self._options.clock, self._options.clock.monotonic()
        self._health.ok("run")
        try:
            await timed(transform.run(), self._health)
        except Exception as error:  # noqa: BLE001  a plugin's fault; its events pass meanwhile
            if clock.monotonic() - began > CALM_SECS:
                backoff.reset()
            self._health.trouble(error, part="run")
            report = self.log.error  # with a traceback at level debug only, as Health does it
            report("what it does beside events failed; beginning again", extra={"error": describe(error)})
            await clock.sleep(backoff.next_secs())
            scope.cancel()

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
