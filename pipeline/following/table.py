"""What is known of a server's objects, by the names that events hold. Pure: objects in, look-ups in plain dicts out; bounded.

What is gone is found for two minutes more: an exchange comes when it is over, and a pod or a container may end before it.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from pipeline.model.events.event import AttributeValue

LEAVING_SECS = 120.0

MOST_LEAVING = 50_000
"""Names of what is gone and still found; beyond it the oldest is forgotten at once."""

Attributes = Mapping[str, AttributeValue]


class Key(NamedTuple):
    """By what something is found, and which one."""

    by: Literal["container", "address"]
    name: str


class Known(Protocol):
    """An object as it is kept; two that say the same are equal."""

    @property
    def uid(self) -> str:
        """Which one it is, for the server."""

    def found_by(self) -> Mapping[Key, Attributes]:
        """What events get that hold one of these names."""


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """What the events of one name get. The same object as long as nothing of it changes."""

    attributes: Attributes


Names = dict[str, Identity]


@dataclass(slots=True)
class _Held:
    known: Known
    identities: Mapping[Key, Identity]


class Table:
    """``containers`` by container id, ``addresses`` by the address as text; read them at any time.

    ``listed``: whether the server's list was whole once. Counter: ``table_full``, how often the server told of an object beyond
    ``most``, which stays unknown: each change of it counts.
    """

    def __init__(self, most: int, count: Callable[[str, int], None], monotonic: Callable[[], float] = time.monotonic) -> None:
        self.containers: Names = {}
        self.addresses: Names = {}
        self.listed = False
        self._most = most
        self._count = count
        self._monotonic = monotonic
        self._held: dict[str, _Held] = {}
        self._users: dict[Key, str] = {}
        self._leaving: deque[tuple[float, Key, Identity]] = deque()

    def __len__(self) -> int:
        return len(self._held)

    @property
    def uids(self) -> AbstractSet[str]:
        """Of all that are known now."""
        return self._held.keys()

    def takes(self, uid: str) -> bool:
        """Whether there is room for this one, or it is known already."""
        return uid in self._held or len(self._held) < self._most

    def put(self, known: Known) -> None:
        """One that is new, or has changed."""
        before = self._held.get(known.uid)
        if before is not None and before.known == known:
            return
        if not self.takes(known.uid):
            self._count("table_full", 1)
            return
        old = tuple(before.identities.values()) if before is not None else ()
        made: list[Identity] = []
        found = {key: _identity(attributes, old, made) for key, attributes in known.found_by().items()}
        self._held[known.uid] = _Held(known, found)
        for key, identity in found.items():
            self._names(key)[key.name] = identity
            self._users[key] = known.uid
        if before is not None:
            self._leave(known.uid, before.identities.keys() - found.keys())

    def remove(self, uid: str) -> None:
        """One that is gone."""
        held = self._held.pop(uid, None)
        if held is not None:
            self._leave(uid, held.identities)

    def expire(self) -> None:
        """Forget what has been gone for long enough, and nobody has taken again."""
        now = self._monotonic()
        while self._leaving and (self._leaving[0][0] <= now or len(self._leaving) > MOST_LEAVING):
            _, key, identity = self._leaving.popleft()
            names = self._names(key)
            if key not in self._users and names.get(key.name) is identity:
                del names[key.name]

    def _names(self, key: Key) -> Names:
        return self.containers if key.by == "container" else self.addresses

    def _leave(self, uid: str, keys: Iterable[Key]) -> None:
        """Let go of what another one has not taken meanwhile."""
        until = self._monotonic() + LEAVING_SECS
        for key in keys:
            if self._users.get(key) == uid:
                del self._users[key]
                self._leaving.append((until, key, self._names(key)[key.name]))
        self.expire()


def _identity(attributes: Attributes, old: Iterable[Identity], made: list[Identity]) -> Identity:
    """One that says this already, else a new one."""
    for each in (*made, *old):
        if each.attributes == attributes:
            return each
    made.append(Identity(attributes))
    return made[-1]


class Listing:
    """A whole list of the server, page by page: whoever is not on it is gone at its end. Holds no more of them than the table."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._unseen = set(table.uids)
        self._late: list[Known] = []

    def take(self, page: Iterable[Known]) -> None:
        """The next page. What comes to a full table waits for the room of those that may be gone."""
        for known in page:
            self._unseen.discard(known.uid)
            if not self._table.takes(known.uid) and len(self._late) < len(self._unseen):
                self._late.append(known)
            else:
                self._table.put(known)

    def end(self) -> None:
        """It was the last page."""
        for uid in self._unseen:
            self._table.remove(uid)
        for known in self._late:
            self._table.put(known)
        self._table.listed = True
