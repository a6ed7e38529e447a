"""Segments that cannot be of the connection whose addresses and ports they bear: forged ones, or the first of another connection.

What tells them apart is the other end: it takes no notice of a forged segment, and acknowledges what is its peer's. So they are
kept until that is seen, a few of each connection; then there is another one, whose beginning was not seen. Others are counted.
"""

from collections.abc import Callable

from pipeline.decode.position import MASK, UNKNOWN, ahead
from pipeline.decode.transport.direction import MAX_JUMP, Direction
from pipeline.model.connection import Connection
from pipeline.model.records import ACK, SYN, Segment

MAX_BEHIND = 1 << 26
"""How far behind what was delivered a copy of a segment may come: a second of a gigabit a second is twice that."""
MAX_OF_ONE = 16
"""Segments that are kept of a connection: a request of some size, and the beginning of its response."""
MAX_CONNECTIONS = 1024
"""Connections of which some are kept: 24 MB at the very most, with segments as an Ethernet has them."""


def far(direction: Direction, seg: Segment) -> bool:
    """Whether a segment lies farther from what was delivered than TCP's windows and late copies explain."""
    return direction.next_seq != UNKNOWN and not -MAX_BEHIND <= ahead(seg.seq, direction.next_seq) <= MAX_JUMP


def _acknowledges(seg: Segment, stray: Segment) -> bool:
    """Whether the other end has received all of a stray segment and no more; of data in a SYN it may take the SYN alone."""
    if seg.key == stray.key or not seg.flags & ACK:
        return False
    count = seg.ack - stray.seq & MASK
    return count == stray.length + bool(stray.flags & SYN) or (count == 1 and bool(stray.flags & SYN))


class Strays:
    """By the connection whose addresses and ports they bear, in the order they came."""

    def __init__(self, count: Callable[[str, int], None]) -> None:
        self._count = count
        self.kept: dict[Connection, list[Segment]] = {}

    def keep(self, connection: Connection, seg: Segment) -> list[Segment]:
        """One more; returns all of the other connection, if it shows that there is one, else none."""
        kept = self.kept.setdefault(connection, [])
        kept.append(seg)
        if any(_acknowledges(seg, each) for each in kept):
            return self.kept.pop(connection)
        if len(kept) > MAX_OF_ONE:
            self._drop(kept.pop(0))
        if len(self.kept) > MAX_CONNECTIONS:
            self.forget(next(iter(self.kept)))
        return []

    def answered(self, connection: Connection, seg: Segment) -> bool:
        """Whether a segment acknowledges one that is kept."""
        kept = self.kept.get(connection)
        return kept is not None and any(_acknowledges(seg, each) for each in kept)

    def forget(self, connection: Connection) -> None:
        """The connection is over, and they were of no other one."""
        for seg in self.kept.pop(connection, ()):
            self._drop(seg)

    def _drop(self, seg: Segment) -> None:
        self._count("decoder_stray_bytes", seg.length)
