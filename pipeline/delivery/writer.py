"""One task that writes batches of a sink, one at a time, until each event is delivered or accounted for.

What the sink raises steers it (see ``Sink``): wait and write the same batch again, reopen, rebuild, dead-letter, or end.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import anyio

from pipeline.api import BackOff, BatchError, Delivery, Event, Finished, NotConnected, Reject
from pipeline.delivery.batch import Batch, size_of
from pipeline.delivery.clock import Backoff
from pipeline.delivery.health import describe
from pipeline.delivery.ledger import Reason
from pipeline.delivery.shared import Shared
from pipeline.delivery.watchdog import Watchdog
from pipeline.model.delivery import DELIVERY
from pipeline.model.snapshot import State

LONGEST_PAUSE_SECS = 3600.0
"""However long the other end asks us to wait, we look again after an hour."""

DRAINING_PAUSE_SECS = 1.0
"""During shutdown there is no time for long waits."""


class Writer:
    """Of several writers of a sink each has its ``name``."""

    def __init__(self, shared: Shared, name: str) -> None:
        self._shared = shared
        self._name = name
        retry = shared.options.retry
        self._backoff = Backoff(retry.initial_backoff_secs, retry.max_backoff_secs, shared.clock.random)
        self._attempts = 0
        self._delivery = Delivery("", 0)
        self._written: Sequence[Event] = ()
        self._generation = 0
        self._ended = False
        self.batch: Batch | None = None

    async def run(self) -> None:
        """Until there is no next batch. What is in flight when cancelled goes back to the queue."""
        try:
            while not self._ended:
                try:
                    await self._turn()
                except Exception as error:  # a fault of ours must not end the other sinks
                    self._shared.health.trouble(error)
                    self._shared.log.exception("internal error; retrying the batch")
                    await self._shared.clock.sleep(1.0)
        finally:
            if self.batch is not None:
                self._shared.buffer.put_back(self.batch)
                self.batch = None
            self._shared.idle.set()

    async def _turn(self) -> None:
        """Until the queue ends or a write hangs."""
        expired = await self._watched()
        if expired and self.batch is not None:  # it may have come back in the very moment
            await self._failed(TimeoutError(f"no answer within {self._shared.options.write_timeout_secs:g} s"))

    async def _watched(self) -> bool:
        """Work under one watchdog, which stays for as long as no write hangs. True: its time is over."""
        dog = Watchdog(self._shared.options.write_timeout_secs)
        try:
            with dog.scope:
                await self._work(dog)
        finally:
            dog.close()
        return dog.expired

    async def _work(self, dog: Watchdog) -> None:
        options = self._shared.options.batch
        take = partial(self._shared.buffer.take, options.max_events, options.max_bytes, options.timeout_secs)
        while True:
            if self.batch is None:
                self.batch = None if self._shared.retiring else await take()
                self._attempts = 0
            if self.batch is None:
                self._ended = True
                return
            error = await self._attempt(self.batch, dog)
            if error is not None:
                await self._failed(error)

    async def _attempt(self, batch: Batch, dog: Watchdog) -> Exception | None:
        """Write the batch once. Returns what the sink raised."""
        session = self._shared.session
        try:
            self._generation = session.generation
            if not session.opened:
                await session.ensure_open()
            self._generation = session.generation
            DELIVERY.set(self._next_delivery(batch.events))
            dog.start()
            await session.write(batch.events)
        except Exception as error:  # noqa: BLE001  whatever a sink raises is its outcome
            return error
        finally:
            dog.stop()
        self._delivered(batch, len(batch.events))
        self._works()
        self._close_batch(batch)
        return None

    def _next_delivery(self, events: Sequence[Event]) -> Delivery:
        """The same batch as before, once more, or another one."""
        if events is self._written:
            self._delivery = self._delivery._replace(attempt=self._delivery.attempt + 1)
        else:
            self._written, self._delivery = events, Delivery(next(self._shared.batch_ids), 1)
        return self._delivery

    def _works(self) -> None:
        """A part that was delivered does not show that: whatever hindered the rest still hinders it."""
        if self._shared.health.state is not State.OK or self._shared.failing:
            self._shared.works(self._name)
        self._backoff.reset()

    def _delivered(self, batch: Batch, events: int) -> None:
        shared = self._shared
        shared.buffer.ledger.sent += events
        shared.latency.observe((shared.clock.now_ns() - batch.events[0].timestamp_ns) / 1e9)
        shared.last_delivery = shared.clock.monotonic()

    def _close_batch(self, batch: Batch) -> None:
        self.batch = None
        self._written = ()
        self._shared.buffer.done(batch)
        self._shared.idle.set()

    async def _failed(self, error: Exception) -> None:
        """Do what the error asks for. Afterwards ``self.batch`` is what is still to be written, or None."""
        self._attempts += 1
        batch = self.batch
        if batch is None:
            return
        match error:
            case Finished():
                self._finish(batch, error)
            case Reject():
                await self._discard(batch, error, Reason.REJECTED)
                self._works()
            case BatchError():
                await self._failed_in_part(batch, error)
            case _:
                await self._retry(batch, error)

    async def _retry(self, batch: Batch, error: Exception) -> None:
        """Wait and keep the batch, or discard it when its attempts are used up."""
        shared = self._shared
        shared.failed(error, self._attempts, self._name)
        if not isinstance(error, BackOff):
            await shared.session.reset(self._generation, rebuild=not isinstance(error, NotConnected | TimeoutError))
        await self._wait(batch, error)

    async def _wait(self, batch: Batch, error: Exception) -> None:
        """Until the next attempt, unless this was the last one."""
        limit = self._shared.options.retry.max_attempts
        jittered = self._backoff.next_secs()
        if limit is not None and self._attempts >= limit:
            await self._discard(batch, error, Reason.ATTEMPTS_EXHAUSTED)
            return
        asked = error.secs if isinstance(error, BackOff) else None
        await self._pause(jittered if asked is None else asked)

    async def _failed_in_part(self, batch: Batch, error: BatchError) -> None:
        """Part of the batch is delivered; the rest is dead-lettered or stays to be written again.

        The sink looked at each event, so it is not rebuilt; it is opened again where it says so, or nothing got through.
        """
        failures = {index: cause for index, cause in error.failures.items() if 0 <= index < len(batch.events)}
        rejected = {index: cause for index, cause in failures.items() if isinstance(cause, Reject)}
        again = [event for index, event in enumerate(batch.events) if index in failures and index not in rejected]
        if len(failures) < len(batch.events):
            self._delivered(batch, len(batch.events) - len(failures))
        self._keep([*(batch.events[index] for index in rejected), *again])
        for cause in rejected.values():
            await self._dead_letter_or_lose(1, cause, Reason.REJECTED)
        if not again:
            self._works()
            self._close_batch(batch)
            return
        decisive = _decisive([cause for cause in failures.values() if not isinstance(cause, Reject)])
        self._shared.failed(decisive, self._attempts, self._name)
        if isinstance(decisive, NotConnected) or (len(again) == len(batch.events) and not isinstance(decisive, BackOff)):
            await self._shared.session.reset(self._generation, rebuild=False)
        if len(failures) < len(batch.events) and isinstance(decisive, BackOff) and decisive.secs == 0:
            self._attempts -= 1  # nothing has failed: the sink breaks off so that what is delivered counts
        await self._wait(self._keep(again), decisive)

    def _keep(self, events: Sequence[Event]) -> Batch:
        """What is left of the batch, under the same tickets."""
        if self.batch is None:
            raise RuntimeError("no batch is being written")
        self.batch = self.batch._replace(events=events, size=size_of(events))
        return self.batch

    async def _discard(self, batch: Batch, error: Exception, reason: Reason) -> None:
        await self._dead_letter_or_lose(len(batch.events), error, reason)
        self._close_batch(batch)

    async def _dead_letter_or_lose(self, count: int, error: Exception, reason: Reason) -> None:
        """Dead-letter the first events of the batch, or count them as lost where there is no dead letter."""
        shared, batch = self._shared, self.batch
        if batch is None:
            return
        if reason is Reason.REJECTED:
            shared.health.note(error)
        if shared.dead_letter is None:
            shared.log.error(
                "events dropped: no dead_letter configured",
                extra={"events": count, "reason": str(reason), "error": describe(error)},
            )
        else:
            await shared.dead_letter.send(batch.events[:count], error, self._attempts, batch.tickets, shared.clock.monotonic())
            reason = Reason.DEAD_LETTER
        shared.buffer.ledger.discard(reason, count)
        self._keep(batch.events[count:])

    def _finish(self, batch: Batch, error: Finished) -> None:
        if error.delivered > 0:
            delivered = min(error.delivered, len(batch.events))
            self._delivered(batch, delivered)
            batch = self._keep(batch.events[delivered:])
        self._shared.buffer.ledger.discard(Reason.SINK_FINISHED, len(batch.events))
        self._close_batch(batch)
        self._shared.end(error)

    async def _pause(self, secs: float) -> None:
        """Wait, but not through a shutdown: it wakes everybody up, and from then on waits are short."""
        shared = self._shared
        if shared.draining.is_set():
            await shared.clock.sleep(min(secs, DRAINING_PAUSE_SECS))
            return
        async with anyio.create_task_group() as race:
            race.start_soon(_then_cancel, shared.draining.wait, race.cancel_scope)
            await shared.clock.sleep(min(secs, LONGEST_PAUSE_SECS))
            race.cancel_scope.cancel()


def _decisive(causes: Sequence[Exception]) -> Exception:
    """What decides about the whole rest: a lost connection, else the longest pause that is asked for, else what came first."""
    lost = [cause for cause in causes if isinstance(cause, NotConnected)]
    pauses = [cause for cause in causes if isinstance(cause, BackOff)]
    return next(iter(lost), None) or max(pauses, key=lambda cause: cause.secs or 0, default=causes[0])


async def _then_cancel(wait: Callable[[], Awaitable[None]], scope: anyio.CancelScope) -> None:
    await wait()
    scope.cancel()
