"""The queue of one sink on disk: survives ``kill -9`` and power loss. A small front in memory, a thread that writes.

An event is queued when the commit that holds it has returned; until then it is in flight, in the front. One commit takes at
most 1000 events, and waits at most 100 ms for them. Batches are read back from disk, and deleted with a later commit once
everybody who is responsible has let go of them: after a crash they come again (at least once). What is offered while the
disk is slow, full or broken waits in the front, and ``when_full`` says what gives way there.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import anyio
from anyio.to_thread import run_sync
from msgspec.structs import replace

from pipeline.api import Event
from pipeline.delivery.acknowledgement import release
from pipeline.delivery.batch import Batch
from pipeline.delivery.blocks import encode_block
from pipeline.delivery.buffer import Bounds, Buffer
from pipeline.delivery.clock import Clock
from pipeline.delivery.disk_blocks import StoredBlocks
from pipeline.delivery.disk_reader import BlockReader
from pipeline.delivery.disk_store import DiskStore, Entry, StoreError
from pipeline.delivery.health import Health, Logger
from pipeline.delivery.ledger import Ledger, Reason
from pipeline.delivery.memory import MemoryBuffer
from pipeline.delivery.signal import Signal
from pipeline.delivery.trouble import Trouble
from pipeline.errors import ConfigError, Problem

T = TypeVar("T")

COMMIT_EVENTS = 1000
COMMIT_BYTES = 4 << 20
COMMIT_SECS = 0.1
"""The most that one commit takes, and the longest that an event waits for company."""

BLOCK_EVENTS = 256
"""Events in one block. Blocks are read, dropped and found damaged as a whole; larger ones are hardly faster."""

FRONT_EVENTS = 20_000
FRONT_BYTES = 32 << 20
"""The part of the queue that may be in memory: as much as a whole queue in memory holds by default."""

MAX_HALVINGS = 10
"""Where room is short commits are halved so often at most: to one event."""


class DiskBuffer(Buffer):
    """A bounded queue in ``folder``. The bounds hold for front and disk together; bytes are those on disk.

    What is delivered counts as gone at once, though it is deleted with a later commit.
    """

    def __init__(  # noqa: PLR0913  what a queue consists of
        self, folder: str, bounds: Bounds, ledger: Ledger, *, log: Logger, health: Health, clock: Clock
    ) -> None:
        self.ledger = ledger
        self._log = log
        self._health = health
        self._clock = clock
        self._front = MemoryBuffer(bounds, ledger)
        self._store = DiskStore(folder, bounds.max_bytes, self._report)
        self._writing = anyio.CapacityLimiter(1)
        self._blocks = StoredBlocks(self._block_to_delete)
        self._returned: deque[Batch] = deque()
        self._committing = 0
        self._short_of_room = False
        self._halvings = 0
        self._committed_at = -COMMIT_SECS
        trouble = partial(Trouble, "the disk queue", log=log, health=health, clock=clock)
        self._trouble = trouble("written")
        self._reader = BlockReader(self._store, self._blocks, ledger, trouble("read"), log)
        self._filled = Signal()
        self._work = Signal()
        self.rebound(bounds)

    @property
    def events(self) -> int:
        """Events that wait: in the front, in the commit under way, on disk."""
        returned = sum(len(batch.events) for batch in self._returned)
        return self._front.events + self._committing + self._blocks.waiting_events + self._reader.reading + returned

    @property
    def queued_events(self) -> int:
        """Events on disk that are not being written: those that would survive a crash."""
        return self._blocks.waiting_events

    @property
    def bytes(self) -> int:
        """Bytes that wait, those on disk until they are deleted."""
        return self._front.bytes + self._blocks.bytes

    @property
    def oldest_since(self) -> float | None:
        """Monotonic second at which the oldest waiting event was offered, or found on disk."""
        if self._returned:
            return self._returned[0].since
        return self._blocks.oldest_since if self._blocks.waiting else self._front.oldest_since

    async def open(self) -> None:
        """Open the database and count what an earlier run left there."""
        try:
            entries = await self._in_thread(self._store.open)
        except StoreError as error:
            raise ConfigError([Problem("buffer.path", f"{self._store.path} cannot be used: {error}")]) from error
        self._add(entries)
        self.ledger.restored += self._blocks.waiting_events
        if self._blocks.waiting_events:
            self._log.info("events from an earlier run are still queued", extra={"events": self._blocks.waiting_events})

    def offer_nowait(self, batch: Batch) -> Batch | None:
        """Take the batch into the front; with ``drop_oldest`` the oldest blocks on disk make room for it."""
        if self.bounds.when_full == "drop_oldest":
            self._make_room(len(batch.events), batch.size)
        first = not self._front.events
        if first:
            self._share()
        rest = self._front.offer_nowait(batch)
        if first:
            self._share()
        self._work.set()
        return rest

    async def room(self) -> None:
        """Wait until the front has been written."""
        await self._front.room()

    def drop_offered(self, batch: Batch, reason: Reason = Reason.QUEUE_FULL) -> None:
        """Count a batch as received and dropped."""
        self._front.drop_offered(batch, reason)

    async def take(self, max_events: int, max_bytes: int, timeout_secs: float) -> Batch | None:
        """The next batch from disk; None when the queue is closed, written and read."""
        while True:
            if self._returned:
                return self._first_part(self._returned.popleft(), max_events, max_bytes)
            if self._blocks.waiting and timeout_secs:
                await self._linger(max_events, max_bytes, timeout_secs)
            if self._blocks.waiting:
                batch = await self._reader.read(max_events, max_bytes)
                if batch is not None:
                    return self._first_part(batch, max_events, max_bytes)
            elif self._front.closed and not self._front.events and not self._committing:
                return None
            else:
                await self._filled.wait()

    async def _linger(self, max_events: int, max_bytes: int, timeout_secs: float) -> None:
        """Wait a little for more on disk, but not in a crowded queue. What is dropped meanwhile may leave nothing to take."""
        with anyio.move_on_after(timeout_secs):
            while self._blocks.waiting_events < max_events and self._blocks.waiting_bytes < max_bytes:
                half_full = 2 * self.events >= self.bounds.max_events or 2 * self.bytes >= self.bounds.max_bytes
                if half_full or self._front.closed or self._returned:
                    return
                await self._filled.wait()

    def done(self, batch: Batch) -> None:
        """Every event of this batch is delivered or accounted for; its blocks are deleted soon."""
        release(batch.tickets)

    def put_back(self, batch: Batch) -> None:
        """It comes first again; on disk it still is."""
        self._returned.appendleft(batch)
        self._filled.set()

    def rebound(self, bounds: Bounds) -> None:
        """Other bounds from now on; what waits stays."""
        self.bounds = bounds
        self._block_events = max(1, min(BLOCK_EVENTS, bounds.max_events // 16))
        self._front.rebound(bounds)
        self._share()

    def report_to(self, health: Health) -> None:
        """A trouble that goes on shows there with its next failure."""
        self._health = self._trouble.health = self._reader.trouble.health = health

    def close(self) -> None:
        """No more will be offered."""
        self._front.close()
        self._work.set()
        self._filled.set()

    def refuse(self, reason: Reason) -> int:
        """Discard what waits, on disk too: the sink accepts no more."""
        refused = self._front.refuse(reason)
        while self._blocks.waiting:
            events = self._blocks.drop_oldest()
            self.ledger.discard(reason, events)
            refused += events
        self._work.set()
        self._filled.set()
        return refused

    async def run(self) -> None:
        """Commit what is in the front and delete what is delivered, until closed and done."""
        while not self._front.closed or self._front.events or self._blocks.to_delete:
            if not self._front.events and not self._blocks.to_delete:
                await self._work.wait()
                continue
            await self._gather()
            if not await self._commit():
                await self._trouble.pause()

    async def abandon(self, reason: Reason) -> int:
        """The shutdown deadline has passed: commit the front once more; what cannot be committed is lost. The rest stays."""
        self._front.close()
        with anyio.CancelScope(shield=True):
            while (self._front.events or self._blocks.to_delete) and await self._commit():
                pass
        return self._front.refuse(reason)

    async def aclose(self) -> None:
        """Close the database."""
        await self._in_thread(self._store.close)

    async def _gather(self) -> None:
        """Let a commit fill up, unless the last one is long ago or the front is crowded: then nobody waits."""
        rest = self._committed_at + COMMIT_SECS - self._clock.monotonic()
        if rest > 0:
            with anyio.move_on_after(rest):
                while self._front.events < COMMIT_EVENTS and not (self._front.closed or self._front.crowded):
                    await self._work.wait()

    async def _commit(self) -> bool:
        """Write a part of the front and delete what is delivered. False: it failed, everything is where it was."""
        batch = self._next_part()
        events = batch.events if batch is not None else ()
        blocks = [events[at : at + self._block_events] for at in range(0, len(events), self._block_events)]
        to_delete, self._blocks.to_delete = self._blocks.to_delete, []
        self._committing = len(events)
        self._share()
        try:
            entries, unwritable = await self._in_thread(partial(self._write, blocks, [entry.id for entry in to_delete]))
        except StoreError as error:
            self._blocks.to_delete[:0] = to_delete
            self._committing = 0
            if batch is not None:
                self._front.put_back(batch)
            self._share()
            await self._failed(error)
            return False
        finally:
            self._committing = 0
            self._share()
        self._committed_at = self._clock.monotonic()
        self._went_well(batch)
        self._add(entries)
        self.ledger.discard(Reason.DAMAGED, unwritable)
        if batch is not None:
            release(batch.tickets)
        self._filled.set()
        return True

    def _next_part(self) -> Batch | None:
        """What the next commit writes. Where room was short, it deletes what is delivered first, and then writes less at once."""
        if self._short_of_room and self._blocks.to_delete:
            return None
        most = min(COMMIT_EVENTS >> self._halvings, self.bounds.max_events // 2)  # what is being committed cannot give way
        return self._front.take_nowait(max(1, most), max(1, COMMIT_BYTES >> self._halvings))

    def _write(self, blocks: Sequence[Sequence[Event]], delivered: Sequence[int]) -> tuple[list[Entry], int]:
        """In the thread. Also returns how many events could not be written down at all."""
        encoded = [encode_block(block) for block in blocks]
        entries = self._store.commit([(count, block) for count, block in encoded if count], delivered)
        return entries, sum(map(len, blocks)) - sum(count for count, _ in encoded)

    def _make_room(self, events: int, size: int) -> None:
        """Drop whole blocks from the old end, as far as nobody is writing them."""
        events += self._front.events + self._committing
        size += self._front.bytes
        blocks, bounds = self._blocks, self.bounds
        while blocks.waiting and (blocks.events + events > bounds.max_events or blocks.bytes + size > bounds.max_bytes):
            self.ledger.discard(Reason.QUEUE_FULL, blocks.drop_oldest())

    def _share(self) -> None:
        """The front may have what the disk leaves it, within what memory may hold; an empty one takes whatever comes first."""
        events = self.bounds.max_events - self._blocks.events - self._committing
        size = self.bounds.max_bytes - self._blocks.bytes
        memory = FRONT_BYTES if self._front.events else self.bounds.max_bytes
        share = replace(self.bounds, max_events=max(0, min(FRONT_EVENTS, events)), max_bytes=max(0, min(memory, size)))
        if share != self._front.bounds:
            self._front.rebound_for_now(share)

    async def _failed(self, error: StoreError) -> None:
        """Report it once. A broken file gives way to one with what can be read, a full one, once delivered, to an empty one."""
        self._short_of_room = error.full
        self._halvings = min(self._halvings + error.full, MAX_HALVINGS)
        self._trouble.failed(error, waiting_in_memory=self._front.events, when_full=self.bounds.when_full)
        try:
            if error.damaged:
                self._start_over(await self._in_thread(self._store.rescue))
            elif error.full and not self._blocks.events and await self._in_thread(self._store.start_empty):
                self._start_over([])
        except StoreError as worse:
            self._trouble.failed(worse)

    def _went_well(self, batch: Batch | None) -> None:
        """The trouble is over when nothing stands outside any more, or a commit of full size has found room."""
        self._short_of_room = False
        if not self._front.events or (batch is not None and not self._halvings):
            self._halvings = 0
            self._trouble.over()
            return
        self._halvings -= batch is not None
        self._trouble.eased()

    def _start_over(self, entries: list[Entry]) -> None:
        """After a rescue: what waited and could not be read back is lost; what is being written stays with its writer."""
        difference = self._blocks.start_over(entries, self._clock.monotonic())
        self._share()
        self.ledger.discard(Reason.DAMAGED, max(0, -difference))
        self.ledger.restored += max(0, difference)

    def _first_part(self, batch: Batch, max_events: int, max_bytes: int) -> Batch:
        """A block may be larger than a batch: the rest comes next."""
        fitting = max(1, batch.count_within(max_events, max_bytes))
        if fitting == len(batch.events):
            return batch
        part, rest = batch.split(fitting)
        self._returned.appendleft(rest)
        self._filled.set()
        return part

    def _block_to_delete(self) -> None:
        self._share()
        self._work.set()

    def _add(self, entries: Sequence[Entry]) -> None:
        self._blocks.add(entries, self._clock.monotonic())
        self._share()

    def _report(self, sentence: str) -> None:
        """From the thread; logging is safe there."""
        self._log.error("the disk queue was damaged", extra={"error": sentence})

    async def _in_thread(self, call: Callable[[], T]) -> T:
        """A commit that has begun is never cancelled: its outcome must be known."""
        with anyio.CancelScope(shield=True):
            result = await run_sync(call, limiter=self._writing)
        return result  # noqa: RET504  for mypy a scope may swallow what is returned inside it
