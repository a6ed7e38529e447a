"""One sink's worker: opens it, has its writers take batches from its queue and write them, and closes it.

A worker never ends because a write failed, and nothing that happens here reaches another sink.
"""

import anyio
import msgspec

from pipeline.api import BackOff, Finished, NotConnected
from pipeline.delivery.clock import Backoff
from pipeline.delivery.health import describe
from pipeline.delivery.shared import OPENING, Shared
from pipeline.delivery.writer import Writer
from pipeline.model.snapshot import State

RETIRE_SECS = 5.0
"""A reload waits so long for a write under way; then it is cancelled and the batch written again by the new sink."""


class Worker(Shared):
    """What it shares with its writers, and those."""

    writers: list[Writer] = msgspec.field(default_factory=list)
    openings: int = 0

    @property
    def writing_events(self) -> int:
        """Events taken from the queue and not yet accounted for."""
        return sum(len(writer.batch.events) for writer in self.writers if writer.batch is not None)

    async def run(self) -> None:
        """Write until the queue is closed and empty, or the sink accepts no more; then close the sink."""
        try:
            await self._open()
            self.writers = [Writer(self, f"writer {number}") for number in range(self.options.max_in_flight)]
            async with anyio.create_task_group() as group:
                group.start_soon(self._open_until_done)
                async with anyio.create_task_group() as writing:
                    for writer in self.writers:
                        writing.start_soon(writer.run)
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):  # the session limits the time itself
                await self.session.aclose()

    async def check(self) -> None:
        """Open the sink and ask it whether it is healthy; raises what it raises."""
        await self.session.ensure_open(check=True)

    def drain(self) -> None:
        """Shutdown has begun: nobody sleeps through it."""
        self.buffer.close()
        self.draining.set()

    async def retire(self) -> None:
        """Another worker is about to take over the queue: finish the writes under way, for a while, and begin no more."""
        self.retiring = True
        with anyio.move_on_after(RETIRE_SECS):
            while self.writing_events:
                await self.idle.wait()

    async def _open(self) -> None:
        """Open the sink before the first batch comes, so that a fault shows at once. It may be down: that is not fatal."""
        first = not self.openings
        self.openings += 1
        generation = self.session.generation
        try:
            await self.session.ensure_open(check=self.options.healthcheck.enabled)
            self.health.ok(OPENING)
            self.failing.discard(OPENING)
        except Finished as error:
            self.end(error)
        except Exception as error:  # noqa: BLE001  whatever a sink raises, the pipeline starts
            self.health.trouble(error, part=OPENING)
            self.failing.add(OPENING)
            report = self.log.warning if first else self.log.debug
            report("not ready; events are queued meanwhile", extra={"error": describe(error)})
            await self.session.reset(generation, rebuild=not isinstance(error, NotConnected | BackOff))
        else:
            if not first:
                self.log.info("ready", extra={"failed_attempts": self.openings - 1})

    async def _open_until_done(self) -> None:
        """Until it was opened once, try again, also where no event comes that would need it. Writers make their own attempts."""
        retry = self.options.retry
        backoff = Backoff(retry.initial_backoff_secs, retry.max_backoff_secs, self.clock.random)
        while not self.session.was_opened and self.health.state is not State.FINISHED:
            await self.clock.sleep(backoff.next_secs())
            if not (self.session.was_opened or self.writing_events or self.retiring or self.draining.is_set()):
                await self._open()
