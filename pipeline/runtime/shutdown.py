"""The end of a run: stop reading, pass on what is held back, drain the queues, close; past the deadline, count what is left.

Whoever asks for the end a first time begins the drain, for as long as ``shutdown_timeout_secs`` says; a second time ends it.
"""

from collections.abc import Sequence

import anyio

from pipeline.delivery.fanout import drop
from pipeline.delivery.ledger import Reason
from pipeline.runtime.accounts import Accounts
from pipeline.runtime.graph import Graph
from pipeline.runtime.units.sink import SinkUnit

EXPIRED_CLOSE_SECS = 0.2
"""After a second signal nobody waits for a sink to close well."""


class Shutdown:
    """``ask`` and ``expire`` set the deadline, at any time; ``carry_out`` runs once."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._draining = anyio.CancelScope()

    def ask(self, timeout_secs: float) -> None:
        """The drain has so long from the first call on."""
        self._draining.deadline = min(self._draining.deadline, anyio.current_time() + timeout_secs)

    def expire(self, sinks: Sequence[SinkUnit]) -> None:
        """Its time is over: do not drain."""
        for sink in sinks:
            sink.worker.session.close_secs = EXPIRED_CLOSE_SECS
        self._draining.cancel()

    async def carry_out(self, graph: Graph, retiring: Sequence[SinkUnit]) -> None:
        """From reading to closed. ``retiring`` are sinks that a reload has removed and that still deliver."""
        await _stop_reading(graph)
        with self._draining:
            for source in graph.sources.values():
                await source.runner.finish()
            await self._flush(graph)
            await _drain(graph)
        self._count_what_is_left(graph)
        async with anyio.create_task_group() as ending:  # all at once: one that does not close must not hold up the others
            for sink in (*graph.sinks.values(), *retiring):
                ending.start_soon(self._end, sink)
        for source in graph.sources.values():
            with anyio.move_on_after(graph.plan.process.shutdown_timeout_secs):
                await source.runner.acknowledge_now()

    async def _flush(self, graph: Graph) -> None:
        """Every transform gives out all it holds, those upstream first."""
        for transform in graph.transforms.values():
            refused = transform.give_out()
            try:
                for offer in refused:
                    await offer.wait()
            finally:
                self._accounts.leave(drop(refused, Reason.SHUTDOWN))

    def _count_what_is_left(self, graph: Graph) -> None:
        """The deadline may have passed before it was this one's turn."""
        for source in graph.sources.values():
            self._accounts.leave(source.runner.discard_rest())
        for transform in graph.transforms.values():
            self._accounts.leave(drop(transform.give_out(), Reason.SHUTDOWN))

    async def _end(self, sink: SinkUnit) -> None:
        self._accounts.leave(await sink.end(Reason.SHUTDOWN))


async def _stop_reading(graph: Graph) -> None:
    async with anyio.create_task_group() as stopping:
        for source in graph.sources.values():
            stopping.start_soon(source.stop)


async def _drain(graph: Graph) -> None:
    async with anyio.create_task_group() as draining:
        for sink in graph.sinks.values():
            draining.start_soon(_drain_one, graph, sink)


async def _drain_one(graph: Graph, sink: SinkUnit) -> None:
    """Let a sink write what is queued. A dead letter waits for those who may still send it something."""
    for other in graph.sinks.values():
        if other.spec.options.dead_letter == sink.spec.id:
            await other.task.ended.wait()
    sink.worker.drain()
    await sink.task.ended.wait()
