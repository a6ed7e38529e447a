"""Segments that came ahead of bytes that are still missing: kept in order, each byte once, until their turn comes.

Of bytes that were sent twice the first copy counts, as the receiver had it first (RFC 9293, section 3.10.7.4).
"""

import msgspec

from pipeline.decode.position import MASK, UNKNOWN, ahead
from pipeline.model.records import ACK, FIN, SYN, Segment

SEGMENT_BYTES = 250
"""What a waiting segment costs beside its payload."""


def ends(seg: Segment) -> bool:
    """Whether its sender is done; without ACK the receiver drops it (RFC 9293, section 3.10.7.4), so that it may be forged."""
    return seg.flags & (FIN | ACK) == FIN | ACK


class Disorder(msgspec.Struct, gc=False):
    """What is known while bytes are missing: what came behind them, up to where they were acknowledged, and since when.

    ``bytes`` is what it costs in memory.
    """

    since_ns: int
    acked: int = UNKNOWN
    bytes: int = 0
    segments: list[tuple[int, Segment]] = []  # a list of its own for each: msgspec copies it

    def add(self, seg: Segment, seq: int) -> None:
        """Keep what is new in a segment that begins at ``seq``."""
        segments = self.segments
        while seg.length or ends(seg):
            place = len(segments)
            while place and ahead(segments[place - 1][0], seq) > 0:
                place -= 1
            if place and not seg.length and segments[place - 1][0] == seq:
                return
            if place and seg.length:
                before, known = segments[place - 1]
                overlap = ahead(before + known.length, seq)
                if overlap >= seg.length and not ends(seg):
                    return
                if 0 < overlap < seg.length:
                    seg, seq = tail(seg, seq, overlap)
                    continue
            room = ahead(segments[place][0], seq) if place < len(segments) else seg.length
            if room >= seg.length:
                self._insert(place, seq, seg)
                return
            if room:
                self._insert(place, seq, head(seg, seq, room))
            overlap = room + segments[place + bool(room)][1].length
            if overlap >= seg.length:
                return
            seg, seq = tail(seg, seq, overlap)

    def pop(self) -> None:
        """The first one's turn has come."""
        _, seg = self.segments.pop(0)
        self.bytes -= SEGMENT_BYTES + len(seg.payload)

    def _insert(self, place: int, seq: int, seg: Segment) -> None:
        self.segments.insert(place, (seq, seg))
        self.bytes += SEGMENT_BYTES + len(seg.payload)


def head(seg: Segment, seq: int, count: int) -> Segment:
    """The first ``count`` bytes of a segment."""
    return Segment(seg.key, seg.ts_ns, seq, seg.ack, seg.flags & ~(FIN | SYN), seg.payload[:count], count, seg.last_ns, seg.cut)


def tail(seg: Segment, seq: int, count: int) -> tuple[Segment, int]:
    """A segment without its first ``count`` bytes, and where it begins then."""
    begin = seq + count & MASK
    rest = Segment(
        seg.key, seg.ts_ns, begin, seg.ack, seg.flags & ~SYN, seg.payload[count:], seg.length - count, seg.last_ns, seg.cut
    )
    return rest, begin
