"""One direction of a connection: segments in any order → its bytes in order, each once, and gaps where bytes are lost.

What is missing is waited for as long as it may merely be late; it is given up when the receiver has acknowledged it and it still
does not come, when too much has gathered behind it, or when time is up. Never raises, keeps a bounded number of segments.
"""

from collections.abc import Iterator
from itertools import islice

import msgspec

from pipeline.decode.position import MASK, UNKNOWN, At, StreamPosition, ahead
from pipeline.decode.protocol import End, Missing, Protocol
from pipeline.decode.shared import Shared
from pipeline.decode.transport.disorder import Disorder, ends
from pipeline.model.connection import Connection
from pipeline.model.records import ACK, SYN, FlowKey, Segment

MAX_WAITING_SEGMENTS = 1024
MAX_WAITING_BYTES = 1 << 20
"""What may gather behind a gap: a receive window of usual size."""
REORDER_NS = 50_000_000
"""How much later a segment may appear than its acknowledgement: queues of a network card, and captures merged of several."""
MAX_JUMP = 1 << 29
"""How far ahead an acknowledgement may lie to be believed: half of the largest window there is (RFC 7323, section 2.3)."""
MAX_EARLY = 16
"""Segments behind a gap that others may look at: more than a client that waits for each response sends meanwhile."""


class Direction(msgspec.Struct, gc=False, eq=False):
    """``client``: it carries requests. ``next_seq`` is the next byte to deliver, UNKNOWN before the first.

    ``unheard`` is the same while the other direction alone tells of this one, and nothing of it was captured, no SYN either.
    ``disorder`` is None while nothing is missing. ``due`` is when to look at the connection again (``timers``).
    Of the client: for how many exchanges the compiled lane does not get the connection back (``patience``), and until which one
    it ``stays``.

    Directions and their protocols refer to each other, and the table takes these references away when it forgets a connection.
    So the collector of cycles need not know them: looking at those of 10,000 connections again and again cost a third of all
    time.
    """

    key: FlowKey
    shared: Shared
    connection: Connection
    client: bool
    next_seq: int = UNKNOWN
    unheard: int = UNKNOWN
    ended: bool = False
    disorder: Disorder | None = None
    other: "Direction" = None  # type: ignore[assignment]  # these are set as soon as both are there
    protocol: Protocol = None  # type: ignore[assignment]
    due: int = 0
    patience: int = 0
    stays: int = 0

    # -- what segments tell ----------------------------------------------------------------------------------------------

    def push(self, seg: Segment) -> None:
        """A segment that is not simply the next one."""
        seq = seg.seq + 1 & MASK if seg.flags & SYN else seg.seq
        if self.next_seq == UNKNOWN:
            self.next_seq = seq
        if self.disorder is None and self._deliver(seg, seq):
            return
        if ahead(seq + seg.length & MASK, self.next_seq) >= 0:
            disorder = self._disorder(seg.ts_ns)
            before = disorder.bytes
            disorder.add(seg, seq)
            self.shared.memory += disorder.bytes - before
        self._drain(seg.ts_ns)
        self.give_up_overdue(seg.ts_ns)

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
        self.give_up_overdue(now_ns)

    def end(self, why: End) -> None:
        """No more bytes will come. The other direction may then wait for nothing but a FIN that the capture lost."""
        if not self.ended:
            self.ended = True
            self.protocol.end(why)
            if self.other.closing:
                self.other.give_up_all(self.connection.last_ns)

    # -- what others may know: ``position.Progress`` -----------------------------------------------------------------------

    @property
    def incomplete(self) -> bool:
        """Whether bytes are missing that may still come."""
        return self.disorder is not None

    def awaits(self, ack: int) -> bool:
        """Whether bytes before ``ack`` may still come: some are missing, or none has come at all."""
        return self.missing_before(ack) or (self.next_seq == UNKNOWN != ack and not self.ended)

    def early(self) -> Iterator[tuple[int, bytes]]:
        """The first of what came behind missing bytes: what its sender had received, and the bytes."""
        if self.disorder is not None:
            for _, seg in islice(self.disorder.segments, MAX_EARLY):
                if seg.payload:
                    yield seg.ack, seg.payload

    def missing_before(self, ack: int) -> bool:
        """Whether bytes before ``ack`` have not been delivered."""
        return -1 not in {self.next_seq, ack} and not self.ended and ahead(ack, self.next_seq) > 0

    @property
    def closing(self) -> bool:
        """Whether all that is missing is the one number that a FIN takes (RFC 9293, section 3.4): the capture lost it."""
        disorder = self.disorder
        return disorder is not None and not disorder.segments and ahead(disorder.acked, self.next_seq) == 1

    # -- what is missing -------------------------------------------------------------------------------------------------

    def give_up_overdue(self, now_ns: int) -> None:
        """Give up what has been missing for too long."""
        while (disorder := self.disorder) is not None and not self.ended:
            age = now_ns - disorder.since_ns
            if not disorder.segments:
                if age >= REORDER_NS and self.missing_before(disorder.acked) and not self.closing:
                    self._give_up(disorder.acked, None, now_ns)
                return
            first, seg = disorder.segments[0]
            covered = disorder.acked != UNKNOWN and ahead(disorder.acked, first) >= 0
            if (
                age < (REORDER_NS if covered else self.shared.reorder_ns)
                and len(disorder.segments) <= MAX_WAITING_SEGMENTS
                and disorder.bytes <= MAX_WAITING_BYTES
            ):
                return
            self._give_up(first, seg, now_ns)

    def give_up_all(self, now_ns: int) -> None:
        """Nothing more will come: deliver what waits behind gaps."""
        while (disorder := self.disorder) is not None and not self.ended:
            if disorder.segments:
                first, seg = disorder.segments[0]
                self._give_up(first, seg, now_ns)
                continue
            if self.closing:
                self.end(End.FINISHED)
            elif self.missing_before(disorder.acked):
                self._give_up(disorder.acked, None, now_ns)
            break
        self.forget()

    def forget(self) -> None:
        """Let go of what waits."""
        if self.disorder is not None:
            self.shared.memory -= self.disorder.bytes
            self.disorder = None
            self.shared.out_of_order.pop(self, None)

    def _give_up(self, upto: int, seg: Segment | None, now_ns: int) -> None:
        """Bytes up to ``upto``, where ``seg`` stands, will not come."""
        begin = self.next_seq
        count = ahead(upto, begin)
        unseen = seg is None and begin == self.unheard != UNKNOWN
        self.next_seq = upto
        if count > 0:
            # A capture that shows one direction alone has lost nothing of the other.
            self.shared.count("decoder_unseen_bytes" if unseen else "decoder_lost_bytes", count)
            self.unheard = upto if unseen else UNKNOWN
            at = StreamPosition(begin, now_ns) if seg is None else stream_position(seg, begin)
            self.protocol.gap(count, at, Missing.UNSEEN if unseen else Missing.LOST)
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
        self.take(payload, length, stream_position(seg, seq + skip & MASK), cut=seg.cut)
        if ends(seg):
            self.end(End.FINISHED)
        return True

    def take(self, payload: bytes, length: int, at: At, *, cut: bool) -> None:
        """The next ``length`` bytes, of which ``payload`` was captured; ``cut``: by a bound, and not on purpose."""
        if payload:
            switch = self.protocol.data(payload, at)
            if switch is not None:
                self.shared.switch(self, switch)
        if length > len(payload):
            self.skip(length - len(payload), at, cut=cut)

    def skip(self, count: int, at: At, *, cut: bool) -> None:
        """The ``count`` bytes before ``next_seq`` were on the wire and are not in the record that came with ``at``."""
        begin = StreamPosition(self.next_seq - count & MASK, at.ts_ns, at.last_ns, at.ack)
        self.protocol.gap(count, begin, Missing.LOST if cut else Missing.LEFT_OUT)

    def _drain(self, now_ns: int) -> None:
        """Deliver what now follows; then wait for what fills the next gap, or stop waiting."""
        disorder = self.disorder
        if disorder is None:
            return
        moved = False
        while disorder.segments and self._deliver(disorder.segments[0][1], disorder.segments[0][0]):
            before = disorder.bytes
            disorder.pop()
            self.shared.memory += disorder.bytes - before
            moved = True
        if self.ended or not (disorder.segments or self.missing_before(disorder.acked)):
            self.forget()
        elif moved:
            # The next gap is as old as what came behind it.
            disorder.since_ns = min(now_ns, disorder.segments[0][1].ts_ns) if disorder.segments else now_ns

    def _disorder(self, now_ns: int) -> Disorder:
        disorder = self.disorder
        if disorder is None:
            disorder = self.disorder = Disorder(now_ns)
            self.shared.out_of_order[self] = None
        return disorder


def stream_position(seg: Segment, seq: int) -> StreamPosition:
    """Where and when bytes of a segment were seen, from ``seq`` on."""
    return StreamPosition(seq, seg.ts_ns, seg.last_ns, seg.ack if seg.flags & ACK else UNKNOWN)
