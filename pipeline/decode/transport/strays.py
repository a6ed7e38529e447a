"""Segments that cannot be of the connection whose addresses and ports they bear: forged ones, or the first of another connection.

What tells them apart is the other end: it takes no notice of a forged segment, and acknowledges what is its peer's. So they are
kept until that is seen, a few of each connection; then there is another one, whose beginning was not seen. Others are counted.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline.decode.message import UNKNOWN
from pipeline.decode.transport.tcp import MASK, MAX_JUMP, Stream, ahead
from pipeline.model.records import ACK, SYN, Segment

if TYPE_CHECKING:
    from pipeline.decode.pairing.pairing import Conversation

MAX_BEHIND = 1 << 26
"""How far behind what was delivered a copy of a segment may come: a second of a gigabit a second is twice that."""
MAX_OF_ONE = 16
"""Segments that are kept of a connection: a request of some size, and the beginning of its response."""
MAX_CONNECTIONS = 1024
"""Connections of which some are kept: 24 MB at the very most, with segments as an Ethernet has them."""


def far(stream: Stream, seg: Segment) -> bool:
    """Whether a segment lies farther from what was delivered than TCP's windows and late copies explain."""
    return stream.next_seq != UNKNOWN and not -MAX_BEHIND <= ahead(seg.seq, stream.next_seq) <= MAX_JUMP


def _acknowledges(seg: Segment, stray: Segment) -> bool:
    """Whether the other end has received all of a stray segment and no more; of data in a SYN it may take the SYN alone."""
    if seg.key == stray.key or not seg.flags & ACK:
        return False
    count = seg.ack - stray.seq & MASK
    return count == stray.length + bool(stray.flags & SYN) or (count == 1 and bool(stray.flags & SYN))


class Strays:
    """By conversation, in the order they came."""

    def __init__(self, count: Callable[[str, int], None]) -> None:
        self._count = count
        self._kept: dict[Conversation, list[Segment]] = {}

    def keep(self, conversation: "Conversation", seg: Segment) -> list[Segment]:
        """One more; returns all of the other connection, if it shows that there is one, else none."""
        kept = self._kept.setdefault(conversation, [])
        kept.append(seg)
        if any(_acknowledges(seg, each) for each in kept):
            return self._kept.pop(conversation)
        if len(kept) > MAX_OF_ONE:
            self._drop(kept.pop(0))
        if len(self._kept) > MAX_CONNECTIONS:
            self.forget(next(iter(self._kept)))
        return []

    def answered(self, conversation: "Conversation", seg: Segment) -> bool:
        """Whether a segment acknowledges one that is kept."""
        return any(_acknowledges(seg, each) for each in self._kept.get(conversation, ()))

    def forget(self, conversation: "Conversation") -> None:
        """The connection is over, and they were of no other one."""
        for seg in self._kept.pop(conversation, ()):
            self._drop(seg)

    def _drop(self, seg: Segment) -> None:
        self._count("decoder_stray_bytes", seg.length)
