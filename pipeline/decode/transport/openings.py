"""Where directions begin, as the SYNs said that were seen: until data shows which of them holds.

A SYN alone proves nothing: it may be late, forged, or of an attempt that failed; and one SYN may be answered twice (SYN cookies).
The data does, and what it acknowledges: of what is remembered that is believed which fits both.
"""

from collections.abc import Iterable
from typing import NamedTuple

from pipeline.decode.transport.tcp import MASK
from pipeline.model.records import ACK, MULTIPATH, FlowKey, Segment, reverse

MAX_EARLY = 1 << 20
"""How far behind the opening a segment may lie and still be one of the first that came out of order."""

MAX_RIVALS = 4
"""Openings of one direction that are remembered: attempts with the same ports within one time-out of SYNs."""

ANSWERS = 1 << 32
NOT_HTTP = -1
_RECEIVED = 33
"""An opening is the first sequence number of a direction. For the end that answered (SYN and ACK) a bit says so, and the bits
above are the first sequence number of the other direction. In one integer, as scans bring many."""


class Evidence(NamedTuple):
    """Where both directions begin, None where no opening fits; ``opener``: whether this sender asked for the connection."""

    own: int | None = None
    other: int | None = None
    opener: bool = True


class Openings:
    """Openings by direction; at most ``most`` directions, the oldest go first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[FlowKey, int | tuple[int, ...]] = {}
        self._multipath: dict[FlowKey, None] = {}
        self.get = self._known.get
        self.pop = self._known.pop

    def __contains__(self, key: FlowKey) -> bool:
        """Whether anything is remembered of a direction."""
        return key in self._known

    def put(self, key: FlowKey, opening: int) -> None:
        """All that is known of a direction."""
        known = self._known
        known[key] = opening
        if len(known) > self._most:
            del known[next(iter(known))]

    def add(self, syn: Segment) -> None:
        """What a SYN says, beside what others said before."""
        first = syn.seq + 1 & MASK
        opening = first | ANSWERS | syn.ack << _RECEIVED if syn.flags & ACK else first
        if syn.flags & MULTIPATH:
            self._multipath[syn.key] = None
            if len(self._multipath) > self._most:
                del self._multipath[next(iter(self._multipath))]
        elif self._multipath:
            self._multipath.pop(syn.key, None)
        known = self._known.get(syn.key, NOT_HTTP)
        if known == NOT_HTTP:
            self.put(syn.key, opening)
        elif opening not in rivals(known):
            self._known[syn.key] = (*rivals(known), opening)[-MAX_RIVALS:]

    def multipath(self, key: FlowKey) -> bool:
        """Whether those ends whose SYN was seen speak MPTCP: one that does falls back to TCP with one that does not."""
        if not self._multipath:
            return False
        ends = [each for each in (key, reverse(key)) if each in self._known]
        return bool(ends) and all(each in self._multipath for each in ends)

    def agreed(self, key: FlowKey) -> bool:
        """Whether both ends said that they open the same connection: a SYN, and the answer that acknowledges it."""
        mine, theirs = rivals(self._known.get(key)), rivals(self._known.get(reverse(key)))
        return any(_answers(theirs, each) for each in mine) or any(_answers(mine, each) for each in theirs)

    def evidence(self, seg: Segment, seq: int) -> Evidence:
        """What fits a segment whose data begins at ``seq``."""
        syn, answer = self._known.get(seg.key), self._known.get(reverse(seg.key))
        if syn == seq and type(answer) is int and answer >> _RECEIVED == seq and _near(seg.ack, answer & MASK):
            return Evidence(seq, answer & MASK)  # as nearly always
        mine, theirs = rivals(syn), rivals(answer)
        own = nearest(seq, [*(each & MASK for each in mine), *(each >> _RECEIVED for each in theirs if each & ANSWERS)])
        if own is not None:  # an answer to another SYN says nothing about this connection
            theirs = tuple(each for each in theirs if not each & ANSWERS or _near(each >> _RECEIVED, own))
        received = [each >> _RECEIVED for each in mine if each & ANSWERS and each & MASK == own]
        other = nearest(seg.ack, [*(each & MASK for each in theirs), *received]) if seg.flags & ACK else None
        if own is None:
            return Evidence(None, other, any(each & ANSWERS and each & MASK == other for each in theirs))
        return Evidence(own, other, not any(each & ANSWERS and each & MASK == own for each in mine) or own in mine)


def rivals(known: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """What is known of a direction, one by one."""
    if known is None or known == NOT_HTTP:
        return ()
    return (known,) if isinstance(known, int) else known


def nearest(number: int, firsts: Iterable[int]) -> int | None:
    """Of first sequence numbers the one that ``number`` lies behind, and closest to."""
    return min((first for first in firsts if _near(number, first)), key=lambda first: number - first & MASK, default=None)


def _near(number: int, first: int) -> bool:
    return number - first & MASK <= MAX_EARLY


def _answers(openings: tuple[int, ...], opening: int) -> bool:
    return not opening & ANSWERS and any(each & ANSWERS and each >> _RECEIVED == opening for each in openings)


__all__ = ["ANSWERS", "MAX_EARLY", "NOT_HTTP", "Evidence", "Openings"]
