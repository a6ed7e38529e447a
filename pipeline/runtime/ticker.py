"""The clock of a run, once a second: time-outs of decoders, windows of transforms, losses. It never waits for a sink."""

from collections.abc import Callable, Iterable
from functools import partial

from pipeline.delivery.clock import Clock
from pipeline.delivery.fanout import Refused, drop
from pipeline.delivery.ledger import Reason
from pipeline.delivery.losses import Books
from pipeline.runtime.accounts import Accounts
from pipeline.runtime.graph import Graph
from pipeline.runtime.steady import SteadyNow
from pipeline.runtime.tasks import Task, Tasks
from pipeline.runtime.units.transform import TransformUnit
from pipeline.telemetry.logs import ComponentLog

TICK_SECS = 1.0


class Ticker:
    """``graph`` gives the one that runs now, ``books`` those of its units and of the sinks that are being retired."""

    def __init__(
        self,
        clock: Clock,
        graph: Callable[[], Graph],
        books: Callable[[], Iterable[Books]],
        accounts: Accounts,
        tasks: Tasks,
    ) -> None:
        self._clock = clock
        self._graph = graph
        self._books = books
        self._accounts = accounts
        self._tasks = tasks
        self._log = ComponentLog("")
        self._ticked = clock.monotonic()

    def silence_secs(self) -> float:
        """How long ago the event loop turned last. May be called from any thread."""
        return self._clock.monotonic() - self._ticked

    async def run(self) -> None:
        """For ever."""
        clock = self._clock
        steady = SteadyNow(clock.now_ns, clock.monotonic, self._clock_was_set)
        while True:
            await clock.sleep(TICK_SECS)
            self._ticked = clock.monotonic()
            self._tick(clock.now_ns(), steady())

    def _tick(self, now_ns: int, steady_ns: int) -> None:
        graph = self._graph()
        for source in graph.sources.values():
            if not source.runner.can_wait:
                source.runner.tick(steady_ns)
        for transform in graph.transforms.values():
            if transform.flushes:
                self._flush(transform, now_ns)
        self._accounts.look(self._books())

    def _flush(self, unit: TransformUnit, now_ns: int) -> None:
        """What a full ``block`` queue has no room for waits in a task of its own, and the transform keeps the rest meanwhile."""
        if unit.flushing is not None and not unit.flushing.ended.is_set():
            return
        refused: Refused = []
        unit.node.flush(now_ns, refused, last=False)
        if refused:
            unit.flushing = Task()
            self._tasks.start(unit.flushing, partial(_wait_for_room, refused))

    def _clock_was_set(self, secs: float) -> None:
        self._log.warning("the system clock was set while capturing", extra={"by_secs": round(secs, 1)})


async def _wait_for_room(refused: Refused) -> None:
    try:
        for offer in refused:
            await offer.wait()
    finally:
        drop(refused, Reason.SHUTDOWN)
