"""What TCP segments say on a connection that is followed, where they are not simply the next bytes of their direction.

SYNs and FINs, resets, segments out of order, and those of another connection between the same ports.
"""

from pipeline.decode.position import HALF, MASK, UNKNOWN, ahead
from pipeline.decode.protocol import End
from pipeline.decode.transport.arrivals import Arrivals
from pipeline.decode.transport.direction import Direction, stream_position
from pipeline.decode.transport.disorder import ends
from pipeline.decode.transport.openings import MAX_EARLY
from pipeline.decode.transport.strays import far
from pipeline.decode.transport.table import Table
from pipeline.model.records import ACK, FIN, RST, SYN, Segment

UNUSUAL = SYN | FIN | RST
"""Flags of segments that are not simply the next bytes."""
TELLING = UNUSUAL | ACK
"""Of these the next bytes have ACK and no other."""
RESET_WINDOW = 1 << 20
"""How far ahead of what was delivered a RST may lie to be believed (RFC 5961, section 3.2: it must lie in the window)."""


def news(seg: Segment, other: Direction) -> bool:
    """Whether a segment acknowledges more than has been delivered of the other direction."""
    return (
        bool(seg.flags & ACK) and ((seg.ack - other.next_seq & MASK) < HALF or other.next_seq < 0) and seg.ack != other.next_seq
    )


class Segments:
    """Segments of one decoder's connections."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._strays = table.strays
        self._arrivals = Arrivals(table)
        self.arrival = self._arrivals.arrival

    def first(self, direction: Direction, seg: Segment) -> None:
        """The first segment with payload of a connection that is followed from here on."""
        if seg.seq == direction.next_seq and not seg.flags & UNUSUAL and seg.length == len(seg.payload):
            direction.next_seq = seg.seq + seg.length & MASK
            direction.take(seg.payload, seg.length, seg if seg.flags & ACK else stream_position(seg, seg.seq), cut=False)
        else:
            self.unusual(direction, seg)

    def unusual(self, direction: Direction, seg: Segment) -> None:
        """A segment that is not simply the next one of its direction."""
        connection, flags = direction.connection, seg.flags
        if self._of_another(direction, seg):
            return
        if news(seg, direction.other):
            direction.other.acknowledge(seg.ack, seg.ts_ns)
        in_order = seg.seq == direction.next_seq and direction.disorder is None
        if in_order and not seg.length and ends(seg) and not flags & (SYN | RST):
            connection.last_ns = seg.ts_ns
            direction.end(End.FINISHED)
        elif flags & RST:
            if direction.next_seq == UNKNOWN or 0 <= ahead(seg.seq, direction.next_seq) < RESET_WINDOW:
                self._table.reset(direction, seg)
            return
        else:
            connection.last_ns = seg.ts_ns
            direction.push(seg)
            direction.protocol.caught_up()
        if direction.ended and direction.other.ended:
            self._table.forget(direction)

    def _of_another(self, direction: Direction, seg: Segment) -> bool:
        """Whether a segment is of another connection with the same ports: then the one that had them may be over."""
        strays = self._strays
        if strays.kept and strays.answered(direction.connection, seg):
            return self._keep_stray(direction, seg)
        strange = bool(seg.flags & SYN) and not _began(direction, seg)
        if direction.next_seq == UNKNOWN and not strange:
            return self._first_of_direction(direction, seg)
        if self._arrivals.reopens(seg) if strange else seg.length and self._arrivals.supersedes(direction, seg):
            self._table.close(direction, seg.ts_ns, End.REPLACED)
            begun = self.arrival(seg)
            if begun is not None:
                self.first(begun, seg)
            return True
        return (strange or far(direction, seg)) and (not seg.length or self._keep_stray(direction, seg))

    def _keep_stray(self, direction: Direction, seg: Segment) -> bool:
        """A segment far from all that was seen, to be read when the other end shows that it is of another connection."""
        others = self._strays.keep(direction.connection, seg)
        if others:
            self._table.close(direction, seg.ts_ns, End.REPLACED)
        for each in others:
            known = self._table.directions.get(each.key)
            found = known or self.arrival(each)
            if found is not None:
                (self.unusual if known else self.first)(found, each)
        return True

    def _first_of_direction(self, direction: Direction, seg: Segment) -> bool:
        """Data, or an answer to the SYN: believed when data fits it, as there may be another one. True: that is all."""
        if seg.flags & (SYN | ACK) == SYN | ACK and not seg.length:
            self._table.openings.add(seg)
            return True
        if seg.length and not seg.flags & SYN:
            own = self._table.openings.evidence(seg, seg.seq).own
            direction.next_seq = seg.seq if own is None else own
        return False


def _began(direction: Direction, syn: Segment) -> bool:
    """Whether a SYN is one that began this connection: a repetition, or, where that one is not known, one that came late."""
    connection = direction.connection
    late = direction.next_seq == UNKNOWN or 0 <= ahead(direction.next_seq, syn.seq) <= MAX_EARLY
    if syn.flags & ACK and connection.generation:
        acked = ahead(syn.ack - 1 & MASK, connection.generation)
        return acked == 0 or (late and 0 < acked <= MAX_EARLY)  # more where data came with the SYN
    if syn.flags & ACK:
        return late
    if late and not connection.generation:
        connection.generation = syn.seq
        direction.protocol.opened_at(syn.seq + 1 & MASK)
    return connection.generation == syn.seq
