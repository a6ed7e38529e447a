"""Where directions begin, as the SYNs said that were seen: until data shows which of them holds.

A SYN alone proves nothing: it may be late, forged, or of an attempt that failed; and one SYN may be answered twice (SYN cookies).
The data does, and what it acknowledges: of what is remembered that is believed which fits both. What is remembered of the two
directions, and what is made of the first data that comes from the client (RFC 9293, section 3.5):

====================  =====================  ==================================================================================
from the client       from the server        evidence of data that begins at ``seq`` and acknowledges ``ack``
====================  =====================  ==================================================================================
SYN                   SYN+ACK that answers   both begin where their SYNs say
                      it
SYN                   nothing                the client's SYN; where the server begins is not known
nothing               SYN+ACK                the server's own number, and what it acknowledged is where the client begins
SYN, SYN (repeated    SYN+ACK to one of      the SYN that ``seq`` lies behind and is nearest to; an answer to the other one
with another number)  them                   says nothing
SYN                   SYN+ACK, SYN+ACK       the answer that ``ack`` lies behind and is nearest to
                      (SYN cookies)
NOT_HTTP              anything               none: bytes that cannot be read have come in between
nothing               nothing                none: the connection is joined in the middle
====================  =====================  ==================================================================================

An example. A client's SYN has number 999, so its first byte is number 1000: ``Opening(first=1000)``. Its server's answer has
number 4999 and acknowledges 1000: ``Opening(first=5000, answers=1000)``. An older attempt from the same port had left
``Opening(first=70000)``. Now 80 bytes come that begin at 1000 and acknowledge 5000. 1000 lies 0 bytes behind 1000, and not
behind 70000: the client begins at 1000. The answer acknowledged just that, and 5000 lies 0 bytes behind it: the server begins
at 5000. Had the data begun at 1080 instead, 80 bytes would be missing, and be waited for.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from pipeline.decode.position import MASK, UNKNOWN
from pipeline.model.records import ACK, MULTIPATH, FlowKey, Segment, reverse

MAX_EARLY = 1 << 20
"""How far behind the opening a segment may lie and still be one of the first that came out of order."""

MAX_RIVALS = 4
"""Openings of one direction that are remembered: attempts with the same ports within one time-out of SYNs."""


class Opening(msgspec.Struct, frozen=True, gc=False):
    """Where a direction begins: the number of its ``first`` byte.

    ``answers``: its SYN answered another one (SYN and ACK), and the other direction's first byte has this number; else UNKNOWN.
    """

    first: int
    answers: int = UNKNOWN


NOT_HTTP = Opening(UNKNOWN)
"""In place of an opening: a direction whose bytes nobody can read."""
Rivals = tuple[Opening, ...]


class Evidence(NamedTuple):
    """Where both directions begin, None where no opening fits; ``opener``: whether this sender asked for the connection."""

    own: int | None = None
    other: int | None = None
    opener: bool = True


class Openings:
    """Openings by direction (``known``); at most ``most`` directions, the oldest go first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.known: dict[FlowKey, Opening | Rivals] = {}
        self._multipath: dict[FlowKey, None] = {}
        self.get = self.known.get
        self.pop = self.known.pop

    def __contains__(self, key: FlowKey) -> bool:
        """Whether anything is remembered of a direction."""
        return key in self.known

    def put(self, key: FlowKey, opening: Opening) -> None:
        """All that is known of a direction."""
        known = self.known
        known[key] = opening
        if len(known) > self._most:
            del known[next(iter(known))]

    def add(self, syn: Segment) -> None:
        """What a SYN says, beside what others said before."""
        opening = Opening(syn.seq + 1 & MASK, syn.ack if syn.flags & ACK else UNKNOWN)
        if syn.flags & MULTIPATH:
            self._multipath[syn.key] = None
            if len(self._multipath) > self._most:
                del self._multipath[next(iter(self._multipath))]
        elif self._multipath:
            self._multipath.pop(syn.key, None)
        known = self.known.get(syn.key)
        if known is None or known is NOT_HTTP:
            self.put(syn.key, opening)
        elif opening not in rivals(known):
            self.known[syn.key] = (*rivals(known), opening)[-MAX_RIVALS:]

    def multipath(self, key: FlowKey) -> bool:
        """Whether those ends whose SYN was seen speak MPTCP: one that does falls back to TCP with one that does not."""
        if not self._multipath:
            return False
        ends = [each for each in (key, reverse(key)) if each in self.known]
        return bool(ends) and all(each in self._multipath for each in ends)

    def agreed(self, key: FlowKey) -> bool:
        """Whether both ends said that they open the same connection: a SYN, and the answer that acknowledges it."""
        mine, theirs = rivals(self.known.get(key)), rivals(self.known.get(reverse(key)))
        return any(_answers(theirs, each) for each in mine) or any(_answers(mine, each) for each in theirs)

    def evidence(self, seg: Segment, seq: int) -> Evidence:
        """What fits a segment whose data begins at ``seq``."""
        syn, answer = self.known.get(seg.key), self.known.get(reverse(seg.key))
        if type(syn) is Opening and type(answer) is Opening and answer.answers == seq == syn.first and syn.answers == UNKNOWN:
            first = answer.first
            if seg.ack - first & MASK <= MAX_EARLY:
                return Evidence(seq, first)  # as nearly always
        mine, theirs = rivals(syn), rivals(answer)
        own = nearest(seq, [*(each.first for each in mine), *(each.answers for each in theirs if each.answers != UNKNOWN)])
        if own is not None:  # an answer to another SYN says nothing about this connection
            theirs = tuple(each for each in theirs if each.answers == UNKNOWN or _near(each.answers, own))
        received = [each.answers for each in mine if each.answers != UNKNOWN and each.first == own]
        other = nearest(seg.ack, [*(each.first for each in theirs), *received]) if seg.flags & ACK else None
        if own is None:
            return Evidence(None, other, any(each.answers != UNKNOWN and each.first == other for each in theirs))
        asked = Opening(own) in mine
        return Evidence(own, other, asked or not any(each.answers != UNKNOWN and each.first == own for each in mine))


def rivals(known: Opening | Rivals | None) -> Rivals:
    """What is known of a direction, one by one."""
    if known is None or known is NOT_HTTP:
        return ()
    return (known,) if isinstance(known, Opening) else known


def nearest(number: int, firsts: Iterable[int]) -> int | None:
    """Of first sequence numbers the one that ``number`` lies behind, and closest to."""
    return min((first for first in firsts if _near(number, first)), key=lambda first: number - first & MASK, default=None)


def _near(number: int, first: int) -> bool:
    return number - first & MASK <= MAX_EARLY


def _answers(openings: Rivals, opening: Opening) -> bool:
    return opening.answers == UNKNOWN and any(each.answers == opening.first for each in openings)
