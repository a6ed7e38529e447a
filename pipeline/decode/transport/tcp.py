"""One direction of a TCP connection: segments in any order → its bytes in order, each once, and holes where bytes are lost.

RFC 9293. Sequence numbers are compared modulo 2³². Of bytes that were sent twice the first copy counts, as the receiver had it
first. What is missing is waited for as long as it may merely be late; it is lost when the receiver has acknowledged it and it
still does not come, when too much has gathered behind it, or when time is up. Never raises, keeps a bounded number of segments.
"""

import msgspec

from pipeline.decode.message import UNKNOWN, Shared
from pipeline.model.records import ACK, FIN, SYN, FlowKey, Segment

MASK = 0xFFFFFFFF
HALF = 0x80000000
MAX_WAITING_SEGMENTS = 1024
MAX_WAITING_BYTES = 1 << 20
"""What may gather behind a hole: a receive window of usual size."""
SEGMENT_BYTES = 250
"""What a waiting segment costs beside its payload."""
REORDER_NS = 50_000_000
"""How much later a segment may appear than its acknowledgement: queues of a network card, and captures merged of several."""
MAX_JUMP = 1 << 29
"""How far ahead an acknowledgement may lie to be believed: half of the largest window there is (RFC 7323, section 2.3)."""


def ahead(seq: int, reference: int) -> int:
    """How far ``seq`` lies ahead of ``reference``; negative when behind."""
    return ((seq - reference + HALF) & MASK) - HALF


def ends(seg: Segment) -> bool:
    """Whether its sender is done; without ACK the receiver drops it (RFC 9293, section 3.10.7.4), so that it may be forged."""
    return seg.flags & (FIN | ACK) == FIN | ACK


class Disorder(msgspec.Struct, gc=False):
    """What a stream knows while bytes of it are missing: what came behind them, what was acknowledged, and since when."""

    since_ns: int
    acked: int = UNKNOWN
    bytes: int = 0
    segments: list[tuple[int, Segment]] = []  # a list of its own for each: msgspec copies it


class Stream(msgspec.Struct, gc=False, eq=False):
    """One direction, ``client`` when it carries requests. ``next_seq`` is the next byte to deliver, UNKNOWN before the first.

    ``unheard`` is the same while the other direction alone tells of this one, and nothing of it was captured, no SYN either.
    ``disorder`` is None while nothing is missing. Subclasses say what becomes of the bytes. Streams and conversations refer to
    each other, and the table takes these references away when it forgets a connection. So the collector of cycles need not
    know them: looking at those of 10,000 connections again and again cost a third of all time.
    """

    key: FlowKey
    shared: Shared
    client: bool
    next_seq: int = UNKNOWN
    unheard: int = UNKNOWN
    ended: bool = False
    disorder: Disorder | None = None
    other: "Stream" = None  # type: ignore[assignment]  # set as soon as both are there

    def data(self, data: bytes, seg: Segment, seq: int) -> None:
        """The next bytes, captured with ``seg``; the first of them is number ``seq``."""
        raise NotImplementedError

    def hole(self, count: int, seg: Segment, *, lost: bool) -> None:
        """The next ``count`` bytes are not there: ``lost``, or left out on purpose."""
        raise NotImplementedError

    def end(self, now_ns: int, error: str | None = None) -> None:
        """No more bytes will come: the sender said so (no ``error``), or why not."""
        raise NotImplementedError

    # -- what segments tell ----------------------------------------------------------------------------------------------

    def push(self, seg: Segment) -> None:
        """A segment that is not simply the next one."""
        seq = seg.seq + 1 & MASK if seg.flags & SYN else seg.seq
        if self.next_seq == UNKNOWN:
            self.next_seq = seq
        if self.disorder is None and self._deliver(seg, seq):
            return
        if ahead(seq + seg.length & MASK, self.next_seq) >= 0:
            self._queue(seg, seq)
        self._drain(seg.ts_ns)
        self.settle(seg.ts_ns)

    def acknowledge(self, ack: int, now_ns: int) -> None:
        """The receiver has everything before ``ack``, which lies ahead of what was delivered."""
        if self.next_seq == UNKNOWN:
            self.next_seq = self.unheard = ack
            return
        if self.ended or ahead(ack, self.next_seq) > MAX_JUMP:
            return
        disorder = self._disorder(now_ns)
        if disorder.acked == UNKNOWN or ahead(ack, disorder.acked) > 0:
            disorder.acked = ack
        self.settle(now_ns)

    def missing_before(self, ack: int) -> bool:
        """Whether bytes before ``ack`` have not been delivered."""
        return -1 not in {self.next_seq, ack} and not self.ended and ahead(ack, self.next_seq) > 0

    def awaits(self, ack: int) -> bool:
        """Whether bytes before ``ack`` may still come: some are missing, or none has come at all."""
        return self.missing_before(ack) or (self.next_seq == UNKNOWN != ack and not self.ended)

    @property
    def closing(self) -> bool:
        """Whether all that is missing is the one number that a FIN takes (RFC 9293, section 3.4): the capture lost it."""
        disorder = self.disorder
        return disorder is not None and not disorder.segments and ahead(disorder.acked, self.next_seq) == 1

    # -- what is missing -------------------------------------------------------------------------------------------------

    def settle(self, now_ns: int) -> None:
        """Give up what has been missing for too long."""
        while (disorder := self.disorder) is not None and not self.ended:
            age = now_ns - disorder.since_ns
            if not disorder.segments:
                if age >= REORDER_NS and self.missing_before(disorder.acked) and not self.closing:
                    self._lose(disorder.acked, None, now_ns)
                return
            first, seg = disorder.segments[0]
            covered = disorder.acked != UNKNOWN and ahead(disorder.acked, first) >= 0
            if (
                age < (REORDER_NS if covered else self.shared.reorder_ns)
                and len(disorder.segments) <= MAX_WAITING_SEGMENTS
                and disorder.bytes <= MAX_WAITING_BYTES
            ):
                return
            self._lose(first, seg, now_ns)

    def surrender(self, now_ns: int) -> None:
        """Nothing more will come: deliver what waits behind holes."""
        while (disorder := self.disorder) is not None and not self.ended:
            if disorder.segments:
                first, seg = disorder.segments[0]
                self._lose(first, seg, now_ns)
                continue
            if self.closing:
                self.end(now_ns)
            elif self.missing_before(disorder.acked):
                self._lose(disorder.acked, None, now_ns)
            break
        self.forget()

    def forget(self) -> None:
        """Let go of what waits."""
        if self.disorder is not None:
            self.shared.memory -= self.disorder.bytes
            self.disorder = None
            self.shared.disordered.pop(self, None)

    def _lose(self, upto: int, seg: Segment | None, now_ns: int) -> None:
        count = ahead(upto, self.next_seq)
        unseen = seg is None and self.next_seq == self.unheard != UNKNOWN
        self.next_seq = upto
        if count > 0:
            # A capture that shows one direction alone has lost nothing of the other.
            self.shared.count("decoder_unseen_bytes" if unseen else "decoder_lost_bytes", count)
            self.unheard = upto if unseen else UNKNOWN
            self.hole(count, seg or Segment(self.key, now_ns, upto, 0, 0, b"", 0), lost=True)
        self._drain(now_ns)

    def _deliver(self, seg: Segment, seq: int) -> bool:
        """Hand on what is new in a segment. False when it must wait for bytes in front of it."""
        skip = ahead(self.next_seq, seq)
        if skip < 0:
            return False
        length = seg.length - skip
        if length < 0 or self.ended or (not length and not ends(seg)):
            return True  # all of it was there before
        payload = seg.payload[skip:] if skip else seg.payload
        self.next_seq = seq + seg.length & MASK
        if payload:
            self.data(payload, seg, seq + skip & MASK)
        if length > len(payload):
            self.hole(length - len(payload), seg, lost=seg.cut)
        if ends(seg):
            self.end(seg.last_ns or seg.ts_ns)
        return True

    def _drain(self, now_ns: int) -> None:
        """Deliver what now follows; then wait for what fills the next hole, or stop waiting."""
        disorder = self.disorder
        if disorder is None:
            return
        moved = False
        while disorder.segments and self._deliver(disorder.segments[0][1], disorder.segments[0][0]):
            self._count(disorder, -SEGMENT_BYTES - len(disorder.segments.pop(0)[1].payload))
            moved = True
        if self.ended or not (disorder.segments or self.missing_before(disorder.acked)):
            self.forget()
        elif moved:
            # The next hole is as old as what came behind it.
            disorder.since_ns = min(now_ns, disorder.segments[0][1].ts_ns) if disorder.segments else now_ns

    def _queue(self, seg: Segment, seq: int) -> None:
        """Keep a segment until its turn, in the order of sequence numbers; of bytes that wait already the first copy counts."""
        segments = self._disorder(seg.ts_ns).segments
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

    def _insert(self, place: int, seq: int, seg: Segment) -> None:
        disorder = self.disorder
        if disorder is not None:
            disorder.segments.insert(place, (seq, seg))
            self._count(disorder, SEGMENT_BYTES + len(seg.payload))

    def _disorder(self, now_ns: int) -> Disorder:
        disorder = self.disorder
        if disorder is None:
            disorder = self.disorder = Disorder(now_ns)
            self.shared.disordered[self] = None
        return disorder

    def _count(self, disorder: Disorder, by: int) -> None:
        disorder.bytes += by
        self.shared.memory += by


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
