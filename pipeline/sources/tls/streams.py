"""What probes saw → records for the decoder: which connection it is, whose, and between which addresses.

Comes in: ``Seen``, in the order of the ring. Goes out: ``Opened``, ``Chunk``, ``Owner``, ``Gap`` and ``Closed`` with stream keys.
A connection keeps its first bytes back for a moment while its socket is not known, and goes on without addresses then: no
address is better than a wrong one. Nothing here does I/O or looks at a clock.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.model.records import Chunk, Closed, Gap, Opened, Owner, Process, Record, stream_key
from pipeline.sources.tls import abi
from pipeline.sources.tls.ring import Seen

WAIT_BYTES = 64 << 10
WAIT_NS = 1_000_000_000
"""How much, and how long, a connection is kept back until its socket is known."""

MAX_TOKENS = 4096
"""Writes of rustls of which it is not known yet where they were sent; each waits for ``WAIT_NS`` at most."""

VERSIONS = {0x0300: "3", 0x0301: "1.0", 0x0302: "1.1", 0x0303: "1.2", 0x0304: "1.3"}
"""As RFC 8446, section 4.1.2, numbers them: SSL 3 first."""

_PROOF = frozenset({abi.How.NESTED, abi.How.FD, abi.How.TAKEN})
_DATA, _SHED, _SENT, _EXIT = (int(kind) for kind in (abi.Kind.DATA, abi.Kind.SHED, abi.Kind.SENT, abi.Kind.EXIT))
_SENT_BIT, _CUT, _MID, _TOKEN = int(abi.Bit.SENT), int(abi.Bit.CUT), int(abi.Bit.MID), int(abi.Bit.TOKEN)


@dataclass(frozen=True, slots=True)
class Described:
    """What user space knows of an observed process and the library in it."""

    process: Process
    library: str


Describe = Callable[[int, int], Described | None]
"""Of a process and the number of a target; None where the process is not wanted."""


@dataclass(slots=True, eq=False)
class _Stream:
    """A connection that user space knows."""

    sent: bytes
    received: bytes
    tgid: int
    described: Described
    since_ns: int
    version: int = 0
    mid: bool = False
    opened: bool = False
    ends: tuple[bytes, bytes] = (b"", b"")
    next_sent: int = -1
    next_received: int = -1
    waiting: list[Chunk | Gap] = field(default_factory=list)
    waiting_bytes: int = 0


@dataclass(slots=True, eq=False)
class _Written:
    """What rustls wrote under a token."""

    since_ns: int
    pieces: list[Seen] = field(default_factory=list)


def is_trusted(seen: Seen) -> bool:
    """Whether the socket of a record may be believed: proof, or lengths that hardly ever spoke against it.

    A thread that serves several connections makes lengths fit by chance now and then; in a program of which more than a tenth
    of all lengths do not fit, none of them is believed.
    """
    if not seen.local or seen.how == abi.How.UNKNOWN:
        return False
    if seen.how in _PROOF:
        return True
    return seen.votes >= 1 and seen.votes > 2 * seen.conflicts and seen.process_votes > 10 * seen.process_conflicts


class Streams:
    """The connections of one capture, bounded in number; the oldest make place."""

    def __init__(self, describe: Describe, count: Callable[[str, int], None], most: int) -> None:
        self._describe = describe
        self._count = count
        self._most = most
        self._streams: dict[int, _Stream] = {}
        self._waiting: dict[int, _Stream] = {}
        self._written: dict[int, _Written] = {}
        self._records: list[Record] = []

    @property
    def waiting(self) -> bool:
        """Whether anything is kept back, so that ``take`` must be called again soon."""
        return bool(self._waiting or self._written)

    def feed(self, seen: Seen) -> None:
        """In the order of the ring: all but the first sight of a process."""
        kind = seen.kind
        if kind == _DATA:
            if seen.bits & _TOKEN:
                self._write(seen)
            else:
                self._data(seen)
        elif kind == _SENT:
            self._sent(seen)
        elif kind == _EXIT:
            self._exit(seen)
        else:
            self._close(seen)

    def take(self, now_ns: int) -> list[Record]:
        """What is ready; ``now_ns`` by the wall clock ends waiting that took too long."""
        for number, stream in list(self._waiting.items()):
            if now_ns - stream.since_ns < WAIT_NS:
                break
            self._open(number, stream, stream.since_ns)
        for token, written in list(self._written.items()):
            if now_ns - written.since_ns < WAIT_NS:
                break
            self._drop(token)
        records, self._records = self._records, []
        return records

    def finish(self) -> list[Record]:
        """Everything that is kept back: the capture ends."""
        return self.take(1 << 63)

    # -- what was seen ---------------------------------------------------------------------------------------------------

    def _data(self, seen: Seen) -> None:
        stream = self._streams.get(seen.connection) or self._begin(seen)
        if stream is None:
            return
        self._learn(seen, stream)
        sent = seen.bits & _SENT_BIT
        key = stream.sent if sent else stream.received
        expected = stream.next_sent if sent else stream.next_received
        if expected >= 0 and seen.position > expected:
            self._pass(seen.connection, stream, Gap(key, seen.ts_ns, seen.position - expected))
        if sent:
            stream.next_sent = seen.position + seen.length
        else:
            stream.next_received = seen.position + seen.length
        self._pass(seen.connection, stream, Chunk(key, seen.ts_ns, seen.payload, seen.length, seen.bits & _CUT != 0))

    def _begin(self, seen: Seen) -> _Stream | None:
        described = self._describe(seen.tgid, seen.target)
        if described is None:
            self._count("unwanted_records", 1)
            return None
        if len(self._streams) >= self._most:
            oldest = next(iter(self._streams))
            self._count("streams_evicted", 1)
            self._end(oldest, self._streams[oldest], seen.ts_ns, unseen=True)
        observer = seen.target << 32 | seen.tgid
        sent, received = (stream_key(observer, seen.connection, sent=each) for each in (True, False))
        stream = _Stream(sent, received, seen.tgid, described, seen.ts_ns, mid=seen.bits & _MID != 0)
        self._streams[seen.connection] = self._waiting[seen.connection] = stream
        return stream

    def _learn(self, seen: Seen, stream: _Stream) -> None:
        """Its socket and version, as far as they are known by now."""
        ends, version = stream.ends, stream.version
        if is_trusted(seen):
            ends, version = (seen.local, seen.remote), seen.version or version
        if ends == stream.ends and version == stream.version:
            return
        stream.ends, stream.version = ends, version
        if not stream.opened:
            if ends[0]:
                self._open(seen.connection, stream, stream.since_ns)
            return
        local, remote = ends
        told = VERSIONS.get(version, "")
        self._records.append(Owner(stream.sent, seen.ts_ns, stream.described.process, local, remote, told))

    def _pass(self, number: int, stream: _Stream, record: Chunk | Gap) -> None:
        if stream.opened:
            self._records.append(record)
            return
        stream.waiting.append(record)
        stream.waiting_bytes += record.length
        if stream.waiting_bytes > WAIT_BYTES:
            self._open(number, stream, stream.since_ns)

    def _open(self, number: int, stream: _Stream, ts_ns: int) -> None:
        del self._waiting[number]
        stream.opened = True
        client, server = stream.ends  # the decoder turns them round where the observed end is the server
        known, told = stream.described, VERSIONS.get(stream.version, "")
        self._records.append(Opened(stream.sent, ts_ns, client, server, known.process, known.library, told, stream.mid))
        self._records += stream.waiting
        stream.waiting = []

    def _close(self, seen: Seen) -> None:
        stream = self._streams.get(seen.connection)
        if stream is not None:
            self._learn(seen, stream)
            self._end(seen.connection, stream, seen.ts_ns, unseen=seen.kind == _SHED)

    def _end(self, number: int, stream: _Stream, ts_ns: int, *, unseen: bool) -> None:
        if not stream.opened:
            self._open(number, stream, stream.since_ns)
        del self._streams[number]
        self._records.append(Closed(stream.sent, ts_ns, unseen))

    def _exit(self, seen: Seen) -> None:
        for number, stream in [each for each in self._streams.items() if each[1].tgid == seen.tgid]:
            self._end(number, stream, seen.ts_ns, unseen=False)

    # -- rustls ----------------------------------------------------------------------------------------------------------

    def _write(self, seen: Seen) -> None:
        written = self._written.get(seen.connection)
        if written is None:
            if len(self._written) >= MAX_TOKENS:
                self._drop(next(iter(self._written)))
            written = self._written[seen.connection] = _Written(seen.ts_ns)
        written.pieces.append(seen)

    def _sent(self, seen: Seen) -> None:
        """What was written under a token belongs to a connection now."""
        written = self._written.get(seen.position)
        if not seen.connection:
            if written is not None:
                self._drop(seen.position)
            return
        pieces = self._written.pop(seen.position).pieces if written is not None else []
        missing = seen.length - sum(piece.length for piece in pieces)
        for piece in pieces:
            bits, nowhere = piece.bits & ~_TOKEN, -1
            self._data(seen._replace(ts_ns=piece.ts_ns, position=nowhere, length=piece.length, bits=bits, payload=piece.payload))
        stream = self._streams.get(seen.connection)
        if stream is not None and missing > 0:
            self._pass(seen.connection, stream, Gap(stream.sent, seen.ts_ns, missing))

    def _drop(self, token: int) -> None:
        pieces = self._written.pop(token).pieces
        self._count("not_attributed", len(pieces))
        self._count("not_attributed_bytes", sum(piece.length for piece in pieces))
