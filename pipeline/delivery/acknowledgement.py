"""Acknowledgement: up to which position a source's events are done with. Pure bookkeeping; the runtime calls ``acknowledge``.

A ticket stands for one batch of a source. Whoever is responsible for events of that batch holds it: the graph while the
batch passes, a transform that keeps events back, each queue and each write. When nobody holds it any more every event of
the batch is delivered, dead-lettered, discarded (by a filter, or by a policy of the pipeline file such as ``drop_oldest``),
or committed to disk. Positions are acknowledged in the order of issue: one is when it and all before it are let go.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable


class Ticket(ABC):
    """Something to acknowledge once nobody is responsible for any of its events; ``holders`` counts who still is."""

    __slots__ = ("holders",)

    def __init__(self) -> None:
        self.holders = 1

    def hold(self, holders: int = 1) -> None:
        """More parties are responsible now."""
        self.holders += holders

    def release(self) -> None:
        """One party is done with it."""
        self.holders -= 1
        if not self.holders:
            self.acknowledge()

    @abstractmethod
    def acknowledge(self) -> None:
        """Nobody holds it any more."""


class SourceTicket(Ticket):
    """One batch of one source."""

    __slots__ = ("_line", "position")

    def __init__(self, line: "Positions", position: object) -> None:
        super().__init__()
        self._line = line
        self.position = position

    def acknowledge(self) -> None:
        """Its position is acknowledged as soon as all before it are."""
        self._line.advance()


Tickets = tuple[Ticket, ...]
"""The tickets of a run of events; empty where the source does not want to know."""


def hold(tickets: Tickets, holders: int = 1) -> None:
    """Hold each of the tickets."""
    for ticket in tickets:
        ticket.hold(holders)


def release(tickets: Tickets) -> None:
    """Let each of the tickets go."""
    for ticket in tickets:
        ticket.release()


class Positions:
    """The tickets of one source in the order of issue. ``moved`` is called whenever a new position is acknowledged.

    Its length is bounded by what the queues hold, for every unacknowledged ticket has events in one of them.
    """

    def __init__(self, moved: Callable[[], None] = lambda: None) -> None:
        self._open: deque[SourceTicket] = deque()
        self._moved = moved
        self._position: object = None
        self._news = False

    def issue(self, position: object) -> SourceTicket:
        """A ticket for the next batch; the caller is its first holder."""
        ticket = SourceTicket(self, position)
        self._open.append(ticket)
        return ticket

    def advance(self) -> None:
        """Acknowledge what stands at the front and is held by nobody."""
        acknowledged = False
        while self._open and not self._open[0].holders:
            self._position = self._open.popleft().position
            acknowledged = self._news = True
        if acknowledged:
            self._moved()

    def take_position(self) -> tuple[bool, object]:
        """Whether something new is acknowledged since the last call, and the last position that is."""
        news, self._news = self._news, False
        return news, self._position

    @property
    def open_batches(self) -> int:
        """Batches that somebody still holds, or that stand behind one."""
        return len(self._open)
