"""The parts of a running pipeline: one unit per component, made from its spec, with its counters, log and health.

Making a unit opens nothing. A unit lives as long as its component stands unchanged in the pipeline file.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import anyio
import msgspec

from pipeline.api import DEFAULT, NO_FIELDS, Context, FieldType, Sink, Transform
from pipeline.decode.options import DecodeOptions
from pipeline.delivery.buffer import Bounds, Buffer, MemoryBuffer
from pipeline.delivery.fanout import Fanout
from pipeline.delivery.health import Health
from pipeline.delivery.ledger import Ledger
from pipeline.delivery.losses import Books
from pipeline.delivery.session import CLOSE_SECS, Session
from pipeline.delivery.signal import Signal
from pipeline.delivery.worker import Worker
from pipeline.errors import ConfigError, Problem
from pipeline.model.snapshot import ComponentSnapshot, State
from pipeline.runtime.decoding import Decoding
from pipeline.runtime.files import FileReader
from pipeline.runtime.options import RunOptions
from pipeline.runtime.recorder import Recorder
from pipeline.runtime.snapshots import component_snapshot
from pipeline.runtime.source_runner import SourceRunner
from pipeline.runtime.transform_node import TransformNode
from pipeline.telemetry.logs import ComponentLog
from pipeline.topology.broken import Broken
from pipeline.topology.plan import Plan, SinkSpec, SourceSpec, TransformSpec


@dataclass(slots=True)
class Task:
    """A task of the engine that can be stopped by itself."""

    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)

    async def stop(self) -> None:
        """Cancel it and wait until it is gone."""
        self.scope.cancel()
        await self.ended.wait()


class Outputs:
    """The fan-outs by output name. An output keeps its fan-out over reloads, whatever reads it."""

    def __init__(self, options: RunOptions) -> None:
        self._monotonic = options.clock.monotonic
        self._by_name: dict[str, Fanout] = {}

    def of(self, name: str) -> Fanout:
        """The fan-out of an output."""
        if name not in self._by_name:
            self._by_name[name] = Fanout(self._monotonic)
        return self._by_name[name]

    def names(self) -> tuple[str, ...]:
        """All outputs."""
        return tuple(self._by_name)


class SourceUnit:
    """A source in the running pipeline."""

    def __init__(self, spec: SourceSpec, outputs: Outputs, options: RunOptions, before: "SourceUnit | None" = None) -> None:
        self.spec = spec
        self.counters: Counter[str] = before.counters if before else Counter()
        self.log = ComponentLog(spec.id)
        self.task = Task()
        self.acknowledging = Task()
        bodies = spec.decode.bodies if spec.decode is not None else None
        health = Health(self.log)
        ledger = before.runner.ledger if before else Ledger()
        context = replace(
            _context(spec.id, self.log, self.counters, options, health, body_bytes=bodies.max_bytes if bodies else 0),
            progress=lambda done, total: options.on_progress(spec.id, done, total, ledger.received),
        )
        self.runner: SourceRunner = SourceRunner(
            make=partial(spec.component, spec.config, context),
            decoding=self._decoding(spec.decode, context, options, before) if spec.decode is not None else None,
            fanout=outputs.of(spec.id),
            ledger=ledger,
            health=health,
            log=self.log,
            clock=options.clock,
        )

    def _decoding(self, asked: DecodeOptions, context: Context, options: RunOptions, before: "SourceUnit | None") -> Decoding:
        from pipeline.decode import Decoder  # noqa: PLC0415  costs start-up time, and not every pipeline decodes

        spec = self.spec
        make = partial(
            Decoder, asked, source=spec.id, capture=spec.component.capture, keep_heads=spec.keep_heads, count=context.count
        )
        goes_on = before is not None and before.spec.record == spec.record  # a reload hands the recording on
        record = None if options.dry_run or goes_on else spec.record
        recorder = Recorder(record.path, record.max_bytes, context.count, self.log) if record else None
        return Decoding(make, recorder, live=not spec.component.can_wait)

    async def stop(self) -> None:
        """End its input: it gives what it still holds, or is cancelled where it cannot or takes too long."""
        with anyio.move_on_after(CLOSE_SECS):
            if await self.runner.stop():
                await self.task.ended.wait()
        await self.task.stop()

    @property
    def health(self) -> Health:
        """How it fares."""
        return self.runner.health

    @property
    def books(self) -> Books:
        """What tells of losses."""
        return Books(self.runner.ledger, self.counters, self.log)

    def snapshot(self) -> ComponentSnapshot:
        """Its state of now."""
        runner = self.runner
        return component_snapshot(
            component_id=self.spec.id,
            kind="source",
            type_=self.spec.type,
            ledger=runner.ledger,
            health=runner.health,
            in_flight=0,
            counters=self.counters,
        )


class TransformUnit:
    """A transform in the running pipeline."""

    def __init__(self, spec: TransformSpec, outputs: Outputs, options: RunOptions, before: "TransformUnit | None" = None) -> None:
        self.spec = spec
        self.counters: Counter[str] = before.counters if before else Counter()
        self.log = ComponentLog(spec.id)
        self.flushing: Task | None = None
        self._options = options
        self._health = Health(self.log)
        named = {name: outputs.of(f"{spec.id}.{name}") for name in spec.outputs if name != DEFAULT}
        self.node: TransformNode = TransformNode(
            make=self._make,
            downstream={DEFAULT: outputs.of(spec.id), **named},
            ledger=before.node.ledger if before else Ledger(),
            health=self._health,
            log=self.log,
            clock=options.clock,
        )

    def _make(self) -> Transform:
        """A fresh transform reads its files afresh."""
        context = _context(self.spec.id, self.log, self.counters, self._options, self._health, attributes=self.spec.attributes)
        files = FileReader()
        return self.spec.component(self.spec.config, replace(context, read_file=files.read, map_file=files.map))

    @property
    def flushes(self) -> bool:
        """Whether it ever holds something back."""
        return self.spec.component.flush is not Transform.flush

    @property
    def health(self) -> Health:
        """How it fares."""
        return self.node.health

    @property
    def books(self) -> Books:
        """What tells of losses."""
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
        context = _context(spec.id, self.log, self.counters, options, health, attributes=spec.attributes)
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

    @property
    def health(self) -> Health:
        """How it fares."""
        return self.worker.health

    @property
    def books(self) -> Books:
        """What tells of losses."""
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
    if spec.options.isolation == "none" or issubclass(spec.component, Broken):
        return partial(spec.component, spec.config, context)
    from pipeline.isolation.sink import ProcessSink  # noqa: PLC0415  seldom needed

    return partial(ProcessSink, plan.file, spec.table, context)


def _context(  # noqa: PLR0913  what a component is handed
    id_: str,
    log: ComponentLog,
    counters: Counter[str],
    options: RunOptions,
    health: Health,
    *,
    body_bytes: int = 0,
    attributes: Mapping[str, FieldType] = NO_FIELDS,
) -> Context:
    def count(name: str, by: int) -> None:
        counters[name] += by

    return Context(
        id=id_,
        log=log,
        now_ns=options.clock.now_ns,
        count=count,
        trouble=health.complain,
        body_bytes=body_bytes,
        attributes=attributes,
    )
