"""IP fragments → whole datagrams, for IPv4 (RFC 791, section 3.2) and IPv6 (RFC 8200, section 4.5).

Bytes that arrived first win where fragments overlap: a receiver may do otherwise (RFC 5722 lets IPv6 drop the datagram), an
observer rather reports. Bounds are the Linux kernel's (ipfrag_high_thresh, ipfrag_time): beyond them the oldest goes, counted.
Time is capture time.
"""

from collections.abc import Callable

MAX_BYTES = 4 * 1024 * 1024
MAX_AGE_NS = 30 * 1_000_000_000
MAX_PIECES = 1024
"""Of one datagram: 64 KiB in pieces of the smallest MTU that IPv4 allows are 1366; whoever sends that many plays tricks."""
MAX_DATAGRAM = 65_535
OVERHEAD = 200
"""What a piece costs beside its bytes."""


class _Datagram:
    """The pieces of one datagram: disjoint (offset, bytes), and the whole length once the last piece was seen."""

    __slots__ = ("cost", "length", "pieces", "since_ns")

    def __init__(self, since_ns: int) -> None:
        self.since_ns = since_ns
        self.pieces: list[tuple[int, bytes]] = []
        self.length = -1
        self.cost = OVERHEAD

    def add(self, offset: int, data: bytes) -> None:
        """Keep those bytes that are new: what lies in the gaps between the pieces that are there."""
        at, end = offset, offset + len(data)
        new: list[tuple[int, bytes]] = []
        for start, piece in self.pieces:
            if start >= end:
                break
            if start > at:
                new.append((at, data[at - offset : start - offset]))
            at = max(at, start + len(piece))
        if at < end:
            new.append((at, data[at - offset :]))
        self.pieces += new
        self.pieces.sort()
        self.cost += sum(len(piece) + OVERHEAD for _, piece in new)

    def whole(self) -> bytes | None:
        """All bytes, once there is no gap."""
        end = 0
        for start, piece in self.pieces:
            if start != end:
                break
            end += len(piece)
        if not 0 <= self.length <= end:
            return None
        return b"".join(piece for _, piece in self.pieces)[: self.length]


class Fragments:
    """The datagrams that are incomplete. ``lost`` is called with how many were given up."""

    def __init__(self, lost: Callable[[int], None]) -> None:
        self._lost = lost
        self._datagrams: dict[object, _Datagram] = {}
        self._cost = 0

    def add(self, key: object, offset: int, data: bytes, ts_ns: int, *, last: bool) -> bytes | None:
        """The whole datagram when this piece completes it. ``key`` names it: addresses, identification, protocol."""
        self._expire(ts_ns)
        datagram = self._datagrams.get(key)
        if datagram is None:
            datagram = self._datagrams[key] = _Datagram(ts_ns)
            self._cost += datagram.cost
        before = datagram.cost
        if offset + len(data) <= MAX_DATAGRAM and len(datagram.pieces) < MAX_PIECES:
            datagram.add(offset, data)
        if last and datagram.length < 0:
            datagram.length = offset + len(data)
        self._cost += datagram.cost - before
        whole = datagram.whole()
        if whole is not None:
            self._forget(key)
        return whole

    def _expire(self, now_ns: int) -> None:
        """Dictionaries keep order, so the oldest is the first."""
        while self._datagrams:
            key, datagram = next(iter(self._datagrams.items()))
            if self._cost <= MAX_BYTES and now_ns - datagram.since_ns <= MAX_AGE_NS:
                return
            self._forget(key)
            self._lost(1)

    def _forget(self, key: object) -> None:
        self._cost -= self._datagrams.pop(key).cost
