"""A sink in the running pipeline: its queue, what writes it, and what it hands on to the sink that takes its place."""

from collections import Counter
from collections.abc import Callable
from functools import partial

import anyio
import msgspec

from pipeline.api import Context, Sink
from pipeline.delivery.buffer import Bounds, Buffer
from pipeline.delivery.health import Health
from pipeline.delivery.ledger import Ledger, Reason
from pipeline.delivery.losses import Books
from pipeline.delivery.memory import MemoryBuffer
from pipeline.delivery.session import Session
from pipeline.delivery.signal import Signal
from pipeline.delivery.worker import Worker
from pipeline.errors import ConfigError, Problem
from pipeline.model.snapshot import ComponentSnapshot, State
from pipeline.runtime.options import RunOptions
from pipeline.runtime.tasks import Task
from pipeline.runtime.units.context import context_of
from pipeline.runtime.units.snapshots import component_snapshot
from pipeline.telemetry.logs import ComponentLog
from pipeline.topology.plan import Plan, SinkSpec


class SinkUnit:
    """A sink in the running pipeline. One that takes the place of another inherits its queue, its counters and what it owes."""

    def __init__(
        self, spec: SinkSpec, plan: Plan, options: RunOptions, *, changed: Signal, before: "SinkUnit | None" = None
    ) -> None:
        self.spec = spec
        self.counters: Counter[str] = before.counters if before else Counter()
        self.inherits = before is not None and before.worker.health.state is not State.FINISHED
        self.log = ComponentLog(spec.id)
        self.task = Task()
        self.queue_task: Task = before.queue_task if before and self.inherits else Task()
        self._monotonic = options.clock.monotonic
        health = Health(self.log)
        context = msgspec.structs.replace(
            context_of(spec.id, self.log, self.counters, options, health, attributes=spec.attributes), packets=options.packets
        )
        asked = spec.options.buffer
        self.bounds = Bounds(asked.max_events, asked.max_bytes, spec.when_full, asked.block_timeout_secs)
        ledger = before.worker.buffer.ledger if before else Ledger()
        self.worker: Worker = Worker(
            id=spec.id,
            buffer=before.worker.buffer if before and self.inherits else self._make_buffer(plan, options, ledger, health),
            session=Session(_maker(spec, plan, context), health, spec.options.write_timeout_secs, changed.set),
            options=spec.options,
            health=health,
            log=self.log,
            clock=options.clock,
            finished=changed.set,
        )

    @property
    def awaited(self) -> bool:
        """Whether the pipeline is not ready because this has not been opened yet."""
        opened = self.worker.session.was_opened or self.worker.health.state is State.FINISHED
        return self.spec.options.required and not opened

    async def open_queue(self) -> None:
        """Raises ``ConfigError`` with the place in the pipeline file."""
        try:
            await self.worker.buffer.open()
        except ConfigError as error:
            found = [Problem(f"sinks.{self.spec.id}.{each.path}", each.message) for each in error.problems]
            raise ConfigError(found, file=error.file) from error

    async def end(self, reason: Reason) -> int:
        """Stop it; returns how many events are lost by that, counted for ``reason``."""
        with anyio.CancelScope(shield=True):
            await self.task.stop()
            await self.queue_task.stop()
            lost = await self.worker.buffer.abandon(reason)
            await self.worker.buffer.aclose()
        if lost:
            self.log.error("stopped before everything was delivered", extra={"events": lost, "reason": str(reason)})
        return lost

    @property
    def health(self) -> Health:
        """Its state and its last error."""
        return self.worker.health

    @property
    def books(self) -> Books:
        """Where its losses show."""
        return Books(self.worker.buffer.ledger, self.counters, self.log)

    def snapshot(self) -> ComponentSnapshot:
        """Its state of now."""
        worker, buffer = self.worker, self.worker.buffer
        in_flight = buffer.events + worker.writing_events
        base = component_snapshot(
            component_id=self.spec.id,
            kind="sink",
            type_=self.spec.type,
            ledger=buffer.ledger,
            health=worker.health,
            in_flight=in_flight,
            counters=self.counters,
        )
        oldest = buffer.oldest_since
        return msgspec.structs.replace(
            base,
            queued_events=buffer.events,
            queued_bytes=buffer.bytes,
            max_events=self.spec.options.buffer.max_events,
            max_bytes=self.spec.options.buffer.max_bytes,
            awaited=self.awaited,
            lag_secs=0.0 if oldest is None else max(0.0, self._monotonic() - oldest),
            latency=worker.latency,
        )

    def _make_buffer(self, plan: Plan, options: RunOptions, ledger: Ledger, health: Health) -> Buffer:
        """The queue that the file asks for. A dry run never touches the disk."""
        asked = self.spec.options.buffer
        if asked.type == "memory" or options.dry_run:
            return MemoryBuffer(self.bounds, ledger)
        from pipeline.delivery.disk import DiskBuffer  # noqa: PLC0415  sqlite3 costs start-up time and memory

        folder = asked.path or f"{plan.process.data_dir}/{self.spec.id}"
        return DiskBuffer(folder, self.bounds, ledger, log=self.log, health=health, clock=options.clock)


def _maker(spec: SinkSpec, plan: Plan, context: Context) -> Callable[[], Sink]:
    """Makes the sink, or what stands for it here where it has a process of its own. A stand-in for a broken one needs none."""
    here = partial(spec.component, spec.config, context)
    if spec.options.isolation == "none":
        return here
    from pipeline.isolation.sink import ProcessSink  # noqa: PLC0415  seldom needed
    from pipeline.topology.broken import Broken  # noqa: PLC0415  likewise

    return here if issubclass(spec.component, Broken) else partial(ProcessSink, plan.file, spec.table, context)
