"""The reading side of a disk queue: the next blocks, as one batch. What cannot be read now is read later.

Reading has a thread of its own, so that a sink that writes quickly never waits for the commit of what comes in.
"""

from collections.abc import Sequence
from functools import partial

import anyio
from anyio.to_thread import run_sync

from pipeline.api import Event
from pipeline.delivery.batch import Batch, merge, size_of
from pipeline.delivery.blocks import decode_block
from pipeline.delivery.disk_blocks import StoredBlocks, Waiting
from pipeline.delivery.disk_store import DiskStore, Entry, StoreError
from pipeline.delivery.health import Logger
from pipeline.delivery.ledger import Ledger, Reason
from pipeline.delivery.trouble import Trouble


class BlockReader:
    """``reading``: events of the blocks that are being read now, which wait no more and are not in flight yet."""

    def __init__(self, store: DiskStore, blocks: StoredBlocks, ledger: Ledger, trouble: Trouble, log: Logger) -> None:
        self._store = store
        self._blocks = blocks
        self._ledger = ledger
        self._log = log
        self._one_at_a_time = anyio.CapacityLimiter(1)
        self.trouble = trouble
        self.reading = 0

    async def read(self, max_events: int, max_bytes: int) -> Batch | None:
        """The next blocks; None when all were damaged, or none could be read now. One must be waiting."""
        taken = self._blocks.take(max_events, max_bytes)
        try:
            found = await self._load(taken)
        except StoreError as error:  # no file handle, no memory, an error of the device: they are there, and read later
            self.trouble.failed(error)
            await self.trouble.pause()
            return None
        self.trouble.over()
        batches = []
        for (entry, since), events in zip(taken, found, strict=True):
            if events is None:
                self._damaged(entry)
            else:
                batches.append(Batch(events, size_of(events), (self._blocks.ticket(entry),), since))
        return merge(batches) if batches else None

    async def _load(self, taken: Sequence[Waiting]) -> list[list[Event] | None]:
        """The events of each block; None for a damaged one. Whatever this raises, the blocks wait again."""
        entries = [entry for entry, _ in taken]
        events = sum(entry.events for entry in entries)
        self.reading += events
        try:
            with anyio.CancelScope(shield=True):
                found = await run_sync(partial(self._in_thread, entries), limiter=self._one_at_a_time)
        except BaseException:
            self._blocks.put_back(taken)
            raise
        finally:
            self.reading -= events
        return found

    def _in_thread(self, entries: Sequence[Entry]) -> list[list[Event] | None]:
        blocks = self._store.read([entry.id for entry in entries])
        return [decode_block(block, entry.events) for entry, block in zip(entries, blocks, strict=True)]

    def _damaged(self, entry: Entry) -> None:
        self._ledger.discard(Reason.DAMAGED, entry.events)
        self.trouble.health.trouble(f"a block of {entry.events} events on disk is damaged")
        self._log.error("damaged block of the disk queue skipped; its events are lost", extra={"events": entry.events})
        self._blocks.delete(entry)
