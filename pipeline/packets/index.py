"""Which connections have packets in the store, and which of them an event is about. It follows the store when it is asked."""

import re
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from pipeline.api import Event
from pipeline.model.records import stream_key
from pipeline.packets.kept import Kept, Part, connection_of
from pipeline.packets.store import PacketStore

LATE_NS = 1_000_000_000
"""Packets of several queues of a network card are not captured in order. No port is used again so soon."""

_PACKETS = re.compile(r"(?:\[(.+?)\]|([^\[\]:]+)):(\d+)-(?:\[(.+?)\]|([^\[\]:]+)):(\d+)(?:-(\d+))?")
_PROBES = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{1,16})")


class Named(NamedTuple):
    """What ``httpipe.connection`` says: keys that the connection may have, and the number that its opening began with, or 0."""

    keys: tuple[bytes, ...]
    opening: int


class Connection:
    """One use of a pair of endpoints. ``parts`` are numbers of batches and places in them, the oldest first."""

    __slots__ = ("__weakref__", "first_ns", "key", "opening", "parts", "whole")

    def __init__(self, part: Part) -> None:
        self.key = part.connection
        self.opening = part.opening
        self.first_ns = part.first_ns
        self.parts: deque[tuple[int, tuple[int, ...]]] = deque()
        self.whole = part.opening is not None
        """Whether all that was captured of it since its opening is still kept."""

    def begins_with(self, part: Part) -> bool:
        """Whether this opening is its own, and was captured a little late."""
        if self.opening is not None or part.first_ns - self.first_ns > LATE_NS:
            return False
        self.opening = part.opening
        self.whole = True
        return True


class Index:
    """Of one store. Not safe against two threads: ``Taker`` has the lock.

    ``dropped`` is told what the store has dropped of a connection: the number of the batch, and how many places it had there.
    """

    def __init__(self, store: PacketStore, dropped: Callable[[Connection, int, int], None]) -> None:
        self._store = store
        self._dropped = dropped
        self._next = 0
        self._uses: dict[bytes, list[Connection]] = {}
        self._members: deque[tuple[int, list[Connection]]] = deque()
        self.newer = 0
        """The number from which on batches are of the newer half of the store."""
        self.unseen = 0
        """How many batches came and went between two looks."""

    def follow(self) -> None:
        """Look at what came, and forget what is gone."""
        batches, oldest, self.newer = self._store.since(self._next)
        self.unseen += max(0, oldest - self._next)
        for number, batch in batches:
            members = [self._add(number, part) for part in batch.parts()]
            self._members.append((number, members))
        self._next = max(self._next, oldest) + len(batches)
        # Behind that: a connection that goes on is still the same one.
        while self._members and self._members[0][0] < oldest:
            for connection in self._members.popleft()[1]:
                self._forget(connection, oldest)

    def _add(self, number: int, part: Part) -> Connection:
        uses = self._uses.setdefault(part.connection, [])
        if not uses or (part.opening not in (None, uses[-1].opening) and not uses[-1].begins_with(part)):
            uses.append(Connection(part))
        connection = uses[-1]
        before = connection.parts.pop()[1] if connection.parts and connection.parts[-1][0] == number else ()
        connection.parts.append((number, (*before, *part.places)))
        return connection

    def _forget(self, connection: Connection, oldest: int) -> None:
        while connection.parts and connection.parts[0][0] < oldest:
            number, places = connection.parts.popleft()
            connection.whole = False
            self._dropped(connection, number, len(places))
        uses = self._uses.get(connection.key, [])
        if not connection.parts and connection in uses:
            uses.remove(connection)
            if not uses:
                del self._uses[connection.key]

    def older(self, number: int) -> list[tuple[int, list[Connection]]]:
        """Batches from this number on that are not of the newer half, with the connections that have something in them."""
        return [each for each in self._members if number <= each[0] < self.newer]

    def find(self, event: Event) -> Connection | None:
        """The connection of an event; None where nothing of it is kept, or where the event does not say."""
        text = getattr(event, "httpipe_connection", None)
        named = None if text is None else named_by(text)
        uses = next((self._uses[key] for key in named.keys if key in self._uses), []) if named else []
        if named and named.opening:
            for use in uses:
                if use.opening == named.opening:
                    return use
        # Its opening is gone or was not seen: the use that had begun by then.
        return next((use for use in reversed(uses) if use.first_ns <= event.timestamp_ns), uses[0] if uses else None)

    def batch(self, number: int) -> Kept | None:
        """The batch with this number, as long as it is kept."""
        return self._store.batch(number)


@lru_cache(maxsize=4096)
def named_by(text: str) -> Named | None:
    """What the name of a connection says (``Connection.name``); None where it is none of ours."""
    if found := _PROBES.fullmatch(text):
        key = stream_key(int(found[1], 16), int(found[2], 16), sent=True)
        return Named((key,), 0)
    found = _PACKETS.fullmatch(text)
    if found is None:
        return None
    try:
        client, server = ip_address(found[1] or found[2]), ip_address(found[4] or found[5])
        ports = int(found[3]).to_bytes(2, "big") + int(found[6]).to_bytes(2, "big")
    except (ValueError, OverflowError):
        return None
    keys = [client.packed + server.packed + ports] if client.version == server.version else []
    # An IPv4 address may have been written for one that is mapped into IPv6.
    keys.append(_mapped(client.packed) + _mapped(server.packed) + ports)
    return Named(tuple(connection_of(key) for key in keys), int(found[7] or 0))


def _mapped(packed: bytes) -> bytes:
    return packed if len(packed) == 16 else bytes(10) + b"\xff\xff" + packed
