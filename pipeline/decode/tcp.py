"""One direction of a TCP connection: segments in any order → its bytes in order, each once, and holes where bytes are lost.

RFC 9293. Sequence numbers are compared modulo 2³². Of bytes that were sent twice the first copy counts, as the receiver had it
first. What is missing is waited for as long as it may merely be late; it is lost when the receiver has acknowledged it and it
still does not come, when too much has gathered behind it, or when time is up. Never raises, keeps a bounded number of segments.
"""

from collections.abc import Iterator

from pipeline.decode.message import UNKNOWN, Shared
from pipeline.model.records import FIN, SYN, FlowKey, Segment

MASK = 0xFFFFFFFF
HALF = 0x80000000
MAX_WAITING_SEGMENTS = 1024
MAX_WAITING_BYTES = 1 << 20
"""What may gather behind a hole: a receive window of usual size."""
REORDER_NS = 50_000_000
"""How much later a segment may appear than the acknowledgement of it: queues of a network card and merged captures are that far apart."""


def ahead(seq: int, reference: int) -> int:
    """How far ``seq`` lies ahead of ``reference``; negative when behind."""
    return ((seq - reference + HALF) & MASK) - HALF


class Stream:
    """One direction. ``next_seq`` is the next byte to deliver, UNKNOWN before the first; subclasses say what becomes of the bytes."""

    __slots__ = ("_waiting", "_waiting_bytes", "acked", "ended", "key", "next_seq", "other", "shared", "waiting_since")

    def __init__(self, key: FlowKey, shared: Shared, next_seq: int = UNKNOWN) -> None:
        self.key = key
        self.shared = shared
        self.next_seq = next_seq
        self.other: Stream = self
        self.acked = UNKNOWN
        self.ended = False
        self.waiting_since = 0
        self._waiting: list[tuple[int, Segment]] | None = None
        self._waiting_bytes = 0

    def data(self, data: bytes, seg: Segment, seq: int) -> None:
        """The next bytes, captured with ``seg``; the first of them is number ``seq``."""
        raise NotImplementedError

    def hole(self, count: int, seg: Segment, *, lost: bool) -> None:
        """The next ``count`` bytes are not there: ``lost``, or left out on purpose."""
        raise NotImplementedError

    def end(self, now_ns: int, error: str | None = None) -> None:
        """No more bytes will come: the sender said so (no ``error``), or why not."""
        raise NotImplementedError

    def push(self, seg: Segment) -> None:
        """A segment that is not simply the next one."""
        seq = seg.seq + 1 & MASK if seg.flags & SYN else seg.seq
        if self.next_seq == UNKNOWN:
            self.next_seq = seq
        offset = ahead(seq, self.next_seq)
        if offset <= 0:
            if offset + seg.length > 0 or (offset + seg.length == 0 and seg.flags & FIN):
                self._deliver(seg, seq, -offset)
                self._drain(seg.ts_ns)
        elif seg.length or seg.flags & FIN:
            self._queue(seg, seq, offset)
            self.settle(seg.ts_ns)

    def acknowledge(self, ack: int, now_ns: int) -> None:
        """The receiver has everything before ``ack``, which lies ahead of what was delivered."""
        if self.next_seq == UNKNOWN:
            self.next_seq = ack
            return
        if self.ended or ahead(ack, self.next_seq) > HALF >> 2:
            return
        if self.acked == UNKNOWN or ahead(ack, self.acked) > 0:
            self.acked = ack
        self._watch(now_ns)
        self.settle(now_ns)

    def missing_before(self, ack: int) -> bool:
        """Whether bytes before ``ack`` have not been delivered."""
        return self.next_seq != UNKNOWN and ack != UNKNOWN and not self.ended and ahead(ack, self.next_seq) > 0

    def settle(self, now_ns: int) -> None:
        """Give up what has been missing for too long."""
        while self.waiting_since and not self.ended:
            age = now_ns - self.waiting_since
            if not self._waiting:
                if age < REORDER_NS or ahead(self.acked, self.next_seq) <= 1:
                    # One byte that nothing follows is the sequence number of a FIN that the capture lost (RFC 9293, 3.4).
                    return
                self._lose(self.acked, None, now_ns)
                return
            first, seg = self._waiting[0]
            covered = self.acked != UNKNOWN and ahead(self.acked, first) >= 0
            if (
                age < (REORDER_NS if covered else self.shared.reorder_ns)
                and len(self._waiting) <= MAX_WAITING_SEGMENTS
                and self._waiting_bytes <= MAX_WAITING_BYTES
            ):
                return
            self._lose(first, seg, now_ns)

    def surrender(self, now_ns: int) -> None:
        """Nothing more will come: deliver what waits behind holes."""
        while self._waiting and not self.ended:
            first, seg = self._waiting[0]
            self._lose(first, seg, now_ns)
        if not self.ended and self.acked != UNKNOWN and self.next_seq != UNKNOWN and ahead(self.acked, self.next_seq) > 1:
            self._lose(self.acked, None, now_ns)
        self.forget()

    def forget(self) -> None:
        """Let go of what waits."""
        self.shared.memory -= self._waiting_bytes
        self._waiting, self._waiting_bytes, self.waiting_since = None, 0, 0
        self.shared.holed.pop(self, None)

    def _lose(self, upto: int, seg: Segment | None, now_ns: int) -> None:
        count = ahead(upto, self.next_seq)
        self.next_seq = upto
        if count > 0:
            self.shared.count("decoder_lost_bytes", count)
            self.hole(count, seg or Segment(self.key, now_ns, upto, UNKNOWN, 0, b"", 0), lost=True)
        self._drain(now_ns)

    def _deliver(self, seg: Segment, seq: int, skip: int) -> None:
        if self.ended:
            return
        payload = seg.payload[skip:] if skip else seg.payload
        length = seg.length - skip
        self.next_seq = seq + seg.length & MASK
        if payload:
            self.data(payload, seg, seq + skip & MASK)
        if length > len(payload):
            self.hole(length - len(payload), seg, lost=seg.cut)
        if seg.flags & FIN and not self.ended:
            self.end(seg.last_ns or seg.ts_ns)

    def _drain(self, now_ns: int) -> None:
        """Deliver what now follows; then start waiting for the next hole, or stop waiting."""
        for seq, seg in self._ready():
            offset = ahead(seq, self.next_seq)
            if offset + seg.length > 0 or (offset + seg.length == 0 and seg.flags & FIN):
                self._deliver(seg, seq, -offset)
        if self.ended:
            self.forget()
        elif self._waiting:
            self.waiting_since = now_ns
        elif self.waiting_since and not (self.acked != UNKNOWN and ahead(self.acked, self.next_seq) > 0):
            self.forget()

    def _ready(self) -> Iterator[tuple[int, Segment]]:
        while self._waiting and not self.ended and ahead(self._waiting[0][0], self.next_seq) <= 0:
            seq, seg = self._waiting.pop(0)
            self._waiting_bytes -= len(seg.payload)
            self.shared.memory -= len(seg.payload)
            yield seq, seg

    def _queue(self, seg: Segment, seq: int, offset: int) -> None:
        waiting = self._waiting
        if waiting is None:
            waiting = self._waiting = []
        place = len(waiting)
        while place and ahead(waiting[place - 1][0], self.next_seq) > offset:
            place -= 1
        if place and waiting[place - 1][0] == seq and waiting[place - 1][1].length >= seg.length:
            return  # a repetition of what waits already: the first copy counts
        waiting.insert(place, (seq, seg))
        self._waiting_bytes += len(seg.payload)
        self.shared.memory += len(seg.payload)
        self._watch(seg.ts_ns)

    def _watch(self, now_ns: int) -> None:
        if not self.waiting_since:
            self.waiting_since = now_ns
            self.shared.holed[self] = None
