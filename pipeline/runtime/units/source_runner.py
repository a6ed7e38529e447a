"""One source's task: read, decode, hand to the graph; all on whole batches. Restarts the source when it fails.

A source that can wait is held back by full ``block`` queues; one that cannot (the live kernel) never waits for a sink: what
a ``block`` queue has no room for is dropped there and counted, as if it were ``drop_newest``.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

import anyio
import anyio.to_thread

from pipeline.api import AttributeValue, CaptureError, Event, EventBatch, InputError, RecordBatch, Source
from pipeline.delivery.acknowledgement import Positions, Ticket
from pipeline.delivery.buffer import Buffer
from pipeline.delivery.clock import Backoff, Clock
from pipeline.delivery.dead_letter import DeadLetter
from pipeline.delivery.fanout import Fanout
from pipeline.delivery.health import SLOW_START_SECS, Health, Logger, Reported, describe
from pipeline.delivery.ledger import Ledger, Reason
from pipeline.delivery.session import CLOSE_SECS, timed
from pipeline.delivery.signal import Signal
from pipeline.model.events.event import NO_ATTRIBUTES
from pipeline.model.snapshot import State
from pipeline.packets.store import PacketStore
from pipeline.runtime.units.decoding import Decoding
from pipeline.runtime.units.outlet import Outlet

RESTART_BACKOFF_SECS = (0.5, 30.0)

SLICE_SECS = 0.001
"""How long a source that always has something may keep the loop. A sink's wait for it is as long at most."""

TURNS = 10
"""Turns of the loop that a live source gives after each batch while more waits for a sink than the batch brought. One write
takes several: the answer of its thread, the next batch, its hand-over. A turn in which nobody works costs 5 µs, so a sink
that stands still costs the others a hundredth of their time at most."""


TAKERS_SECS = 0.001
"""Between two looks whether a sink has written its packets."""


class SourceRunner:
    """A source, its decoder and its counters. ``make`` builds the source; ``decoding`` is None where it brings events.

    ``resource`` are attributes that each of its events gets.
    """

    def __init__(  # noqa: PLR0913  what a component consists of
        self,
        *,
        make: Callable[[], Source],
        decoding: Decoding | None,
        fanout: Fanout,
        ledger: Ledger,
        health: Health,
        log: Logger,
        clock: Clock,
        resource: Mapping[str, AttributeValue] = NO_ATTRIBUTES,
    ) -> None:
        self._make = make
        self.decoding = decoding
        self.ledger = ledger
        self.health = health
        self._log = log
        self._clock = clock
        self._backoff = Backoff(*RESTART_BACKOFF_SECS, clock.random)
        self._reported = Reported()
        self._moved = Signal()
        self.source = health.call(make, SLOW_START_SECS)
        self.positions = self._new_positions()
        self._outlet = Outlet(fanout, ledger, resource)
        self._turn_began = 0.0
        self._taken_bytes = 0
        self._reading = self._stopping = False
        self.damaged: InputError | None = None
        self.dead_letter: DeadLetter | None = None
        self.queues: tuple[Buffer, ...] = ()
        self.takers: tuple[Buffer, ...] = ()
        """Queues of sinks that write packets, which are kept only so long."""
        self.packets: PacketStore | None = None

    @property
    def can_wait(self) -> bool:
        """Whether the engine may slow it down."""
        return self.source.can_wait

    async def open(self) -> None:
        """Open the source; raises ``CaptureError`` or ``InputError``."""
        await timed(self.source.open(), self.health, SLOW_START_SECS)
        if self.decoding is not None and self.decoding.recorder is not None:
            self.decoding.recorder.open()
        self.health.ok()

    async def run(self) -> None:
        """Read until the input ends, or for ever. A source that fails is rebuilt with backoff; damaged input ends it."""
        while not await self._read_once() and not self._stopping:
            await self._clock.sleep(self._backoff.next_secs())
            while not await self._restart():
                await self._clock.sleep(self._backoff.next_secs())

    async def stop(self) -> bool:
        """Ask the source to end its input; False where nobody can: it has no way to, fails, or is being opened again."""
        self._stopping = True
        if not self._reading or type(self.source).stop is Source.stop:
            return False
        try:
            await timed(self.source.stop(), self.health)
        except Exception as error:  # noqa: BLE001  a plugin's fault while it is stopped; it is cancelled then
            self._trouble(error, "failed while stopping; cancelling it")
            return False
        return True

    async def finish(self) -> None:
        """After reading has ended, or was cancelled: what queues had no room for, and what the decoder still holds, marked."""
        await self._outlet.wait_for_room()
        if self.decoding is not None:
            await self._push(self.decoding.finish(), None)

    def discard_rest(self) -> int:
        """The shutdown deadline has passed: what still stands before a full queue is counted there as lost. Returns how many."""
        if self.decoding is not None:  # ``finish`` may not have come so far
            self._outlet.push(self.decoding.finish(), None)
        return self._outlet.drop(Reason.SHUTDOWN)

    async def acknowledge(self) -> None:
        """Acknowledge positions to the source as long as it runs. It may take its time: one call covers several batches."""
        while True:
            if not await self.acknowledge_now():
                await self._moved.wait()

    async def acknowledge_now(self) -> bool:
        """Acknowledge the last position that may be; False when the source knows it already."""
        if self.positions is None:
            return False
        news, position = self.positions.take_position()
        if news:
            try:
                await timed(self.source.acknowledge(position), self.health)
            except Exception as error:  # noqa: BLE001  a plugin's fault; the next position includes this one
                self._trouble(error, "failed to process an acknowledgement")
        return news

    def tick(self, now_ns: int) -> None:
        """Look at the decoder's time-outs by the wall clock; for live sources, about once a second, while no records come.

        Records bring their own time. Ahead of those that still wait to be read the clock would call late what is not.
        """
        if self.decoding is not None and (events := self.decoding.expire(now_ns)):
            self._outlet.push(events, None)
            self._outlet.drop(Reason.QUEUE_FULL)

    async def aclose(self) -> None:
        """Let go of the source and of its recording. Never hangs, never raises but for cancellation."""
        await self._close_source()
        if self.decoding is not None and self.decoding.recorder is not None:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self.decoding.recorder.close)

    async def _close_source(self) -> None:
        with anyio.move_on_after(CLOSE_SECS, shield=True) as scope:
            try:
                await timed(self.source.aclose(), self.health)
            except Exception as error:  # noqa: BLE001  a plugin's fault while closing must not stop the others
                self._trouble(error, "failed while closing")
        self.health.complaint = ""  # it was the old object's
        if scope.cancelled_caught:
            self._trouble(f"did not close within {CLOSE_SECS:g} s", "did not close in time")

    async def _read_once(self) -> bool:
        """Read to the end; True when that is the end of the input, False when it failed and should start again."""
        try:
            batches = self.health.call(self.source.batches)
            self._reading = True
            try:
                while True:
                    batch = await timed(anext(batches), self.health)
                    await self._pass_on(batch)
                    if self._backoff.failures:
                        self._works_again()
            except StopAsyncIteration:
                pass
            finally:
                self._reading = False
                close = getattr(batches, "aclose", None)
                if close is not None:
                    with anyio.CancelScope(shield=True):
                        await timed(close(), self.health)
        except InputError as error:
            self.damaged = error
            self._trouble(error, "input is damaged and cannot be read further; all before the damage was used", State.FAILED)
            return True
        except Exception as error:  # noqa: BLE001  a fault of this source; the others go on
            self._report_down(error, "failed; restarting it")
            return False
        self.health.state = State.FINISHED
        return True

    async def _restart(self) -> bool:
        """A fresh source; the connections that were being decoded are reported as far as they were seen. False: none is open."""
        await self.finish()
        await self._close_source()
        self.health.restarts += 1
        try:
            self.source = self.health.call(self._make, SLOW_START_SECS)
            self.positions = self._new_positions()
            await self.open()
        except Exception as error:  # noqa: BLE001  tried again with backoff
            remedy = error.remedy if isinstance(error, CaptureError) else ""
            self._report_down(error, f"cannot be opened; {remedy}" if remedy else "cannot be opened")
            return False
        return True

    async def _pass_on(self, batch: RecordBatch | EventBatch) -> None:
        if isinstance(batch, EventBatch):
            events: Sequence[Event] = batch.events
        elif not isinstance(batch, RecordBatch):
            raise TypeError(f"gave {type(batch).__name__}, not a RecordBatch or an EventBatch")
        elif self.decoding is not None:
            events = self.decoding.feed(batch.records)
        else:
            raise TypeError("a source of events gave records")
        ticket = self.positions.issue(batch.position) if self.positions else None
        if isinstance(batch, EventBatch) and batch.undecodable:
            await self._dead_letter_undecodable(batch.undecodable, ticket)
        await self._push(events, ticket)
        if ticket is not None:
            ticket.release()
        await self._give_way(len(events))

    async def _dead_letter_undecodable(self, undecodable: Sequence[tuple[Event, Exception]], ticket: Ticket | None) -> None:
        """Dead-letter what could not be decoded; without a dead letter it is dropped."""
        self.ledger.received += len(undecodable)
        if self.dead_letter is None:
            self.ledger.discard(Reason.UNDECODABLE, len(undecodable))
            self._trouble(undecodable[0][1], "undecodable record dropped: no dead_letter configured")
            return
        for event, reason in undecodable:
            await self.dead_letter.send([event], reason, 0, (ticket,) if ticket else (), self._clock.monotonic())
        self.ledger.discard(Reason.DEAD_LETTER, len(undecodable))

    async def _give_way(self, brought: int) -> None:
        """Sinks and other sources get their turn: after every batch of a live source, else after a slice of time.

        A file gives batches without end; one turn of the loop for each would cost more than the batches themselves. A live
        source never waits for a sink, but it gives way to one that has work: the kernel has room for what comes meanwhile.
        """
        if not self.source.can_wait:
            await asyncio.sleep(0)
            turns = 1
            while turns < TURNS and any(queue.events > brought for queue in self.queues):
                await asyncio.sleep(0)
                turns += 1
        elif time.monotonic() - self._turn_began >= SLICE_SECS:
            await asyncio.sleep(0)
            self._turn_began = time.monotonic()

    async def _push(self, events: Sequence[Event], ticket: Ticket | None) -> None:
        self._outlet.push(events, ticket)
        if self.source.can_wait:
            await self._outlet.wait_for_room()
            if self.takers and self.packets is not None:
                await self._wait_for_takers(self.packets)
        else:
            self._outlet.drop(Reason.QUEUE_FULL)

    async def _wait_for_takers(self, packets: PacketStore) -> None:
        """Before a good part of what is kept could be displaced: until those who write packets have written all that they got."""
        if packets.put_bytes - self._taken_bytes < packets.max_bytes // 4:
            return
        while any(queue.ledger.balance() for queue in self.takers):  # noqa: ASYNC110  seldom, and for some ms
            await anyio.sleep(TAKERS_SECS)
        self._taken_bytes = packets.put_bytes

    def _new_positions(self) -> Positions | None:
        wants = type(self.source).acknowledge is not Source.acknowledge
        return Positions(self._moved.set) if wants else None

    def _works_again(self) -> None:
        self._log.info("running again", extra={"failed_attempts": self._backoff.failures})
        self._backoff.reset()
        self._reported.forget()
        self.health.ok()

    def _report_down(self, error: Exception, sentence: str) -> None:
        """Report once what is wrong, and what else is wrong by now; the attempts that follow are only counted."""
        self.health.trouble(error, State.FAILED)
        report = self._log.error if self._reported.is_news(sentence, error) else self._log.debug
        report(sentence, extra={"error": describe(error)})

    def _trouble(self, error: BaseException | str, sentence: str, state: State = State.DEGRADED) -> None:
        self.health.trouble(error, state)
        self._log.error(sentence, extra={"error": describe(error)})
