"""Which blocks of a disk queue wait, in order, and which are to be deleted: what is known of the file without reading it. Pure.

A block that was taken is neither: its ``ticket`` makes it one to delete, when nobody is responsible for its events any more.
"""

from collections import deque
from collections.abc import Callable, Sequence

from pipeline.delivery.acknowledgement import Ticket
from pipeline.delivery.disk_store import Entry

Waiting = tuple[Entry, float]
"""A block, and the monotonic second since which it waits."""


class StoredBlocks:
    """Blocks on disk. ``events`` and ``bytes`` are what they hold, but for those to delete. ``changed``: there is one more."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._waiting: deque[Waiting] = deque()
        self._generation = 0
        self.to_delete: list[Entry] = []
        self.events = 0
        self.bytes = 0
        self.waiting_events = 0

    @property
    def waiting(self) -> bool:
        """Whether any block waits."""
        return bool(self._waiting)

    @property
    def waiting_bytes(self) -> int:
        """Bytes of the blocks that wait."""
        return sum(entry.bytes for entry, _ in self._waiting)

    @property
    def oldest_since(self) -> float | None:
        """Since when the oldest block waits."""
        return self._waiting[0][1] if self._waiting else None

    def add(self, entries: Sequence[Entry], now: float) -> None:
        """Committed, or found at the start."""
        for entry in entries:
            self._waiting.append((entry, now))
            self.waiting_events += entry.events
            self.events += entry.events
            self.bytes += entry.bytes

    def take(self, max_events: int, max_bytes: int) -> list[Waiting]:
        """The oldest blocks that fit into both bounds, at least one. One must be waiting."""
        taken = [self._waiting.popleft()]
        events, size = taken[0][0].events, taken[0][0].bytes
        while self._waiting:
            entry = self._waiting[0][0]
            events += entry.events
            size += entry.bytes
            if events > max_events or size > max_bytes:
                break
            taken.append(self._waiting.popleft())
        self.waiting_events -= sum(entry.events for entry, _ in taken)
        return taken

    def put_back(self, taken: Sequence[Waiting]) -> None:
        """They were not read: they wait again, before all others."""
        self._waiting.extendleft(reversed(taken))
        self.waiting_events += sum(entry.events for entry, _ in taken)

    def drop_oldest(self) -> int:
        """Delete the block that waits longest; returns how many events it held."""
        entry, _ = self._waiting.popleft()
        self.waiting_events -= entry.events
        self.delete(entry)
        return entry.events

    def ticket(self, entry: Entry) -> Ticket:
        """For a block that was taken: deletes it when it is acknowledged."""
        return _BlockTicket(self, entry, self._generation)

    def delete(self, entry: Entry, generation: int | None = None) -> None:
        """With the next commit. After ``start_over`` the ids of blocks are others: then the block comes again."""
        if generation is None or generation == self._generation:
            self.to_delete.append(entry)
            self.events -= entry.events
            self.bytes -= entry.bytes
            self._changed()

    def start_over(self, entries: Sequence[Entry], now: float) -> int:
        """Another file has taken the place of this one. Returns how many events more wait than before, or fewer."""
        before = self.waiting_events
        self._generation += 1
        self._waiting.clear()
        self.to_delete.clear()
        self.events = self.bytes = self.waiting_events = 0
        self.add(entries, now)
        return self.waiting_events - before


class _BlockTicket(Ticket):
    """One block that was taken, of the file as it was then."""

    __slots__ = ("_blocks", "_entry", "_generation")

    def __init__(self, blocks: StoredBlocks, entry: Entry, generation: int) -> None:
        super().__init__()
        self._blocks = blocks
        self._entry = entry
        self._generation = generation

    def acknowledge(self) -> None:
        """Delivered, dead-lettered or discarded."""
        self._blocks.delete(self._entry, self._generation)
