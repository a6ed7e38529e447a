"""One sink's worker: takes batches from its queue and writes them, until each event is delivered or accounted for.

What the sink raises steers it (see ``Sink``): wait and write the same batch again, reopen, rebuild, dead-letter, or end. A
worker never ends because a write failed, and nothing that happens here reaches another sink.
"""

import secrets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import anyio

from pipeline.api import DELIVERY, BackOff, BatchError, Delivery, Event, Finished, NotConnected, Reject
from pipeline.config.options import SinkOptions
from pipeline.delivery.batch import Batch, size_of
from pipeline.delivery.buffer import Buffer
from pipeline.delivery.clock import Backoff, Clock
from pipeline.delivery.dead_letter import DeadLetter
from pipeline.delivery.health import Health, Logger, describe
from pipeline.delivery.ledger import Reason
from pipeline.delivery.session import Session
from pipeline.delivery.signal import Signal
from pipeline.delivery.watchdog import Watchdog
from pipeline.model.histogram import Histogram
from pipeline.model.snapshot import State

LONGEST_PAUSE_SECS = 3600.0
"""However long the other end asks us to wait, we look again after an hour."""

RETIRE_SECS = 5.0
"""A reload waits so long for a write under way; then it is cancelled and the batch written again by the new sink."""

OPENING = ""
"""The part of its ``Health`` that ails while a sink could not be opened at the start and nothing was written."""

DRAINING_PAUSE_SECS = 1.0
"""During shutdown there is no time for long waits."""


def _batch_ids() -> Iterator[str]:
    """Unique among all runs of all hosts."""
    run = secrets.token_hex(8)
    return (f"{run}-{number}" for number in count(1))


@dataclass(slots=True)
class Worker:
    """What the writers of one sink share. ``dead_letter`` is set after all sinks are made, for they may refer to each other."""

    id: str
    buffer: Buffer
    session: Session
    options: SinkOptions
    health: Health
    log: Logger
    clock: Clock = field(default_factory=Clock)
    dead_letter: DeadLetter | None = None
    latency: Histogram = field(default_factory=Histogram)
    finished: Callable[[], None] = lambda: None
    openings: int = 0
    draining: anyio.Event = field(default_factory=anyio.Event)
    writers: list["Writer"] = field(default_factory=list)
    batch_ids: Iterator[str] = field(default_factory=_batch_ids)
    last_delivery: float = 0.0
    failing: set[str] = field(default_factory=set)
    failed_attempts: int = 0
    retiring: bool = False
    idle: Signal = field(default_factory=Signal)

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

    def end(self, error: Finished) -> None:
        """The sink accepts no more events."""
        self.buffer.refuse(Reason.SINK_FINISHED)
        self.health.state = State.FINISHED
        self.log.debug("the other end accepts no more events", extra={"reason": str(error)})
        self.finished()

    def failed(self, error: Exception, attempt: int, part: str) -> None:
        """Report once that it does not work; the retries that follow are only counted."""
        level = self.log.debug if self.failing else self.log.warning
        level("cannot deliver", extra={"error": describe(error), "attempt": attempt})
        self.health.trouble(error, part=part)
        self.failing.add(part)
        self.failed_attempts += 1

    def works(self, part: str) -> None:
        """A write without any failure: report it when no other writer fails any more."""
        for well in (OPENING, part):
            self.health.ok(well)
            self.failing.discard(well)
        if self.failed_attempts and not self.failing:
            self.log.info("delivering again", extra={"failed_attempts": self.failed_attempts})
            self.failed_attempts = 0

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


class Writer:
    """One task that writes one batch at a time."""

    def __init__(self, worker: Worker, name: str) -> None:
        self._worker = worker
        self._name = name
        retry = worker.options.retry
        self._backoff = Backoff(retry.initial_backoff_secs, retry.max_backoff_secs, worker.clock.random)
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
                    self._worker.health.trouble(error)
                    self._worker.log.exception("internal error; retrying the batch")
                    await self._worker.clock.sleep(1.0)
        finally:
            if self.batch is not None:
                self._worker.buffer.put_back(self.batch)
                self.batch = None
            self._worker.idle.set()

    async def _turn(self) -> None:
        """Until the queue ends or a write hangs."""
        expired = await self._watched()
        if expired and self.batch is not None:  # it may have come back in the very moment
            await self._failed(TimeoutError(f"no answer within {self._worker.options.write_timeout_secs:g} s"))

    async def _watched(self) -> bool:
        """Work under one watchdog, which stays for as long as no write hangs. True: its time is over."""
        dog = Watchdog(self._worker.options.write_timeout_secs)
        try:
            with dog.scope:
                await self._work(dog)
        finally:
            dog.close()
        return dog.expired

    async def _work(self, dog: Watchdog) -> None:
        options = self._worker.options.batch
        take = partial(self._worker.buffer.take, options.max_events, options.max_bytes, options.timeout_secs)
        while True:
            if self.batch is None:
                self.batch = None if self._worker.retiring else await take()
                self._attempts = 0
            if self.batch is None:
                self._ended = True
                return
            error = await self._attempt(self.batch, dog)
            if error is not None:
                await self._failed(error)

    async def _attempt(self, batch: Batch, dog: Watchdog) -> Exception | None:
        """Write the batch once. Returns what the sink raised."""
        session = self._worker.session
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
        same = events is self._written
        self._written = events
        self._delivery = Delivery(
            self._delivery.batch if same else next(self._worker.batch_ids), self._delivery.attempt * same + 1
        )
        return self._delivery

    def _works(self) -> None:
        """A part that was delivered does not show that: whatever hindered the rest still hinders it."""
        if self._worker.health.state is not State.OK or self._worker.failing:
            self._worker.works(self._name)
        self._backoff.reset()

    def _delivered(self, batch: Batch, events: int) -> None:
        worker = self._worker
        worker.buffer.ledger.sent += events
        worker.latency.observe((worker.clock.now_ns() - batch.events[0].timestamp_ns) / 1e9)
        worker.last_delivery = worker.clock.monotonic()

    def _close_batch(self, batch: Batch) -> None:
        self.batch = None
        self._worker.buffer.done(batch)
        self._worker.idle.set()

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
        worker = self._worker
        worker.failed(error, self._attempts, self._name)
        if not isinstance(error, BackOff):
            await worker.session.reset(self._generation, rebuild=not isinstance(error, NotConnected | TimeoutError))
        await self._wait(batch, error)

    async def _wait(self, batch: Batch, error: Exception) -> None:
        """Until the next attempt, unless this was the last one."""
        limit = self._worker.options.retry.max_attempts
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
        self._worker.failed(decisive, self._attempts, self._name)
        if isinstance(decisive, NotConnected) or (len(again) == len(batch.events) and not isinstance(decisive, BackOff)):
            await self._worker.session.reset(self._generation, rebuild=False)
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
        worker, batch = self._worker, self.batch
        if batch is None:
            return
        if reason is Reason.REJECTED:
            worker.health.note(error)
        if worker.dead_letter is None:
            worker.log.error(
                "events dropped: no dead_letter configured",
                extra={"events": count, "reason": str(reason), "error": describe(error)},
            )
        else:
            await worker.dead_letter.send(batch.events[:count], error, self._attempts, batch.tickets, worker.clock.monotonic())
            reason = Reason.DEAD_LETTER
        worker.buffer.ledger.discard(reason, count)
        self._keep(batch.events[count:])

    def _finish(self, batch: Batch, error: Finished) -> None:
        if error.delivered > 0:
            delivered = min(error.delivered, len(batch.events))
            self._delivered(batch, delivered)
            batch = self._keep(batch.events[delivered:])
        self._worker.buffer.ledger.discard(Reason.SINK_FINISHED, len(batch.events))
        self._close_batch(batch)
        self._worker.end(error)

    async def _pause(self, secs: float) -> None:
        """Wait, but not through a shutdown: it wakes everybody up, and from then on waits are short."""
        worker = self._worker
        if worker.draining.is_set():
            await worker.clock.sleep(min(secs, DRAINING_PAUSE_SECS))
            return
        async with anyio.create_task_group() as race:
            race.start_soon(_then_cancel, worker.draining.wait, race.cancel_scope)
            await worker.clock.sleep(min(secs, LONGEST_PAUSE_SECS))
            race.cancel_scope.cancel()


def _decisive(causes: Sequence[Exception]) -> Exception:
    """What decides about the whole rest: a lost connection, else the longest pause that is asked for, else what came first."""
    lost = [cause for cause in causes if isinstance(cause, NotConnected)]
    pauses = [cause for cause in causes if isinstance(cause, BackOff)]
    return next(iter(lost), None) or max(pauses, key=lambda cause: cause.secs or 0, default=causes[0])


async def _then_cancel(wait: Callable[[], Awaitable[None]], scope: anyio.CancelScope) -> None:
    await wait()
    scope.cancel()
