"""Segments of connections that are not followed: which of them begin one that is worth following.

A connection gets a place in the table when its bytes look like a protocol that is read. Before that its opening is remembered
(``openings``), so that scans and other protocols cost next to nothing; everything else costs a look at its first bytes.
"""

from pipeline.decode.position import MASK, UNKNOWN, ahead
from pipeline.decode.protocol import Start
from pipeline.decode.transport.direction import Direction
from pipeline.decode.transport.openings import MAX_EARLY, NOT_HTTP, Evidence, Opening
from pipeline.decode.transport.table import Table
from pipeline.model.connection import Connection
from pipeline.model.records import ACK, FIN, RST, SYN, Segment, reverse


class Arrivals:
    """Decides with what the table remembers of openings and of connections that are over."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._openings = table.openings
        self._recently_closed = table.recently_closed

    def arrival(self, seg: Segment) -> Direction | None:  # noqa: PLR0911  in the order of how common they are
        """The direction that a segment is for, if its connection is worth following now."""
        flags, payload, key = seg.flags, seg.payload, seg.key
        self._recently_closed.look(seg)
        openings = self._openings
        if flags & SYN:
            if self._recently_closed.opened(seg):
                return None
            openings.add(seg)
        if not payload:
            if flags & (FIN | RST) and not flags & SYN:
                openings.pop(key, None)
                openings.pop(reverse(key), None)
            return None
        known = openings.get(key)
        if known is NOT_HTTP and self._table.detector.midway(payload) is None:
            return None  # nearly all traffic that is not ours ends here
        seq = seg.seq + 1 & MASK if flags & SYN else seg.seq
        evidence = openings.evidence(seg, seq)
        if evidence.own is None or known is NOT_HTTP:
            return self._midway(seg, evidence._replace(own=None))
        fresh = type(known) is Opening and known.first == seq and known.answers == UNKNOWN
        if fresh and payload[:4] in self._table.detector.obvious:
            return self._begin(seg, evidence, client=True)
        if seq != evidence.own:
            return self._begin(seg, evidence, client=evidence.opener)
        return self._first(seg, evidence)

    def reopens(self, syn: Segment) -> bool:
        """Whether a SYN on a connection that is followed shows that there is another one: both ends say so."""
        if self._recently_closed.opened(syn):
            return False
        self._openings.add(syn)
        return self._openings.agreed(syn.key)

    def supersedes(self, direction: Direction, seg: Segment) -> bool:
        """Whether data on a connection that is followed is the first of another one, whose SYN came before."""
        openings = self._openings
        if not (seg.key in openings or reverse(seg.key) in openings) or 0 <= ahead(direction.next_seq, seg.seq) <= MAX_EARLY:
            return False
        return openings.evidence(seg, seg.seq).own == seg.seq

    def _first(self, seg: Segment, evidence: Evidence) -> Direction | None:
        """The first bytes of a direction. Who asked for the connection is the client, unless what they say shows otherwise."""
        client = self._table.detector.first(seg.payload, opener=evidence.opener)
        if client is None:
            self._openings.put(seg.key, NOT_HTTP)
            return None
        return self._begin(seg, evidence, client=client)

    def _midway(self, seg: Segment, evidence: Evidence) -> Direction | None:
        """Bytes that fit no opening, or stand behind some that nobody can read: followed where a message surely begins."""
        client = self._table.detector.midway(seg.payload)
        if client is None or self._recently_closed.has(seg):
            return None
        return self._begin(seg, evidence, client=client)

    def _begin(self, seg: Segment, evidence: Evidence, *, client: bool) -> Direction:
        """Follow a connection from this segment on, or from its opening where one fits."""
        key, back = seg.key, reverse(seg.key)
        openings = self._openings
        multipath = openings.multipath(key)
        begun, answered = openings.pop(key, None), openings.pop(back, None)
        own, beyond, opener = evidence
        seen = not own is beyond is None or begun is NOT_HTTP or answered is NOT_HTTP
        first = own if opener else beyond
        connection = Connection(key if client else back, seg.ts_ns, 0 if first is None else first - 1 & MASK, multipath)
        direction = self._table.follow(key, back, connection, client=client)
        direction.next_seq = (seg.seq + 1 & MASK if seg.flags & SYN else seg.seq) if own is None else own
        other = direction.other
        acked = seg.ack if seg.flags & ACK else UNKNOWN
        unread_upto = acked if answered is NOT_HTTP and own is not None and client else UNKNOWN
        found = seg.payload if seg.seq == direction.next_seq or seg.flags & SYN else b""
        start = Start(client, not seen, not seen and client, answered is NOT_HTTP, unread_upto, found)
        self._table.detector.start(direction, start)
        if beyond is not None and (client or answered is not NOT_HTTP):
            other.next_seq = beyond
        elif client or beyond is not None:
            other.next_seq = acked  # not where a response begins: its request may come a little later
        if answered is None:
            other.unheard = other.next_seq
        return direction
