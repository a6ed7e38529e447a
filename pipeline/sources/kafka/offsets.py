"""Which offsets may be committed: only what is acknowledged, in order, of partitions that are ours. Pure bookkeeping.

Each batch that is handed out gets a number; ``acknowledge(number)`` covers it and all before. A partition has a *term*: it begins
when the group gives it to us and ends when it is taken away. What was handed out in an earlier term is not committed any more:
the partition's next owner may be further on.
"""

from collections import Counter, deque
from collections.abc import Collection, Mapping
from typing import NamedTuple


class Partition(NamedTuple):
    """A partition of a topic; equal to aiokafka's ``TopicPartition``."""

    topic: str
    partition: int


class Handed(NamedTuple):
    """Part of a batch: the offset after its last record, and the term in which it was handed out."""

    partition: Partition
    term: int
    next_offset: int


class Offsets:
    """Terms, batches under way, and offsets to commit. As long as the batches under way, which the engine's queues bound."""

    def __init__(self) -> None:
        self._terms: dict[Partition, int] = {}
        self._term = 0
        self._number = 0
        self._under_way: deque[tuple[int, tuple[Handed, ...]]] = deque()
        self._unsettled: Counter[tuple[Partition, int]] = Counter()
        self._acknowledged: dict[Partition, int] = {}
        self._committed: dict[Partition, int] = {}

    def assign(self, partitions: Collection[Partition]) -> None:
        """A term begins for these."""
        self._term += 1
        self._terms.update(dict.fromkeys(partitions, self._term))

    def revoke(self, partitions: Collection[Partition]) -> None:
        """The term of these ends."""
        for partition in partitions:
            self._terms.pop(partition, None)
            self._acknowledged.pop(partition, None)
            self._committed.pop(partition, None)

    def owns(self, partition: Partition) -> bool:
        """Whether the partition is ours now."""
        return partition in self._terms

    def hand_out(self, next_offsets: Mapping[Partition, int]) -> int:
        """A batch leaves, with the offsets after its last records. Returns its number."""
        self._number += 1
        parts = tuple(Handed(each, self._terms[each], offset) for each, offset in next_offsets.items() if each in self._terms)
        self._under_way.append((self._number, parts))
        self._unsettled.update((part.partition, part.term) for part in parts)
        return self._number

    def acknowledge(self, number: int) -> None:
        """This batch and all before it are acknowledged."""
        while self._under_way and self._under_way[0][0] <= number:
            for part in self._under_way.popleft()[1]:
                place = part.partition, part.term
                self._unsettled[place] -= 1
                if not self._unsettled[place]:
                    del self._unsettled[place]
                if self._terms.get(part.partition) == part.term:
                    self._acknowledged[part.partition] = max(part.next_offset, self._acknowledged.get(part.partition, 0))

    def unacknowledged(self, partitions: Collection[Partition]) -> bool:
        """Whether any batch with records of these, in their present term, is still under way."""
        return any((each, self._terms.get(each, 0)) in self._unsettled for each in partitions)

    def to_commit(self) -> dict[Partition, int]:
        """Acknowledged offsets that are not committed yet."""
        return {each: offset for each, offset in self._acknowledged.items() if self._committed.get(each) != offset}

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """The brokers have these."""
        self._committed.update((each, offset) for each, offset in offsets.items() if each in self._terms)
