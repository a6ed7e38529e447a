"""Tables by key with a bound: what is known per host, client or route, when untrusted peers choose the keys. Pure, no clock."""

from collections import OrderedDict
from hashlib import blake2b
from typing import Generic, TypeVar

from pipeline.api import AttributeValue

LONGEST_KEY = 256
"""Characters of a key that are kept as they are: a key from the wire may have a megabyte."""

V = TypeVar("V")

Key = AttributeValue | None


def bounded(key: Key) -> Key:
    """The key as it is kept: a long text by its beginning and its digest."""
    if isinstance(key, str) and len(key) > LONGEST_KEY:
        return f"{key[:LONGEST_KEY]}…{blake2b(key.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"
    return key


class RecentKeys(Generic[V]):
    """The ``most`` keys that were put or touched last; ``evicted`` counts the others."""

    __slots__ = ("_table", "evicted", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self.evicted = 0
        self._table: OrderedDict[Key, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._table)

    def get(self, key: Key) -> V | None:
        """The value of a key, or None."""
        return self._table.get(key)

    def put(self, key: Key, value: V) -> V | None:
        """Set the value of a key, which becomes the newest. Returns the value that had to give way."""
        self._table[key] = value
        self._table.move_to_end(key)
        if len(self._table) <= self.most:
            return None
        self.evicted += 1
        return self._table.popitem(last=False)[1]

    def oldest(self) -> tuple[Key, V] | None:
        """The key that was not touched for longest, with its value."""
        key = next(iter(self._table), None)
        return None if key is None and not self._table else (key, self._table[key])

    def drop(self, key: Key) -> V | None:
        """Forget a key."""
        return self._table.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        self._table.clear()

    def new_evictions(self) -> int:
        """Keys that gave way since this was last asked."""
        evicted, self.evicted = self.evicted, 0
        return evicted
