"""The connections that are followed, and those whose opening was seen: two dictionaries by direction, both bounded.

A connection gets an entry when bytes on it look like HTTP/1. Before that its opening is remembered in a few bytes, so that scans
and other protocols cost next to nothing; everything else costs a look at its first bytes.
"""

from pipeline.decode.bodies import SEEK, UNSEEN
from pipeline.decode.detect import (
    BLANKS,
    COMMON_REQUESTS,
    HTTP2,
    begins_request,
    begins_response,
    may_begin_request,
    may_begin_response,
    preamble,
)
from pipeline.decode.http1 import Reader
from pipeline.decode.marks import MID_STREAM, PROTOCOL_ERROR
from pipeline.decode.message import UNKNOWN, Shared
from pipeline.decode.options import DecodeOptions
from pipeline.decode.pairing import Conversation
from pipeline.decode.tcp import MASK, ahead
from pipeline.decode.timers import Timers
from pipeline.model.records import ACK, FIN, RST, SYN, FlowKey, Segment, reverse

MAX_EARLY = 1 << 20
"""How far behind the opening a segment may lie and still be one of the first that came out of order."""

RESET_NS = 1_000_000_000
"""How long after a reset segments of the other end may still be under way, or its sender may show that it was none."""

MAX_ENDED = 4096
"""Directions of which is remembered where they ended: as many as end while copies of their segments may come."""

MAX_GIVEN_UP = 65_536
"""Directions that we let go, and whose bytes are counted when more come: 8 MB, more than speak again after that."""

ANSWERS = 1 << 32
_NOT_HTTP = -1
_RECEIVED = 33
"""An opening is the first sequence number of a direction. For the end that answered (SYN and ACK) a bit says so, and the bits
above are the first sequence number of the other direction."""


class Table:
    """Directions by key. ``readers`` is for look-ups; this class alone changes it."""

    def __init__(self, options: DecodeOptions, shared: Shared) -> None:
        self.readers: dict[FlowKey, Reader] = {}
        self.timers = Timers(options)
        self._openings: dict[FlowKey, int] = {}
        self._ended: dict[FlowKey, int] = {}
        self._given_up: dict[FlowKey, int] = {}
        self._resets: dict[Conversation, tuple[Reader, Segment]] = {}
        self._shared = shared
        self._max_readers = 2 * options.max_connections
        self._max_memory = options.max_memory_bytes

    # -- connections that are not followed -------------------------------------------------------------------------------

    def arrival(self, seg: Segment) -> Reader | None:
        """A segment of a connection that is not followed: the reader that it is for, if it is worth following now."""
        flags, payload, key = seg.flags, seg.payload, seg.key
        if key in self._given_up:
            self._late(seg)
        if flags & SYN:
            first = seg.seq + 1 & MASK
            self.opening(key, first | ANSWERS | seg.ack << _RECEIVED if flags & ACK else first)
        if not payload:
            if flags & (FIN | RST) and not flags & SYN:
                self._openings.pop(key, None)
                self._openings.pop(reverse(key), None)
            return None
        opening = self._openings.get(key, _NOT_HTTP)
        if opening < 0:
            if begins_request(payload.lstrip(b"\r\n") if payload[0] in b"\r\n" else payload) or begins_response(payload):
                return self._join(seg)
            if payload[0] == 80 and payload.startswith(HTTP2) and key not in self._openings:  # "P"
                self._leave(key, payload)
            return None
        seq = seg.seq + 1 & MASK if flags & SYN else seg.seq
        client = not opening & ANSWERS
        if seq != opening & MASK:
            return self._begin(seg, opening, client=client) if 0 < ahead(seq, opening) <= MAX_EARLY else None
        if client and payload[:4] in COMMON_REQUESTS:
            return self._begin(seg, opening, client=True)
        return self._first(seg, opening, client=client)

    def _late(self, seg: Segment) -> None:
        """More of a connection that we let go: counted, once each byte, until it or another of its name begins anew."""
        key, behind = seg.key, ahead(seg.seq + seg.length & MASK, self._given_up[seg.key])
        if seg.flags & SYN or begins_request(seg.payload) or begins_response(seg.payload):
            del self._given_up[key]
        elif behind > 0:
            self._shared.count("decoder_late_bytes", min(behind, seg.length))
            self._given_up[key] = seg.seq + seg.length & MASK

    def _first(self, seg: Segment, opening: int, *, client: bool) -> Reader | None:
        """The first bytes of a direction. Who asked for the connection is the client, unless what they say shows otherwise."""
        payload = seg.payload
        if payload[0] in BLANKS and not preamble(payload):
            payload = payload.lstrip(BLANKS)
            if not payload:
                return self._begin(seg, opening, client=client)
        if len(payload) >= 5 and may_begin_response(payload):
            client = False
        elif not (may_begin_request(payload) or preamble(payload)):
            self._leave(seg.key, payload)
            return None
        elif not client:
            client = begins_request(payload)
        return self._begin(seg, opening, client=client)

    def _leave(self, key: FlowKey, payload: bytes) -> None:
        """A direction that is not HTTP/1: HTTP/2, whose client says so with its first bytes, or something else."""
        self.opening(key, _NOT_HTTP)
        self._shared.count("decoder_http2" if payload.startswith(HTTP2) else "decoder_not_http", 1)

    def opening(self, key: FlowKey, opening: int) -> None:
        """A direction begins."""
        openings = self._openings
        openings[key] = opening
        if len(openings) > self._max_readers:
            del openings[next(iter(openings))]

    def _begin(self, seg: Segment, opening: int, *, client: bool) -> Reader:
        """The first bytes on a connection whose opening was seen."""
        key, back = seg.key, reverse(seg.key)
        del self._openings[key]
        answered = self._openings.pop(back, None)
        reader, other = self._follow(key, back, seg.ts_ns, client=client, mid_stream=False)
        reader.next_seq = opening & MASK
        if answered == _NOT_HTTP:
            other.phase = SEEK
            if client and seg.flags & ACK:
                # What the server said may have answered a request that is missing.
                reader.conversation.lost(other, seg.ack - 1 & MASK, seg.ack, 0, PROTOCOL_ERROR)
        elif answered is not None:
            other.next_seq = answered & MASK
        elif seg.flags & ACK:
            other.next_seq = seg.ack
        first = answered if opening & ANSWERS else opening
        if first is not None and first >= 0:
            reader.conversation.generation = first - 1 & MASK
        return reader

    def _join(self, seg: Segment) -> Reader | None:
        """A message in the middle of a connection, or behind bytes that were none; not a copy from a connection that is over."""
        key, back = seg.key, reverse(seg.key)
        ended = self._ended.get(key)
        if ended is not None and -MAX_EARLY < ahead(seg.seq + seg.length & MASK, ended) <= 0:
            return None
        known = self._openings.pop(key, None)
        answered = self._openings.pop(back, None)
        client = not begins_response(seg.payload)
        reader, other = self._follow(key, back, seg.ts_ns, client=client, mid_stream=known is None and answered is None)
        reader.next_seq = seg.seq
        if known is None and answered is not None and answered & ANSWERS and answered >= 0:
            # The capture lost the SYN; its answer tells where this direction began.
            begin = answered >> _RECEIVED
            if 0 < ahead(seg.seq, begin) <= MAX_EARLY:
                reader.next_seq = begin
        if answered == _NOT_HTTP:
            other.phase = SEEK
        if answered is not None and answered >= 0 and 0 <= ahead(seg.ack, answered & MASK) <= MAX_EARLY:
            other.next_seq = answered & MASK
        elif seg.flags & ACK and client:
            other.next_seq = seg.ack  # not where a response begins: its request may come a little later
        if known is answered is None and client:
            reader.conversation.rejoined = 0
        return reader

    def stream(self, key: FlowKey, ts_ns: int, payload: bytes) -> Reader | None:
        """The reader of a byte stream that begins with ``payload``, if it is HTTP/1."""
        opening = self._openings.pop(key, _NOT_HTTP)
        responds = begins_response(payload)
        if not responds and not begins_request(payload) and (opening < 0 or not may_begin_request(payload)):
            if payload.startswith(HTTP2):
                self._shared.count("decoder_http2", 1)
            return None
        back = reverse(key)
        self._openings.pop(back, None)
        return self._follow(key, back, ts_ns, client=not responds, mid_stream=opening < 0)[0]

    # -- connections that are --------------------------------------------------------------------------------------------

    def _follow(self, key: FlowKey, back: FlowKey, now_ns: int, *, client: bool, mid_stream: bool) -> tuple[Reader, Reader]:
        shared, readers = self._shared, self.readers
        if len(readers) >= self._max_readers:
            self._evict()
        reader, other = Reader(key, shared, client), Reader(back, shared, not client)
        requests, responses = (reader, other) if client else (other, reader)
        conversation = Conversation(requests, responses, shared, now_ns, MID_STREAM if mid_stream else 0)
        reader.conversation = other.conversation = conversation
        reader.other, other.other = other, reader
        readers[key], readers[back] = reader, other
        self.timers.add(conversation)
        return reader, other

    def relieve(self, now_ns: int) -> None:
        """Come back within the bound on memory: first stop waiting for missing bytes, then let the idlest connections go."""
        shared = self._shared
        while shared.memory > self._max_memory:
            stream = next(iter(shared.disordered), None)
            if stream is not None:
                stream.surrender(now_ns)
                shared.count("decoder_memory_pressure", 1)
            elif not self._evict():
                return

    def _evict(self) -> bool:
        idlest = self.timers.idlest()
        if idlest is None:
            return False
        self._shared.count("decoder_connections_evicted", 1)
        self.close(idlest, idlest.last_ns, UNSEEN)
        return True

    def reset(self, conversation: Conversation, reader: Reader, seg: Segment) -> None:
        """One end resets the connection. What it asked for may still be under way, so an exchange that is open is waited for.

        A reset may also be forged by somebody in between (the end that seems to have sent it goes on), or not accepted.
        """
        self._resets.setdefault(conversation, (reader, seg))
        if not (conversation.pending or conversation.doubt is not None or conversation.server.message is not None):
            self.close(conversation, seg.ts_ns, "reset")

    def settle_resets(self, now_ns: int) -> None:
        """Close the connections that were reset, but not those whose reset end sent more."""
        for conversation, (reader, seg) in list(self._resets.items()):
            if reader.next_seq != UNKNOWN and ahead(reader.next_seq, seg.seq) > 0:
                del self._resets[conversation]
            elif now_ns - seg.ts_ns >= RESET_NS:
                self.close(conversation, seg.ts_ns, "reset")

    def close(self, conversation: Conversation, now_ns: int, error: str | None) -> None:
        """The connection is over, one way or another; no ``error``: both ends said that they are done."""
        reset = self._resets.get(conversation)
        if reset is not None:
            error = "reset"
            reader, seg = reset
            if ahead(seg.seq, reader.next_seq) > 0:
                reader.acknowledge(seg.seq, now_ns)  # so much was sent in front of it
        client, server = conversation.client, conversation.server
        client.surrender(now_ns)
        server.surrender(now_ns)
        if error in {"timeout", UNSEEN}:
            self._give_up(client)
            self._give_up(server)
        client.end(now_ns, error)  # first, so that the size of an upload that breaks off is known when it is reported
        server.end(now_ns, error)
        self.forget(conversation)

    def _give_up(self, reader: Reader) -> None:
        given_up = self._given_up
        if len(given_up) >= MAX_GIVEN_UP:
            del given_up[next(iter(given_up))]
        if reader.next_seq != UNKNOWN and not reader.ended:
            given_up[reader.key] = reader.next_seq

    def forget(self, conversation: Conversation) -> None:
        """Drop what is known of a connection."""
        self._resets.pop(conversation, None)
        ended = self._ended
        if len(ended) >= MAX_ENDED:
            ended.clear()
        for reader in (conversation.client, conversation.server):
            del self.readers[reader.key]
            ended[reader.key] = reader.next_seq
            if reader.disorder is not None:
                reader.forget()
            if reader.partial is not None:
                reader.release()
            # Nobody looks for cycles of these: see Stream.
            del reader.conversation, reader.other
        self.timers.remove(conversation)
