"""The connections that are followed, by direction: bounded in number and in what they hold.

What begins one stands in ``arrivals``, what is said on one in ``segments`` and ``streams``.
"""

from collections.abc import Callable, Iterable
from functools import cached_property
from heapq import heapify, heappop, heappush

from pipeline.config.options import DecodeOptions
from pipeline.decode.position import UNKNOWN, ahead
from pipeline.decode.protocol import End
from pipeline.decode.shared import Shared
from pipeline.decode.transport.announced import Announced
from pipeline.decode.transport.detector import Detector
from pipeline.decode.transport.direction import Direction
from pipeline.decode.transport.openings import NOT_HTTP, Openings
from pipeline.decode.transport.recently_closed import RecentlyClosed
from pipeline.decode.transport.strays import Strays
from pipeline.decode.transport.timers import Timers
from pipeline.model.connection import Connection
from pipeline.model.records import FlowKey, Segment, reverse

RESET_NS = 1_000_000_000
"""How long after a reset segments of the other end may still be under way, or its sender may show that it was none."""


class Table:
    """Directions by key. ``directions`` is for look-ups; this class alone changes it.

    ``elsewhere`` counts the connections that the compiled lane follows; ``idlest`` chooses among all of them. ``make_detector``
    makes what says of bytes which protocol they are of.
    """

    def __init__(self, options: DecodeOptions, shared: Shared, make_detector: Callable[[], Detector]) -> None:
        self.directions: dict[FlowKey, Direction] = {}
        self.timers = Timers(options)
        self.openings = Openings(2 * options.max_connections)
        self.recently_closed = RecentlyClosed(shared.count, self._begins)
        self.strays = Strays(shared.count)
        self.announced = Announced(options.max_connections)
        self.shared = shared
        self._make_detector = make_detector
        self._resets: dict[Connection, tuple[Direction, Segment]] = {}
        self._max_directions = 2 * options.max_connections
        self.elsewhere: Callable[[], int] = lambda: 0
        self.idlest: Callable[[], Direction | None] = self.timers.idlest

    def _begins(self, data: bytes) -> bool:
        return self.detector.begins(data)

    @cached_property
    def detector(self) -> Detector:
        """Made for the first bytes that Python reads; where the compiled lane follows all connections, never."""
        return self._make_detector()

    def follow(self, key: FlowKey, back: FlowKey, connection: Connection, *, client: bool) -> Direction:
        """The direction of ``key`` of a new connection, ``client`` where it carries requests; ``back`` is that of the other.

        Their protocols are for the detector.
        """
        directions = self.directions
        if len(directions) + 2 * self.elsewhere() >= self._max_directions:
            self._evict(self.idlest())
        direction, other = self._enter(key, back, connection, client=client)
        if self.announced:
            self.announced.tell(connection)
        self.timers.add(direction if client else other)
        return direction

    def restore(self, key: FlowKey, back: FlowKey, connection: Connection, due: tuple[int, int]) -> Direction:
        """The client's direction of a connection that was followed elsewhere, to be looked at when it was ``due``."""
        client, _ = self._enter(key, back, connection, client=True)
        self.timers.put(client, *due)
        return client

    def _enter(self, key: FlowKey, back: FlowKey, connection: Connection, *, client: bool) -> tuple[Direction, Direction]:
        shared, directions = self.shared, self.directions
        direction, other = Direction(key, shared, connection, client), Direction(back, shared, connection, not client)
        direction.other, other.other = other, direction
        directions[key], directions[back] = direction, other
        return direction, other

    # -- bounds ----------------------------------------------------------------------------------------------------------

    def relieve(self, now_ns: int) -> None:
        """Come back within the bound on memory, at the cost of those that hold most, so that one does not cost the others.

        First they stop waiting for missing bytes; of whom that is not enough is let go. An eighth is freed, as looking at all
        connections takes its time.
        """
        shared = self.shared
        if shared.memory <= shared.max_memory:
            return
        clients = [direction for direction in self.directions.values() if direction.client]
        most = [(-_held_bytes(client), number) for number, client in enumerate(clients)]
        heapify(most)
        while most and shared.memory > shared.max_memory - shared.max_memory // 8:
            held, number = heappop(most)
            client = clients[number]
            patient = [each for each in (client, client.other) if each.disorder is not None]
            if not held:
                return
            for each in patient:
                each.give_up_all(now_ns)
                shared.count("decoder_memory_pressure", 1)
            if patient:
                heappush(most, (-_held_bytes(client), number))
            else:
                self._evict(client)

    def _evict(self, direction: Direction | None) -> None:
        if direction is not None:
            self.shared.count("decoder_connections_evicted", 1)
            self.close(direction, direction.connection.last_ns, End.UNSEEN)

    # -- ends ------------------------------------------------------------------------------------------------------------

    def reset(self, direction: Direction, seg: Segment) -> None:
        """One end resets the connection. What it asked for may still be under way, so an exchange that is open is waited for.

        A reset may also be forged by somebody in between (the end that seems to have sent it goes on), or not accepted.
        """
        self._resets.setdefault(direction.connection, (direction, seg))
        if not direction.protocol.busy:
            self.close(direction, seg.ts_ns, End.RESET)

    def expire_resets(self, now_ns: int) -> None:
        """Close the connections that were reset, but not those whose reset end sent more."""
        for connection, (direction, seg) in list(self._resets.items()):
            if direction.next_seq != UNKNOWN and ahead(direction.next_seq, seg.seq) > 0:
                del self._resets[connection]
            elif now_ns - seg.ts_ns >= RESET_NS:
                self.close(direction, seg.ts_ns, End.RESET)

    def close(self, either: Direction, now_ns: int, why: End) -> None:
        """The connection is over, one way or another."""
        reset = self._resets.get(either.connection)
        if reset is not None:
            why = End.RESET
            direction, seg = reset
            if ahead(seg.seq, direction.next_seq) > 0:
                direction.acknowledge(seg.seq, now_ns)  # so much was sent in front of it
        client = either if either.client else either.other
        server = client.other
        client.give_up_all(now_ns)
        server.give_up_all(now_ns)
        if why is End.TIMEOUT or why is End.UNSEEN:
            self.recently_closed.let_go(client)
            self.recently_closed.let_go(server)
        client.end(why)  # first, so that the size of an upload that breaks off is known when it is reported
        server.end(why)
        self.forget(client)

    def pass_by(self, clients: Iterable[Direction]) -> None:
        """Let go of connections that go on, and of which nothing more is read."""
        for client in clients:
            if self.directions.get(client.key) is client:
                back = client.other.key
                self.forget(client)
                for key in (client.key, back):
                    self.openings.put(key, NOT_HTTP)

    def forget(self, either: Direction) -> None:
        """Drop what is known of a connection."""
        client = either if either.client else either.other
        connection = client.connection
        if self._resets:
            self._resets.pop(connection, None)
        if self.strays.kept:
            self.strays.forget(connection)
        for direction in (client, client.other):
            self.recently_closed.end(direction, connection.generation)
            if direction.disorder is not None:
                direction.forget()
        self.leave(client)

    def leave(self, client: Direction) -> None:
        """Follow a connection no longer; it is over, or goes on elsewhere."""
        self.timers.remove(client)
        client.protocol.release()
        for direction in (client, client.other):
            del self.directions[direction.key]
            del direction.protocol  # nobody looks for cycles of these: see Direction
        del client.other

    def remembers(self, connection: Connection) -> bool:
        """Whether there is more to be known of a connection: that it was reset, or that there may be another of its name."""
        key = connection.key
        return (
            connection in self._resets or connection in self.strays.kept or key in self.openings or reverse(key) in self.openings
        )


def _held_bytes(client: Direction) -> int:
    """Bytes held for a connection: segments that wait for others, and what its protocol holds."""
    segments = sum(each.disorder.bytes for each in (client, client.other) if each.disorder is not None)
    return segments + client.protocol.held_bytes
