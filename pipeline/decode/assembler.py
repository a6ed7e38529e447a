"""The decoder: records of any number of connections → events. One dictionary look-up finds the direction a record belongs to.

Connections get an entry when bytes on them look like HTTP/1: an opening alone is remembered in a few bytes, everything else costs a
look at its first byte. Time is that of the records, or what ``expire`` is told. Nothing off the wire raises: a failure of decode
itself is counted as ``decoder_internal_errors`` and costs the record that met it.
"""

from collections.abc import Callable, Sequence

from pipeline.decode.detect import begins_request, begins_response, may_begin_request, may_begin_response
from pipeline.decode.http1 import SEEK, Reader
from pipeline.decode.message import Shared
from pipeline.decode.options import DecodeOptions
from pipeline.decode.pairing import Conversation
from pipeline.decode.tcp import HALF, MASK, UNKNOWN, ahead
from pipeline.decode.timers import Timers
from pipeline.model.exchange import Event
from pipeline.model.records import ACK, FIN, RST, SYN, Chunk, Closed, FlowKey, Gap, Opened, Record, Segment, reverse

SECOND = 1_000_000_000
NOT_HTTP = -1
_ANSWERED = 1 << 32
_SPECIAL = SYN | FIN | RST


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
        self._shared = Shared(options, source, capture, keep_heads, count)
        self._options = options
        self._readers: dict[FlowKey, Reader] = {}
        self._openings: dict[FlowKey, int] = {}
        self._timers = Timers(options)
        self._next_expiry_ns = 0

    @property
    def held_exchanges(self) -> int:
        """Exchanges of which something was seen that is not reported yet."""
        return self._shared.held

    @property
    def connections(self) -> int:
        """HTTP connections that are followed."""
        return len(self._readers) // 2

    @property
    def held_bytes(self) -> int:
        """Bytes held back for heads, bodies and segments out of order."""
        return self._shared.memory

    def feed(self, records: Sequence[Record]) -> list[Event]:
        """The events that these records complete."""
        readers = self._readers
        shared = self._shared
        for record in records:
            try:
                reader = readers.get(record.key)
                if type(record) is not Segment:
                    self._other(reader, record)
                    continue
                if reader is None:
                    self._stranger(record)
                    continue
                other = reader.other
                if record.ack != other.next_seq and record.flags & ACK:
                    ahead_by = record.ack - other.next_seq & MASK
                    if ahead_by < HALF or other.next_seq < 0:
                        other.acknowledge(record.ack, record.ts_ns)
                length = record.length
                if record.seq != reader.next_seq or record.flags & _SPECIAL or reader.waiting_since:
                    self._special(reader, record)
                elif length:
                    seq = record.seq
                    payload = record.payload
                    reader.next_seq = seq + length & MASK
                    reader.conversation.last_ns = record.ts_ns
                    if payload:
                        reader.data(payload, record, seq)
                    if length > len(payload):
                        reader.hole(length - len(payload), record, lost=record.cut)
            except Exception:  # noqa: BLE001  hostile bytes must not stop the capture; every test asserts that this stays 0
                shared.count("decoder_internal_errors", 1)
        if records:
            now_ns = records[-1].ts_ns
            if now_ns >= self._next_expiry_ns or now_ns < self._next_expiry_ns - 2 * SECOND:
                self._expire(now_ns)
        return self._take()

    def expire(self, now_ns: int) -> list[Event]:
        """What is overdue at ``now_ns``: requests without a response, connections without traffic, segments that never came."""
        self._expire(now_ns)
        return self._take()

    def finish(self) -> list[Event]:
        """The end of input: everything that is held, marked."""
        for reader in list(self._readers.values()):
            self._close(reader.conversation, reader.conversation.last_ns, "timeout")
        self._openings.clear()
        return self._take()

    def _take(self) -> list[Event]:
        shared = self._shared
        events, shared.events = shared.events, []
        return events

    # -- records that are not simply the next one ------------------------------------------------------------------------

    def _special(self, reader: Reader, seg: Segment) -> None:
        conversation = reader.conversation
        flags = seg.flags
        if flags & SYN and self._reopens(reader, seg):
            self._close(conversation, seg.ts_ns, "closed")
            self._stranger(seg)
            return
        if flags & RST:
            offset = ahead(seg.seq, reader.next_seq)
            if reader.next_seq == UNKNOWN or 0 <= offset < 1 << 20:
                self._close(conversation, seg.ts_ns, "reset")
            return
        conversation.last_ns = seg.ts_ns
        reader.push(seg)
        if conversation.closed:
            self._forget(conversation)

    @staticmethod
    def _reopens(reader: Reader, seg: Segment) -> bool:
        """Whether a SYN opens a new connection on ports in use; else it repeats the one that was seen."""
        if seg.flags & ACK:
            return False
        return reader.conversation.generation != seg.seq

    def _other(self, reader: Reader | None, record: Record) -> None:
        """Byte streams: no sequence numbers, always in order."""
        match record:
            case Chunk():
                if reader is None:
                    reader = self._open(record.key, record.ts_ns, record.payload)
                if reader is not None:
                    seq = reader.next_seq if reader.next_seq != UNKNOWN else 0
                    seg = Segment(record.key, record.ts_ns, seq, 0, 0, record.payload, record.length)
                    reader.next_seq = seq + record.length & MASK
                    reader.conversation.last_ns = record.ts_ns
                    if record.payload:
                        reader.data(record.payload, seg, seq)
                    if record.length > len(record.payload):
                        reader.hole(record.length - len(record.payload), seg, lost=False)
            case Opened():
                if reader is not None:
                    self._close(reader.conversation, record.ts_ns, "closed")
                self._remember(record.key, 0)
                self._remember(reverse(record.key), _ANSWERED)
            case Gap():
                if reader is not None:
                    seg = Segment(record.key, record.ts_ns, max(reader.next_seq, 0), 0, 0, b"", 0)
                    reader.hole(record.length or 1, seg, lost=True)
            case Closed():
                if reader is not None:
                    self._end(reader.conversation, record.ts_ns)

    # -- connections that are not known ----------------------------------------------------------------------------------

    def _stranger(self, seg: Segment) -> None:
        """A segment of no known connection: an opening, a first message, or nothing of ours."""
        flags = seg.flags
        key = seg.key
        if flags & SYN:
            self._remember(key, (seg.seq + 1 & MASK) | (_ANSWERED if flags & ACK else 0))
        payload = seg.payload
        if not payload:
            if flags & (FIN | RST):
                self._openings.pop(key, None)
                self._openings.pop(reverse(key), None)
            return
        opening = self._openings.get(key)
        if opening is None or opening == NOT_HTTP:
            if begins_request(payload) or begins_response(payload):
                self._join(seg, payload)
            return
        seq = seg.seq + 1 & MASK if flags & SYN else seg.seq
        if seq == opening & MASK and not (may_begin_response(payload) or may_begin_request(payload)):
            self._openings[key] = NOT_HTTP
            self._shared.count("decoder_not_http", 1)
            return
        if 0 <= ahead(seq, opening & MASK) <= 1 << 24:
            self._begin(seg, payload, opening)

    def _begin(self, seg: Segment, payload: bytes, opening: int) -> None:
        """The first bytes on a connection whose opening was seen."""
        answered = self._openings.get(reverse(seg.key))
        serves = bool(opening & _ANSWERED)
        if may_begin_response(payload) and len(payload) > 5:
            serves = True
        elif begins_request(payload):
            serves = False
        reader, other = self._follow(seg.key, seg.ts_ns, client=not serves, mid_stream=False)
        reader.next_seq = opening & MASK
        if answered == NOT_HTTP:
            other.phase = SEEK
        elif answered is not None:
            other.next_seq = answered & MASK
        elif seg.flags & ACK:
            other.next_seq = seg.ack
        first = opening if not opening & _ANSWERED else answered
        reader.conversation.generation = (first - 1 & MASK) if first is not None and first >= 0 else 0
        self._openings.pop(seg.key, None)
        self._openings.pop(reverse(seg.key), None)
        self._special(reader, seg)

    def _join(self, seg: Segment, payload: bytes) -> None:
        """A message in the middle of a connection."""
        known = self._openings.get(seg.key)
        client = not payload.startswith(b"HTTP/")
        answered = self._openings.pop(reverse(seg.key), None)
        reader, other = self._follow(seg.key, seg.ts_ns, client=client, mid_stream=known is None and answered is None)
        self._openings.pop(seg.key, None)
        reader.next_seq = seg.seq
        if seg.flags & ACK:
            other.next_seq = seg.ack
        if answered == NOT_HTTP:
            other.phase = SEEK
        self._special(reader, seg)

    def _open(self, key: FlowKey, ts_ns: int, payload: bytes) -> Reader | None:
        """The first chunk of a byte stream."""
        opening = self._openings.pop(key, None)
        response = begins_response(payload)
        if not response and not begins_request(payload) and (opening is None or not may_begin_request(payload)):
            return None
        self._openings.pop(reverse(key), None)
        return self._follow(key, ts_ns, client=not response, mid_stream=opening is None)[0]

    def _remember(self, key: FlowKey, opening: int) -> None:
        openings = self._openings
        openings[key] = opening
        if len(openings) > 2 * self._options.max_connections:
            del openings[next(iter(openings))]

    # -- the table -------------------------------------------------------------------------------------------------------

    def _follow(self, key: FlowKey, now_ns: int, *, client: bool, mid_stream: bool) -> tuple[Reader, Reader]:
        shared = self._shared
        back = reverse(key)
        reader, other = Reader(key, shared, client=client), Reader(back, shared, client=not client)
        requests, responses = (reader, other) if client else (other, reader)
        conversation = Conversation(requests, responses, shared, now_ns, 0, mid_stream=mid_stream)
        while len(self._readers) >= 2 * self._options.max_connections or shared.memory > self._options.max_memory_bytes:
            idlest = self._timers.idlest()
            if idlest is None:
                break
            shared.count("decoder_connections_evicted", 1)
            self._close(idlest, idlest.last_ns, "timeout")
        self._readers[key], self._readers[back] = reader, other
        self._timers.add(conversation)
        return reader, other

    def _forget(self, conversation: Conversation) -> None:
        """Drop what is known of a connection."""
        for reader in (conversation.client, conversation.server):
            if self._readers.get(reader.key) is reader:
                del self._readers[reader.key]
            reader.forget()
            reader.release()
        conversation.closed = True
        self._timers.remove(conversation)

    def _close(self, conversation: Conversation, now_ns: int, error: str) -> None:
        """The connection is over, one way or another."""
        if conversation.closed:
            return
        client, server = conversation.client, conversation.server
        client.surrender(now_ns)
        server.surrender(now_ns)
        server.end(now_ns, error)
        client.end(now_ns, error)
        self._forget(conversation)

    def _end(self, conversation: Conversation, now_ns: int) -> None:
        """Both ends have said that they are done."""
        conversation.client.surrender(now_ns)
        conversation.server.surrender(now_ns)
        conversation.server.end(now_ns)
        conversation.client.end(now_ns)
        self._forget(conversation)

    # -- time ------------------------------------------------------------------------------------------------------------

    def _expire(self, now_ns: int) -> None:
        self._next_expiry_ns = now_ns + SECOND
        try:
            for stream in list(self._shared.holed):
                stream.settle(now_ns)
            for conversation, forget in self._timers.due(now_ns):
                if forget:
                    self._close(conversation, now_ns, "timeout")
                else:
                    conversation.overdue()
        except Exception:  # noqa: BLE001  as in feed
            self._shared.count("decoder_internal_errors", 1)
