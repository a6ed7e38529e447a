"""Connections that are over, or that we let go: what still comes of them is told from what begins another one, and counted."""

from collections.abc import Callable

from pipeline.decode.position import MASK, UNKNOWN, ahead
from pipeline.decode.transport.direction import Direction
from pipeline.decode.transport.openings import MAX_EARLY
from pipeline.model.records import ACK, SYN, FlowKey, Segment

MAX_ENDED = 4096
"""Directions of which is remembered where they began and ended: as many as end while copies of their segments may come."""
MAX_LET_GO = 65_536
"""Directions that we let go, and whose bytes are counted when more come: 8 MB, more than speak again after that."""


class RecentlyClosed:
    """Directions by key, bounded. ``begins`` tells whether a message surely begins with some bytes.

    ``ended`` holds where a direction began and ended, ``gone`` what comes next of one that was let go.
    """

    def __init__(self, count: Callable[[str, int], None], begins: Callable[[bytes], bool]) -> None:
        self._count = count
        self._begins = begins
        self.ended: dict[FlowKey, tuple[int, int]] = {}
        self.gone: dict[FlowKey, int] = {}

    def end(self, direction: Direction, generation: int) -> None:
        """A direction is over; ``generation`` is the number of the SYN that opened its connection."""
        ended = self.ended
        if len(ended) >= MAX_ENDED:
            ended.clear()
        ended[direction.key] = generation, direction.next_seq

    def let_go(self, direction: Direction) -> None:
        """A direction is let go though it has not ended."""
        gone = self.gone
        if len(gone) >= MAX_LET_GO:
            del gone[next(iter(gone))]
        if direction.next_seq != UNKNOWN and not direction.ended:
            gone[direction.key] = direction.next_seq

    def opened(self, syn: Segment) -> bool:
        """Whether a SYN, or the answer to one, is a copy from a connection that is over; no other has its number."""
        generation, _ = self.ended.get(syn.key, (0, 0))
        return generation == (syn.ack - 1 & MASK if syn.flags & ACK else syn.seq) != 0

    def has(self, seg: Segment) -> bool:
        """Whether data is a copy from a connection that is over."""
        _, end = self.ended.get(seg.key, (0, UNKNOWN))
        return end != UNKNOWN and -MAX_EARLY < ahead(seg.seq + seg.length & MASK, end) <= 0

    def look(self, seg: Segment) -> None:
        """Count what comes of a connection that we let go, once each byte, until it or another of its name begins again."""
        end = self.gone.get(seg.key)
        if end is None:
            return
        behind = ahead(seg.seq + seg.length & MASK, end)
        if seg.flags & SYN or self._begins(seg.payload):
            del self.gone[seg.key]
        elif behind > 0:
            self._count("decoder_late_bytes", min(behind, seg.length))
            self.gone[seg.key] = seg.seq + seg.length & MASK
