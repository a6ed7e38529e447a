"""When to look at a connection again: seconds → the connections that may be overdue then. O(1) per connection and look.

A connection is not moved when something happens on it; when its second comes, it is either overdue or moved to the second that
its last byte asks for. So the earliest second also holds those that were idle longest.
"""

from collections.abc import Iterator

from pipeline.config.options import DecodeOptions
from pipeline.decode.transport.direction import Direction

SECOND = 1_000_000_000


class Timers:
    """Every followed connection, by the direction from its client, stands in exactly one second."""

    def __init__(self, options: DecodeOptions) -> None:
        self._response_ns = int(options.response_timeout_secs * SECOND)
        self._idle_ns = int(options.idle_timeout_secs * SECOND)
        self._look_ns = max(SECOND, min(self._response_ns, self._idle_ns) // 4)
        self._seconds: dict[int, dict[Direction, None]] = {}

    def add(self, client: Direction) -> None:
        """Look at it for the first time in due course."""
        second = client.due = (client.connection.last_ns + self._look_ns) // SECOND
        waiting = self._seconds.get(second)
        if waiting is None:
            waiting = self._seconds[second] = {}
        waiting[client] = None

    def remove(self, client: Direction) -> None:
        """It is no longer followed."""
        waiting = self._seconds.get(client.due)
        if waiting is not None:
            waiting.pop(client, None)
            if not waiting:
                del self._seconds[client.due]

    def due(self, now_ns: int) -> Iterator[tuple[Direction, bool]]:
        """Connections that are overdue: True to forget them, False when only their requests have waited too long."""
        now = now_ns // SECOND
        for second in sorted(second for second in self._seconds if second < now):
            for client in self._seconds.pop(second, ()):
                idle = now_ns - client.connection.last_ns
                if idle >= self._idle_ns:
                    yield client, True
                    continue
                if idle >= self._response_ns and client.protocol.waiting:
                    yield client, False
                self._put(client, min(now_ns + self._look_ns, max(client.connection.last_ns + self._idle_ns, now_ns)))

    def idlest(self) -> Direction | None:
        """The connection that was idle longest, to within a look."""
        while self._seconds:
            second = min(self._seconds)
            waiting = self._seconds[second]
            client = next(iter(waiting))
            asked = (client.connection.last_ns + self._look_ns) // SECOND
            if asked <= second:
                return client
            self.remove(client)
            self._put(client, client.connection.last_ns + self._look_ns)
        return None

    def _put(self, client: Direction, at_ns: int) -> None:
        client.due = at_ns // SECOND
        self._seconds.setdefault(client.due, {})[client] = None
