"""Connections that are over, or that we let go: what still comes of them is told from what begins another one, and counted."""

from collections.abc import Callable

from pipeline.decode.http1.recognition import begins_request, begins_response
from pipeline.decode.message import UNKNOWN
from pipeline.decode.transport.openings import MAX_EARLY
from pipeline.decode.transport.tcp import MASK, Stream, ahead
from pipeline.model.records import ACK, SYN, FlowKey, Segment

MAX_ENDED = 4096
"""Directions of which is remembered where they began and ended: as many as end while copies of their segments may come."""
MAX_GIVEN_UP = 65_536
"""Directions that we let go, and whose bytes are counted when more come: 8 MB, more than speak again after that."""


class Past:
    """Directions by key, bounded."""

    def __init__(self, count: Callable[[str, int], None]) -> None:
        self._count = count
        self._ended: dict[FlowKey, tuple[int, int]] = {}
        self._given_up: dict[FlowKey, int] = {}

    def end(self, stream: Stream, generation: int) -> None:
        """A direction is over; ``generation`` is the number of the SYN that opened its connection."""
        ended = self._ended
        if len(ended) >= MAX_ENDED:
            ended.clear()
        ended[stream.key] = generation, stream.next_seq

    def give_up(self, stream: Stream) -> None:
        """A direction is let go though it has not ended."""
        given_up = self._given_up
        if len(given_up) >= MAX_GIVEN_UP:
            del given_up[next(iter(given_up))]
        if stream.next_seq != UNKNOWN and not stream.ended:
            given_up[stream.key] = stream.next_seq

    def opened(self, syn: Segment) -> bool:
        """Whether a SYN, or the answer to one, is a copy from a connection that is over; no other has its number."""
        generation, _ = self._ended.get(syn.key, (0, 0))
        return generation == (syn.ack - 1 & MASK if syn.flags & ACK else syn.seq) != 0

    def has(self, seg: Segment) -> bool:
        """Whether data is a copy from a connection that is over."""
        _, end = self._ended.get(seg.key, (0, UNKNOWN))
        return end != UNKNOWN and -MAX_EARLY < ahead(seg.seq + seg.length & MASK, end) <= 0

    def look(self, seg: Segment) -> None:
        """Count what comes of a connection that we let go, once each byte, until it or another of its name begins anew."""
        end = self._given_up.get(seg.key)
        if end is None:
            return
        behind = ahead(seg.seq + seg.length & MASK, end)
        if seg.flags & SYN or begins_request(seg.payload) or begins_response(seg.payload):
            del self._given_up[seg.key]
        elif behind > 0:
            self._count("decoder_late_bytes", min(behind, seg.length))
            self._given_up[seg.key] = seg.seq + seg.length & MASK
