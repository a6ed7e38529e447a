"""When to look at a connection again: seconds → the connections that may be overdue then. O(1) per connection and look.

A connection is not moved when something happens on it; when its second comes, it is either overdue or moved to the second that
its last byte asks for. So the earliest second also holds those that were idle longest.
"""

from collections.abc import Iterator
from operator import itemgetter

from pipeline.config.options import DecodeOptions
from pipeline.decode.transport.direction import Direction

SECOND = 1_000_000_000


class Timers:
    """Every followed connection, by the direction from its client, stands in exactly one second.

    With it stands the ``stamp`` of then, from a count that the timers of the compiled lane go on with: which of two came there
    first matters where room is made.
    """

    def __init__(self, options: DecodeOptions) -> None:
        self._response_ns = int(options.response_timeout_secs * SECOND)
        self._idle_ns = int(options.idle_timeout_secs * SECOND)
        self._look_ns = max(SECOND, min(self._response_ns, self._idle_ns) // 4)
        self._seconds: dict[int, dict[Direction, int]] = {}
        self._mixed: set[int] = set()
        self.stamp = 0

    def add(self, client: Direction) -> None:
        """Look at it for the first time in due course."""
        self.put(client, (client.connection.last_ns + self._look_ns) // SECOND)

    def put(self, client: Direction, second: int, stamp: int | None = None) -> None:
        """Look at it in that second; ``stamp`` is of a time before now."""
        client.due = second
        waiting = self._seconds.get(second)
        if waiting is None:
            waiting = self._seconds[second] = {}
        elif stamp is not None:
            self._mixed.add(second)
        self.stamp += 1
        waiting[client] = self.stamp if stamp is None else stamp

    def remove(self, client: Direction) -> None:
        """It is no longer followed."""
        waiting = self._seconds.get(client.due)
        if waiting is not None:
            waiting.pop(client, None)
            if not waiting:
                del self._seconds[client.due]
                self._mixed.discard(client.due)

    def due(self, now_ns: int) -> Iterator[tuple[Direction, bool]]:
        """Connections that are overdue: True to forget them, False when only their requests have waited too long."""
        now = now_ns // SECOND
        for second in sorted(second for second in self._seconds if second < now):
            waiting = self._in_order(second)
            del self._seconds[second]
            for client in waiting:
                idle = now_ns - client.connection.last_ns
                if idle >= self._idle_ns:
                    yield client, True
                    continue
                if idle >= self._response_ns and client.protocol.waiting:
                    yield client, False
                self.put(client, min(now_ns + self._look_ns, max(client.connection.last_ns + self._idle_ns, now_ns)) // SECOND)

    def idlest(self) -> Direction | None:
        """The connection that was idle longest, to within a look."""
        while self._seconds:
            client = self.look_at_first()
            if client is not None:
                return client
        return None

    def first(self) -> tuple[int, int] | None:
        """The place of the one that stands first."""
        if not self._seconds:
            return None
        second = min(self._seconds)
        return second, next(iter(self._in_order(second).values()))

    def look_at_first(self) -> Direction | None:
        """That one, if it belongs there; else it is put where it does."""
        second = min(self._seconds)
        client = next(iter(self._in_order(second)))
        asked = (client.connection.last_ns + self._look_ns) // SECOND
        if asked <= second:
            return client
        self.remove(client)
        self.put(client, asked)
        return None

    def place(self, client: Direction) -> tuple[int, int]:
        """The second in which a connection stands, and its stamp."""
        return client.due, self._seconds[client.due][client]

    def _in_order(self, second: int) -> dict[Direction, int]:
        """Who stands in a second, in the order of the stamps."""
        if second in self._mixed:
            self._mixed.discard(second)
            self._seconds[second] = dict(sorted(self._seconds[second].items(), key=itemgetter(1)))
        return self._seconds[second]
