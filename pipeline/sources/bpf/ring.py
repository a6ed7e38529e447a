"""The ring buffer, read through its memory mapping: bytes in, records out, no system call per record.

Comes in: the map's file descriptor. Goes out: lists of ``Segment``, with a ``Closed`` where a connection is left out
from there on, an ``Owner`` of an end of one, a ``Datagram`` of QUIC; or the bytes as they lie there, for the compiled lane.

Layout as in the kernel's Documentation/bpf/ringbuf.rst: one page with the consumer's position, which we write, one with the
producer's, then the data. The kernel maps the data twice, so that no record wraps; we map it once, because pages count as
resident memory once a mapping, and put the few records at the end together ourselves.

Plain loads and stores are enough on x86-64, whose memory order keeps them as they stand; elsewhere see ``ring_libbpf``.
"""

import mmap
import select
from abc import ABC, abstractmethod
from collections.abc import Sequence
from struct import Struct
from typing import Generic, TypeVar

from pipeline import native
from pipeline.model.records import Closed, Datagram, FlowKey, Owner, Record, Segment
from pipeline.sources.bpf import abi
from pipeline.sources.bpf.facts import process

PAGE = mmap.PAGESIZE
BUSY = 1 << 31
DISCARD = 1 << 30

_HEADER_BYTES = 8
_LARGEST = _HEADER_BYTES + abi.RECORD.size + abi.RECORD_PAYLOAD
_RECORD = Struct(f"=II{abi.RECORD_HEAD}{abi.FLOW_BYTES_IPV4}s")
"""The ring's own header (length, page offset), then a record up to the flow key of an IPv4 segment."""
_FLOW = _HEADER_BYTES + abi.FLOW_OFFSET
_FLOW_END = _FLOW + abi.FLOW_BYTES_IPV6
_PAYLOAD = _HEADER_BYTES + abi.RECORD.size

# As plain numbers: `&` with an IntFlag is a call.
_IPV6, _SHED, _CUT, _OWNER = int(abi.Bit.IPV6), int(abi.Bit.SHED), int(abi.Bit.CUT), int(abi.Bit.OWNER)
_DATAGRAM = int(abi.Bit.DATAGRAM)
_OTHER = _SHED | _OWNER | _DATAGRAM
_UNUSUAL = _IPV6 | _OTHER

DRAIN_BYTES = 256 << 10
"""Taken at once at most: about 600 small exchanges, some milliseconds of work, after which sinks have their turn."""


Found = TypeVar("Found")
"""What the records of a ring become."""


def _other(key: FlowKey, ts_ns: int, bits: int, payload: bytes) -> Record:
    """What is no segment: a connection is left out from here on, somebody owns an end of it, or it is of UDP."""
    if bits & _DATAGRAM:
        return Datagram(key, ts_ns, payload, len(payload))
    return Closed(key, ts_ns, unseen=True) if bits & _SHED else Owner(key, ts_ns, process(payload))


class MappedRing(ABC, Generic[Found]):
    """The reader's end. One reader only; subclasses know the records of one program."""

    def __init__(self, fd: int, size: int) -> None:
        self._size = size
        self._mask = size - 1
        self._consumer = mmap.mmap(fd, PAGE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=0)
        self._memory = mmap.mmap(fd, PAGE + size, mmap.MAP_SHARED, mmap.PROT_READ, offset=PAGE)
        # One store and one load of eight bytes each: through a memoryview they cannot tear.
        self._position = memoryview(self._consumer).cast("Q")
        self._produced = memoryview(self._memory)[:PAGE].cast("Q")
        self._fd = fd
        self._wake: select.epoll | None = None

    def fileno(self) -> int:
        """Readable after the kernel has woken us; ``rearm`` before the next wait."""
        return self._waker().fileno()

    def rearm(self) -> None:
        """Forget wake-ups that happened."""
        self._waker().poll(0)

    def _waker(self) -> select.epoll:
        """Edge-triggered: becomes readable when the kernel wakes us, not for as long as anything lies in the ring."""
        if self._wake is None:
            self._wake = select.epoll(1)
            self._wake.register(self._fd, select.EPOLLIN | select.EPOLLET)
        return self._wake

    def waiting_bytes(self) -> int:
        """Bytes not read yet."""
        return self._produced[0] - self._position[0]

    def drain(self, offset_ns: int, limit_bytes: int = DRAIN_BYTES) -> Sequence[Found]:
        """Whatever is there, up to the limit; ``offset_ns`` is added to the kernel's time."""
        start = self._position[0]
        end = min(self._produced[0], start + limit_bytes)
        if start == end:
            return []
        records: list[Found] = []
        try:
            self._position[0] = self._take(start, end, offset_ns, records)
        except BaseException:
            self._position[0] = end  # never the same bytes again
            raise
        return records

    def drain_bytes(self, limit_bytes: int = DRAIN_BYTES) -> bytes:
        """Whatever is there, up to the limit, as it lies in the ring, whose place is not free again until ``advance``.

        Whole records with the ring's own headers; where the limit cuts, the last one is there in part.
        """
        start = self._position[0]
        size = min(self._produced[0] - start, limit_bytes)
        base = PAGE + (start & self._mask)
        taken = self._memory[base : base + size]
        return taken if len(taken) == size else taken + self._memory[PAGE : PAGE + size - len(taken)]

    def advance(self, size: int) -> None:
        """So many bytes have been read."""
        self._position[0] += size

    @abstractmethod
    def _take(self, position: int, end: int, offset_ns: int, records: list[Found]) -> int:
        """Append what lies between ``position`` and ``end`` as far as it is finished; returns the position behind that."""

    def close(self) -> None:
        """Unmap."""
        if self._wake is not None:
            self._wake.close()
        self._position.release()
        self._produced.release()
        self._consumer.close()
        self._memory.close()


class Ring(MappedRing[Record]):
    """Of ``http_trace.bpf.c``."""

    def drain(self, offset_ns: int, limit_bytes: int = DRAIN_BYTES) -> Sequence[Record]:
        """Whatever is there, up to the limit; in native memory where the compiled lane is there."""
        if native.lane is None:
            return super().drain(offset_ns, limit_bytes)
        seen = self.drain_bytes(limit_bytes)
        if not seen:
            return []
        # Copied twice: of what the first copy shows as finished, the second is whole, in whatever order bytes are copied.
        block = self.drain_bytes(limit_bytes)
        records: Sequence[Record]
        try:
            records, size = native.lane.ring(seen, block, offset_ns, _other)
        except BaseException:
            self.advance(len(seen))  # never the same bytes again
            raise
        self.advance(size)
        if not size and len(seen) == limit_bytes < _LARGEST:  # the limit cuts the first record
            return self.drain(offset_ns, _LARGEST)
        return records

    def _take(self, position: int, end: int, offset_ns: int, records: list[Record]) -> int:
        memory, mask, unpack, append = self._memory, self._mask, _RECORD.unpack_from, records.append
        safe = self._size - _LARGEST
        while position < end:
            at = position & mask
            source: mmap.mmap | bytes = memory
            base = PAGE + at
            if at > safe:
                source = memory[base:] + memory[PAGE : PAGE + _LARGEST]
                base = 0
            size, _, ts, last, seq, ack, length, captured, interface, vlan, flags, bits, key = unpack(source, base)
            if size & BUSY:
                break
            position += ((size & ~DISCARD) + _HEADER_BYTES + 7) & ~7
            if size & DISCARD:
                continue
            if bits & _UNUSUAL:
                if bits & _IPV6:
                    key = source[base + _FLOW : base + _FLOW_END]
                if bits & _OTHER:
                    append(_other(key, ts + offset_ns, bits, source[base + _PAYLOAD : base + _PAYLOAD + captured]))
                    continue
            append(
                Segment(
                    key,
                    ts + offset_ns,
                    seq,
                    ack,
                    flags,
                    source[base + _PAYLOAD : base + _PAYLOAD + captured] if captured else b"",
                    length,
                    0 if last == ts else last + offset_ns,
                    bits & _CUT != 0,
                    vlan,
                    interface,
                )
            )
        return position
