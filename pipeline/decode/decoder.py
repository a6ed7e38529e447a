"""The decoder: records of any number of connections → events. One dictionary look-up finds the direction a record belongs to.

Time is that of the records, or what ``expire`` is told. Nothing off the wire raises: a failure of decode itself is counted as
``decoder_internal_errors`` and costs the record that met it.
"""

from collections.abc import Callable, Sequence

from pipeline.decode.http1.bodies import CLOSED, UNSEEN
from pipeline.decode.http1.reader import Reader
from pipeline.decode.message import UNKNOWN, Shared
from pipeline.decode.options import DecodeOptions
from pipeline.decode.pairing.pairing import Conversation
from pipeline.decode.transport.openings import ANSWERS, MAX_EARLY
from pipeline.decode.transport.strays import far
from pipeline.decode.transport.table import Table
from pipeline.decode.transport.tcp import HALF, MASK, Stream, ahead, ends
from pipeline.model.events.event import Event
from pipeline.model.records import ACK, FIN, RST, SYN, Chunk, Closed, Gap, Opened, Record, Segment, reverse

SECOND = 1_000_000_000
RESET_WINDOW = 1 << 20
"""How far ahead of what was delivered a RST may lie to be believed (RFC 5961, section 3.2: it must lie in the window)."""

_SPECIAL = SYN | FIN | RST


def _began(conversation: Conversation, reader: Reader, syn: Segment) -> bool:
    """Whether a SYN is one that began this connection: a repetition, or, where that one is not known, one that came late."""
    late = reader.next_seq == UNKNOWN or 0 <= ahead(reader.next_seq, syn.seq) <= MAX_EARLY
    if syn.flags & ACK and conversation.generation:
        acked = ahead(syn.ack - 1 & MASK, conversation.generation)
        return acked == 0 or (late and 0 < acked <= MAX_EARLY)  # more where data came with the SYN
    if syn.flags & ACK:
        return late
    if late and not conversation.generation:
        conversation.generation = syn.seq
        if not conversation.sequence and [request.seq for request in conversation.pending[:1]] == [syn.seq + 1 & MASK]:
            conversation.marks = 0  # nothing was in front of it
    return conversation.generation == syn.seq


def _news(seg: Segment, other: Stream) -> bool:
    """Whether a segment acknowledges more than has been delivered of the other side."""
    return (
        bool(seg.flags & ACK) and ((seg.ack - other.next_seq & MASK) < HALF or other.next_seq < 0) and seg.ack != other.next_seq
    )


class Decoder:
    """Feed it records in the order they were captured; it gives back the events that are complete."""

    def __init__(
        self,
        options: DecodeOptions,
        *,
        source: str,
        capture: str = "packet",
        keep_heads: bool = False,
        count: Callable[[str, int], None] = lambda _name, _by: None,
    ) -> None:
        self._shared = Shared(options, source=source, capture=capture, keep_heads=keep_heads, count=count)
        self._table = Table(options, self._shared)
        self._max_memory = options.max_memory_bytes
        self._latest_ns = 0
        self._next_expiry_ns = self._rewound_ns = 0

    @property
    def held_exchanges(self) -> int:
        """Exchanges of which something was seen that is not reported yet."""
        return self._shared.held

    @property
    def connections(self) -> int:
        """HTTP connections that are followed."""
        return len(self._table.readers) // 2

    @property
    def held_bytes(self) -> int:
        """Bytes held back for heads, bodies and segments out of order."""
        return self._shared.memory

    def feed(self, records: Sequence[Record]) -> list[Event]:  # noqa: C901, PLR0912  the hot loop: a call more per record costs 0.1 µs
        """The events that these records complete."""
        find, arrival = self._table.readers.get, self._table.arrival
        shared, most = self._shared, self._max_memory
        before = self._latest_ns
        for record in records:
            ts_ns = record.ts_ns
            if not self._rewound_ns <= ts_ns < self._next_expiry_ns or shared.memory > most:
                self._look(before, ts_ns)
            before = ts_ns
            try:
                reader = find(record.key)
                if type(record) is not Segment:
                    self._other(reader, record)
                    continue
                if reader is None:
                    if record.length or record.flags & _SPECIAL:
                        reader = arrival(record)
                        if reader is not None:
                            self._begin(reader, record)
                    continue
                if record.seq != reader.next_seq or record.flags & _SPECIAL or reader.disorder is not None:
                    self._special(reader, record)
                    continue
                other = reader.other
                if record.ack != other.next_seq and _news(record, other):
                    other.acknowledge(record.ack, ts_ns)
                length = record.length
                if length:
                    seq = record.seq
                    payload = record.payload
                    reader.next_seq = seq + length & MASK
                    reader.conversation.last_ns = ts_ns
                    if payload:
                        reader.data(payload, record, seq)
                    if length > len(payload):
                        reader.hole(length - len(payload), record, lost=record.cut)
            except Exception:  # noqa: BLE001  hostile bytes must not stop the capture; every test asserts that this stays 0
                self._shared.count("decoder_internal_errors", 1)
        self._latest_ns = before
        if shared.memory > most:
            self._relieve(before)
        return self._take()

    def expire(self, now_ns: int) -> list[Event]:
        """What is overdue at ``now_ns``: requests without a response, connections without traffic, segments that never came."""
        self._expire(now_ns)
        return self._take()

    def finish(self) -> list[Event]:
        """The end of input: everything that is held, marked. To be called always: it frees what no collector looks for."""
        table = self._table
        for reader in list(table.readers.values()):
            try:
                if table.readers.get(reader.key) is reader:
                    table.close(reader.conversation, reader.conversation.last_ns, UNSEEN)
            except Exception:  # noqa: BLE001  as in feed
                self._shared.count("decoder_internal_errors", 1)
        return self._take()

    def _take(self) -> list[Event]:
        shared = self._shared
        events, shared.events = shared.events, []
        return events

    # -- records that are not simply the next one ------------------------------------------------------------------------

    def _begin(self, reader: Reader, seg: Segment) -> None:
        """The first segment with payload of a connection that is followed from here on."""
        if seg.seq == reader.next_seq and not seg.flags & _SPECIAL and seg.length == len(seg.payload):
            reader.next_seq = seg.seq + seg.length & MASK
            reader.data(seg.payload, seg, seg.seq)
        else:
            self._special(reader, seg)

    def _special(self, reader: Reader, seg: Segment) -> None:
        conversation, flags = reader.conversation, seg.flags
        if self._of_another(reader, seg):
            return
        if _news(seg, reader.other):
            reader.other.acknowledge(seg.ack, seg.ts_ns)
        if ends(seg) and not flags & (SYN | RST) and not seg.length and seg.seq == reader.next_seq and reader.disorder is None:
            conversation.last_ns = seg.ts_ns
            reader.end(seg.ts_ns)
            if conversation.closed:
                self._table.forget(conversation)
        elif flags & RST:
            if reader.next_seq == UNKNOWN or 0 <= ahead(seg.seq, reader.next_seq) < RESET_WINDOW:
                self._table.reset(conversation, reader, seg)
        else:
            conversation.last_ns = seg.ts_ns
            reader.push(seg)
            if conversation.doubt is not None:
                conversation.review()
            if conversation.closed:
                self._table.forget(conversation)

    def _of_another(self, reader: Reader, seg: Segment) -> bool:
        """Whether a segment is of another connection with the same ports: then the one that had them may be over."""
        conversation = reader.conversation
        if self._table.strays.answered(conversation, seg):
            return self._keep_stray(conversation, seg)
        strange = bool(seg.flags & SYN) and not _began(conversation, reader, seg)
        if reader.next_seq == UNKNOWN and not strange:
            return self._first_of_direction(reader, seg)
        over = self._table.reopens(seg) if strange else bool(seg.length) and self._table.supersedes(reader, seg)
        if over:
            self._table.close(conversation, seg.ts_ns, CLOSED)
            begun = self._table.arrival(seg)
            if begun is not None:
                self._begin(begun, seg)
            return True
        return (strange or far(reader, seg)) and (not seg.length or self._keep_stray(conversation, seg))

    def _keep_stray(self, conversation: Conversation, seg: Segment) -> bool:
        """A segment far from all that was seen, to be read when the other end shows that it is of another connection."""
        others = self._table.strays.keep(conversation, seg)
        if others:
            self._table.close(conversation, seg.ts_ns, CLOSED)
        for each in others:
            known = self._table.readers.get(each.key)
            reader = known or self._table.arrival(each)
            if reader is not None:
                (self._special if known else self._begin)(reader, each)
        return True

    def _first_of_direction(self, reader: Reader, seg: Segment) -> bool:
        """Data, or an answer to the SYN: believed when data fits it, as there may be another one. True: that is all."""
        if seg.flags & (SYN | ACK) == SYN | ACK and not seg.length:
            self._table.openings.add(seg)
            return True
        if seg.length and not seg.flags & SYN:
            own = self._table.openings.evidence(seg, seg.seq).own
            reader.next_seq = seg.seq if own is None else own
        return False

    def _other(self, reader: Reader | None, record: Record) -> None:
        """What byte streams and their ends say; streams have no sequence numbers and are always in order."""
        match record:
            case Chunk():
                reader = reader or self._table.stream(record.key, record.ts_ns, record.payload)
                if reader is not None:
                    seq = max(reader.next_seq, 0)
                    reader.next_seq = seq
                    reader.push(Segment(record.key, record.ts_ns, seq, 0, 0, record.payload, record.length))
                    reader.conversation.last_ns = record.ts_ns
            case Opened():
                if reader is not None:
                    self._table.close(reader.conversation, record.ts_ns, CLOSED)
                self._table.openings.put(record.key, 0)
                self._table.openings.put(reverse(record.key), ANSWERS)
            case Gap() if reader is not None:
                nothing = Segment(record.key, record.ts_ns, max(reader.next_seq, 0), 0, 0, b"", 0)
                reader.hole(record.length or 1, nothing, lost=True)
            case Closed() if reader is not None:
                self._table.close(reader.conversation, record.ts_ns, UNSEEN if record.unseen else None)

    # -- time and memory: looked at between any two records, so that it does not matter how they fall into batches ---------

    def _look(self, before_ns: int, ts_ns: int) -> None:
        """Keep the bound on memory, and let time go on, as far as two records in a row say.

        So a single stamp of garbage from the far future does not end all connections. Time goes back where one capture follows
        another; a little disorder, as in a merged one, is no reason to.
        """
        self._relieve(before_ns)
        if min(before_ns, ts_ns) >= self._next_expiry_ns:
            self._expire(min(before_ns, ts_ns))
        elif max(before_ns, ts_ns) < self._rewound_ns:
            self._set_clock(max(before_ns, ts_ns))

    def _relieve(self, now_ns: int) -> None:
        try:
            self._table.relieve(now_ns)
        except Exception:  # noqa: BLE001  as in feed
            self._shared.count("decoder_internal_errors", 1)

    def _set_clock(self, now_ns: int) -> None:
        self._next_expiry_ns, self._rewound_ns = now_ns + SECOND, now_ns - SECOND

    def _expire(self, now_ns: int) -> None:
        self._set_clock(now_ns)
        table = self._table
        try:
            for stream in list(self._shared.disordered):
                stream.settle(now_ns)
            table.settle_resets(now_ns)
            for conversation, idle in table.timers.due(now_ns):
                if idle or conversation.closed:
                    table.close(conversation, now_ns, "timeout")
                else:
                    conversation.overdue()
        except Exception:  # noqa: BLE001  as in feed
            self._shared.count("decoder_internal_errors", 1)
