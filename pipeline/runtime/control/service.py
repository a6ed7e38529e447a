"""One place answers whoever asks a run from outside: a snapshot, what transforms measure, a tap, a reload.

The control socket and the metrics endpoint are its clients; none of them knows the engine. Nothing that a client does reaches the
run: a snapshot is a copy, a tap is bounded and counts what it could not show, and a reload is done by the run, whole or not at
all, whether or not somebody waits for its end.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import anyio
from anyio.to_thread import run_sync

from pipeline.api import Event, FieldType
from pipeline.delivery.fanout import Fanout
from pipeline.errors import HttpipeError
from pipeline.model.metric import Metric
from pipeline.model.snapshot import Snapshot
from pipeline.runtime.control.tap import Tap
from pipeline.runtime.engine import Engine

MAX_PER_SEC = 10_000
"""Events that one tap may show in a second."""

ReloadFile = Callable[[], Awaitable[Sequence[str]]]
"""Reads the pipeline file again. Gives what is wrong; nothing when the file runs now."""


class ControlService:
    """The outside of one run. ``snapshot``, ``measurements`` and ``silence_secs`` may be called from any thread."""

    def __init__(self, engine: Engine, reload: ReloadFile) -> None:
        self._engine = engine
        self._reload = reload

    def snapshot(self) -> Snapshot:
        """The state of now."""
        return self._engine.snapshot()

    def measurements(self) -> Sequence[tuple[str, Metric]]:
        """The running totals of transforms, with the id of each."""
        return self._engine.graph.measurements()

    def silence_secs(self) -> float:
        """How long ago the event loop turned last."""
        return self._engine.ticker.silence_secs()

    async def reload(self) -> Sequence[str]:
        """Read the pipeline file again, also where who asked goes meanwhile. Returns what is wrong; nothing when it runs now."""
        with anyio.CancelScope(shield=True):
            problems = await self._reload()
        return problems  # noqa: RET504  for mypy a scope may swallow what is returned inside it

    @asynccontextmanager
    async def tap(self, name: str | None, where: str | None, per_sec: int) -> AsyncIterator[Tap]:
        """The events that pass a component, or leave any source where ``name`` is None. Raises ``HttpipeError``.

        ``name`` is a source, a transform, an output (``split.errors``), or a sink (what enters it); ``where`` an expression.
        """
        outputs = self._outputs(name)
        tap = Tap(await self._condition(where), max(1, min(MAX_PER_SEC, per_sec)))
        tap.attach(outputs)
        try:
            yield tap
        finally:
            tap.detach()

    def _outputs(self, name: str | None) -> Sequence[Fanout]:
        graph = self._engine.graph
        plan, fanouts = graph.plan, graph.fanouts
        if name is None:
            return [fanouts.of(each) for each in plan.sources]
        if name in plan.sinks:
            return [fanouts.of(each) for each in plan.sinks[name].inputs]
        named = [f"{spec.id}.{output}" for spec in plan.transforms.values() for output in spec.outputs]
        if name in plan.sources or name in plan.transforms or name in named:
            return [fanouts.of(name)]
        known = sorted([*plan.sources, *plan.transforms, *plan.sinks, *named])
        raise HttpipeError(f'nothing here is called "{name}"; there are {", ".join(known)}')

    async def _condition(self, where: str | None) -> Callable[[Event], bool] | None:
        """Compiled beside the loop: a long one takes its time."""
        if not where:
            return None
        from pipeline.expressions.condition import compile_filter  # noqa: PLC0415  only those who tap pay for it
        from pipeline.expressions.errors import ExpressionError  # noqa: PLC0415  only those who tap pay for it

        try:
            return await run_sync(compile_filter, where, self.attributes())
        except ExpressionError as error:
            raise HttpipeError(f"where: {error}") from error

    def attributes(self) -> Mapping[str, FieldType]:
        """What the transforms of this pipeline add."""
        graph = self._engine.graph
        known: dict[str, FieldType] = {}
        for transform in graph.plan.transforms.values():
            known.update(transform.attributes)
        for sink in graph.plan.sinks.values():
            known.update(sink.attributes)
        for unit in graph.transforms.values():
            if unit.node.transform is not None:
                known.update(unit.node.transform.adds)
        return known
