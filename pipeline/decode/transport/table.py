"""The connections that are followed, by direction, bounded; and which segment of another connection begins one.

A connection gets an entry when bytes on it look like HTTP/1. Before that its opening is remembered (``openings``), so that scans
and other protocols cost next to nothing; everything else costs a look at its first bytes.
"""

from heapq import heapify, heappop, heappush

from pipeline.decode.http1.bodies import SEEK, UNSEEN
from pipeline.decode.http1.reader import Reader
from pipeline.decode.http1.recognition import (
    BLANKS,
    COMMON_REQUESTS,
    HTTP2,
    begins_request,
    begins_response,
    may_begin_request,
    may_begin_response,
    preamble,
)
from pipeline.decode.marks import MID_STREAM, PROTOCOL_ERROR
from pipeline.decode.message import UNKNOWN, Shared
from pipeline.decode.options import DecodeOptions
from pipeline.decode.pairing.pairing import Conversation
from pipeline.decode.transport.openings import MAX_EARLY, NOT_HTTP, Evidence, Openings
from pipeline.decode.transport.past import Past
from pipeline.decode.transport.strays import Strays
from pipeline.decode.transport.tcp import MASK, ahead
from pipeline.decode.transport.timers import Timers
from pipeline.model.records import ACK, FIN, RST, SYN, FlowKey, Segment, reverse

RESET_NS = 1_000_000_000
"""How long after a reset segments of the other end may still be under way, or its sender may show that it was none."""


class Table:
    """Directions by key. ``readers`` is for look-ups; this class alone changes it."""

    def __init__(self, options: DecodeOptions, shared: Shared) -> None:
        self.readers: dict[FlowKey, Reader] = {}
        self.timers = Timers(options)
        self.openings = Openings(2 * options.max_connections)
        self._past = Past(shared.count)
        self._resets: dict[Conversation, tuple[Reader, Segment]] = {}
        self.strays = Strays(shared.count)
        self._shared = shared
        self._max_readers = 2 * options.max_connections
        self._max_memory = options.max_memory_bytes

    # -- connections that are not followed -------------------------------------------------------------------------------

    def arrival(self, seg: Segment) -> Reader | None:
        """A segment of a connection that is not followed: the reader that it is for, if it is worth following now."""
        flags, payload, key = seg.flags, seg.payload, seg.key
        self._past.look(seg)
        openings = self.openings
        if flags & SYN:
            if self._past.opened(seg):
                return None
            openings.add(seg)
        if not payload:
            if flags & (FIN | RST) and not flags & SYN:
                openings.pop(key, None)
                openings.pop(reverse(key), None)
            return None
        seq = seg.seq + 1 & MASK if flags & SYN else seg.seq
        known = openings.get(key)
        if known == seq and payload[:4] in COMMON_REQUESTS:
            return self._begin(seg, openings.evidence(seg, seq), client=True)
        evidence = openings.evidence(seg, seq)
        if known == NOT_HTTP:
            evidence = evidence._replace(own=None)
        if evidence.own is None:
            return self._midway(seg, evidence, known)
        if seq != evidence.own:
            return self._begin(seg, evidence, client=evidence.opener)
        return self._first(seg, evidence)

    def reopens(self, syn: Segment) -> bool:
        """Whether a SYN on a connection that is followed shows that there is another one: both ends say so."""
        if self._past.opened(syn):
            return False
        self.openings.add(syn)
        return self.openings.agreed(syn.key)

    def supersedes(self, reader: Reader, seg: Segment) -> bool:
        """Whether data on a connection that is followed is the first of another one, whose SYN came before."""
        openings = self.openings
        if not (seg.key in openings or reverse(seg.key) in openings) or 0 <= ahead(reader.next_seq, seg.seq) <= MAX_EARLY:
            return False
        return openings.evidence(seg, seg.seq).own == seg.seq

    def _first(self, seg: Segment, evidence: Evidence) -> Reader | None:
        """The first bytes of a direction. Who asked for the connection is the client, unless what they say shows otherwise."""
        payload, client = seg.payload, evidence.opener
        if payload[0] in BLANKS and not preamble(payload):
            payload = payload.lstrip(BLANKS)
            if not payload:
                return self._begin(seg, evidence, client=client)
        if len(payload) >= 5 and may_begin_response(payload):
            client = False
        elif not (may_begin_request(payload) or preamble(payload)):
            self._leave(seg.key, payload)
            return None
        elif not client:
            client = begins_request(payload)
        return self._begin(seg, evidence, client=client)

    def _midway(self, seg: Segment, evidence: Evidence, known: int | tuple[int, ...] | None) -> Reader | None:
        """Bytes that fit no opening, or stand behind bytes that were no HTTP: worth following where a message surely begins."""
        payload = seg.payload
        if begins_request(payload.lstrip(b"\r\n") if payload[0] in b"\r\n" else payload) or begins_response(payload):
            if self._past.has(seg):
                return None
            return self._begin(seg, evidence, client=not begins_response(payload))
        if known != NOT_HTTP and payload.startswith(HTTP2):
            self._leave(seg.key, payload)
        return None

    def _leave(self, key: FlowKey, payload: bytes) -> None:
        """A direction that is not HTTP/1: HTTP/2, whose client says so with its first bytes, or something else."""
        self.openings.put(key, NOT_HTTP)
        self._shared.count("decoder_http2" if payload.startswith(HTTP2) else "decoder_not_http", 1)

    def _begin(self, seg: Segment, evidence: Evidence, *, client: bool) -> Reader:
        """Follow a connection from this segment on, or from its opening where one fits."""
        key, back = seg.key, reverse(seg.key)
        multipath = self.openings.multipath(key)
        begun, answered = self.openings.pop(key, None), self.openings.pop(back, None)
        own, beyond, opener = evidence
        seen = not own is beyond is None or NOT_HTTP in {begun, answered}
        reader, other = self._follow(key, back, seg.ts_ns, client=client, mid_stream=not seen)
        reader.next_seq = (seg.seq + 1 & MASK if seg.flags & SYN else seg.seq) if own is None else own
        if answered == NOT_HTTP:
            other.phase = SEEK
            if own is not None and client and seg.flags & ACK:
                # What the server said may have answered a request that is missing.
                reader.conversation.lost(other, seg.ack - 1 & MASK, seg.ack, 0, PROTOCOL_ERROR)
        if beyond is not None:
            other.next_seq = beyond
        elif seg.flags & ACK and client:
            other.next_seq = seg.ack  # not where a response begins: its request may come a little later
        reader.conversation.multipath = multipath
        if answered is None:
            other.unheard = other.next_seq
        first = own if opener else beyond
        if first is not None:
            reader.conversation.generation = first - 1 & MASK
        if not seen and client:
            reader.conversation.rejoined = 0
        return reader

    def stream(self, key: FlowKey, ts_ns: int, payload: bytes) -> Reader | None:
        """The reader of a byte stream that begins with ``payload``, if it is HTTP/1."""
        opening = self.openings.pop(key, None)
        responds = begins_response(payload)
        if not responds and not begins_request(payload) and (opening in {None, NOT_HTTP} or not may_begin_request(payload)):
            if payload.startswith(HTTP2):
                self._shared.count("decoder_http2", 1)
            return None
        back = reverse(key)
        self.openings.pop(back, None)
        return self._follow(key, back, ts_ns, client=not responds, mid_stream=opening in {None, NOT_HTTP})[0]

    # -- connections that are --------------------------------------------------------------------------------------------

    def _follow(self, key: FlowKey, back: FlowKey, now_ns: int, *, client: bool, mid_stream: bool) -> tuple[Reader, Reader]:
        shared, readers = self._shared, self.readers
        if len(readers) >= self._max_readers:
            self._evict(self.timers.idlest())
        reader, other = Reader(key, shared, client), Reader(back, shared, not client)
        requests, responses = (reader, other) if client else (other, reader)
        conversation = Conversation(requests, responses, shared, now_ns, MID_STREAM if mid_stream else 0)
        reader.conversation = other.conversation = conversation
        reader.other, other.other = other, reader
        readers[key], readers[back] = reader, other
        self.timers.add(conversation)
        return reader, other

    def relieve(self, now_ns: int) -> None:
        """Come back within the bound on memory, at the cost of those that hold most, so that one does not cost the others.

        First they stop waiting for missing bytes; of whom that is not enough is let go. An eighth is freed, as looking at all
        connections takes its time.
        """
        shared = self._shared
        if shared.memory <= self._max_memory:
            return
        followed = [reader.conversation for reader in self.readers.values() if reader.client]
        heaviest = [(-each.held_bytes, number) for number, each in enumerate(followed)]
        heapify(heaviest)
        while heaviest and shared.memory > self._max_memory - self._max_memory // 8:
            weight, number = heappop(heaviest)
            conversation = followed[number]
            waiting = [each for each in (conversation.client, conversation.server) if each.disorder is not None]
            if not weight:
                return
            for stream in waiting:
                stream.surrender(now_ns)
                shared.count("decoder_memory_pressure", 1)
            if waiting:
                heappush(heaviest, (-conversation.held_bytes, number))
            else:
                self._evict(conversation)

    def _evict(self, conversation: Conversation | None) -> None:
        if conversation is not None:
            self._shared.count("decoder_connections_evicted", 1)
            self.close(conversation, conversation.last_ns, UNSEEN)

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
            self._past.give_up(client)
            self._past.give_up(server)
        client.end(now_ns, error)  # first, so that the size of an upload that breaks off is known when it is reported
        server.end(now_ns, error)
        self.forget(conversation)

    def forget(self, conversation: Conversation) -> None:
        """Drop what is known of a connection."""
        self._resets.pop(conversation, None)
        self.strays.forget(conversation)
        for reader in (conversation.client, conversation.server):
            del self.readers[reader.key]
            self._past.end(reader, conversation.generation)
            if reader.disorder is not None:
                reader.forget()
            if reader.partial is not None:
                reader.release()
            # Nobody looks for cycles of these: see Stream.
            del reader.conversation, reader.other
        self.timers.remove(conversation)
