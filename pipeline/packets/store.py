"""The newest packets of a run, within a bound of bytes. Sources put batches in as they are; who takes packets has a ``Taker``.

The run's loop only appends (``keep``): a lock for less than a microsecond a batch. What is in the batches is looked at when
somebody asks, in that one's thread.
"""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice

from pipeline.model.records import Record
from pipeline.packets.kept import Kept, KeptRecords

Numbered = tuple[int, Kept]


class PacketStore:
    """Keeps nothing until it is told for whom (``keep_for``). Batches are numbered from 0."""

    def __init__(self) -> None:
        self.max_bytes = 0
        self.bytes = 0
        self.put_bytes = 0
        """Of all batches that ever came."""
        self._sources: frozenset[str] = frozenset()
        self._batches: deque[Kept] = deque()
        self._first = 0
        self._older = 0  # so many of the oldest are beyond the newest half of ``max_bytes``
        self._older_bytes = 0
        self._lock = threading.Lock()

    def keep_for(self, asked: Mapping[str, int]) -> None:
        """How many bytes are asked for of each source; what is kept of all together is the most of these. 0: nothing any more."""
        self._sources = frozenset(name for name, size in asked.items() if size)
        self.max_bytes = max(asked.values(), default=0)
        if not self.max_bytes:
            with self._lock:
                while self._batches:
                    self._drop()

    def wants(self, source: str) -> bool:
        """Whether what this source sees is kept."""
        return source in self._sources

    def keep(self, batch: Kept) -> None:
        """The newest. A batch that is larger than all that may be kept stays until the next one comes."""
        size = batch.size
        with self._lock:
            self._batches.append(batch)
            self.bytes += size
            self.put_bytes += size
            while self.bytes > self.max_bytes and len(self._batches) > 1:
                self._drop()
            while self.bytes - self._older_bytes > self.max_bytes // 2 and self._older < len(self._batches):
                self._older_bytes += self._batches[self._older].size
                self._older += 1

    def _drop(self) -> None:
        gone = self._batches.popleft().size
        self._first += 1
        self.bytes -= gone
        if self._older:
            self._older -= 1
            self._older_bytes -= gone

    def since(self, number: int) -> tuple[list[Numbered], int, int]:
        """Batches from this number on; the number of the oldest that is kept; that from which on they are of the newer half."""
        with self._lock:
            begin, end = max(number, self._first), self._first + len(self._batches)
            newest = list(islice(reversed(self._batches), max(0, end - begin)))
            return list(zip(range(begin, end), reversed(newest), strict=True)), self._first, self._first + self._older

    def batch(self, number: int) -> Kept | None:
        """The one with this number, as long as it is kept."""
        with self._lock:
            place = number - self._first
            return self._batches[place] if 0 <= place < len(self._batches) else None


class Keeper:
    """The end of the store that one source has. ``live``: it sees interfaces of this host."""

    def __init__(self, store: PacketStore, source: str, *, live: bool) -> None:
        self._store = store
        self._source = source
        self._live = live

    @property
    def wanted(self) -> bool:
        """Whether anybody asks for what it sees."""
        return self._store.wants(self._source)

    def records(self, records: Sequence[Record]) -> None:
        """Keep these, where they are wanted."""
        if records and self.wanted:
            self._store.keep(KeptRecords(records, self._source, live=self._live))

    def keep(self, batch: Kept) -> None:
        """Keep what the source has put together itself."""
        self._store.keep(batch)
