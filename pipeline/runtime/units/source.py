"""A source in the running pipeline: what reads it, decodes and records what it brings, and acknowledges positions to it."""

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import anyio
import msgspec

from pipeline.api import Context
from pipeline.config.options import DecodeOptions, RecordOptions
from pipeline.delivery.health import Health
from pipeline.delivery.ledger import Ledger
from pipeline.delivery.losses import Books
from pipeline.delivery.session import CLOSE_SECS
from pipeline.model.events.event import NO_ATTRIBUTES
from pipeline.model.snapshot import ComponentSnapshot
from pipeline.packets.store import Keeper
from pipeline.runtime.options import RunOptions
from pipeline.runtime.tasks import Task
from pipeline.runtime.units.context import context_of
from pipeline.runtime.units.decoding import Decoding
from pipeline.runtime.units.fanouts import Fanouts
from pipeline.runtime.units.resource import found
from pipeline.runtime.units.snapshots import component_snapshot
from pipeline.runtime.units.source_runner import SourceRunner
from pipeline.telemetry.logs import ComponentLog
from pipeline.topology.plan import SourceSpec

if TYPE_CHECKING:
    from pipeline.runtime.units.recorder import Recorder


class SourceUnit:
    """A source in the running pipeline."""

    def __init__(self, spec: SourceSpec, fanouts: Fanouts, options: RunOptions, before: "SourceUnit | None" = None) -> None:
        self.spec = spec
        self.counters: Counter[str] = before.counters if before else Counter()
        self.log = ComponentLog(spec.id)
        self.task = Task()
        self.acknowledging = Task()
        bodies = spec.decode.bodies if spec.decode is not None else None
        health = Health(self.log)
        ledger = before.runner.ledger if before else Ledger()
        context = msgspec.structs.replace(
            context_of(
                spec.id,
                self.log,
                self.counters,
                options,
                health,
                body_bytes=bodies.max_bytes if bodies else 0,
                websockets=spec.decode is not None and spec.decode.websocket_messages,
            ),
            progress=lambda done, total: options.on_progress(spec.id, done, total, ledger.received),
            tls_handshakes=spec.decode is not None and spec.decode.tls_handshakes,
            packets=Keeper(options.packets, spec.id, live=not spec.component.can_wait),
        )
        self.runner: SourceRunner = SourceRunner(
            make=partial(spec.component, spec.config, context),
            decoding=self._decoding(spec.decode, context, options, before) if spec.decode is not None else None,
            fanout=fanouts.of(spec.id),
            ledger=ledger,
            health=health,
            log=self.log,
            clock=options.clock,
            resource=found(spec.resource) if spec.resource is not None else NO_ATTRIBUTES,
        )
        self.runner.packets = options.packets

    def _decoding(self, asked: DecodeOptions, context: Context, options: RunOptions, before: "SourceUnit | None") -> Decoding:
        from pipeline.decode import Decoder  # noqa: PLC0415  costs start-up time, and not every pipeline decodes

        spec = self.spec
        live = not spec.component.can_wait
        make = partial(
            Decoder,
            asked,
            source=spec.id,
            capture=spec.component.capture,
            keep_heads=spec.keep_heads,
            live=live,
            count=context.count,
        )
        goes_on = before is not None and before.spec.record == spec.record  # a reload hands the recording on
        record = None if options.dry_run or goes_on else spec.record
        recorder = self._recorder(record, context) if record else None
        keep = None if spec.component.keeps_packets else context.packets.records
        return Decoding(make, recorder, live=live, keep=keep)

    def _recorder(self, asked: RecordOptions, context: Context) -> "Recorder":
        from pipeline.runtime.units.recorder import Recorder  # noqa: PLC0415  start-up: hardly any pipeline records

        return Recorder(asked.path, asked.max_bytes, context.count, self.log)

    async def stop(self) -> None:
        """End its input: it gives what it still holds, or is cancelled where it cannot or takes too long."""
        with anyio.move_on_after(CLOSE_SECS) as waiting:
            if await self.runner.stop():
                await self.task.ended.wait()
        if waiting.cancelled_caught:
            sentence = "its input has not ended in time after stop(); cancelling it, what it still holds is not read"
            self.log.warning(sentence, extra={"waited_secs": CLOSE_SECS})
        await self.task.stop()

    @property
    def health(self) -> Health:
        """Its state and its last error."""
        return self.runner.health

    @property
    def books(self) -> Books:
        """Where its losses show."""
        return Books(self.runner.ledger, self.counters, self.log)

    def snapshot(self) -> ComponentSnapshot:
        """Its state of now."""
        runner, asked = self.runner, self.spec.decode
        snapshot = component_snapshot(
            component_id=self.spec.id,
            kind="source",
            type_=self.spec.type,
            ledger=runner.ledger,
            health=runner.health,
            in_flight=0,
            counters=self.counters,
        )
        brings = "event" if asked is not None and asked.more_kinds else self.spec.component.brings
        decoder = runner.decoding.decoder if runner.decoding is not None else ""
        return msgspec.structs.replace(snapshot, brings=brings, decoder=decoder, guards=self.spec.component.guards)
