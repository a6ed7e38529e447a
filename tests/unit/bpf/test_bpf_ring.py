"""The ring's reader, over memory that we fill as the kernel does."""

import mmap
import os
from collections.abc import Generator
from struct import pack

import pytest

from pipeline.model.records import ACK, SYN, Owner, Process, Segment
from pipeline.sources.bpf import abi
from pipeline.sources.bpf.ring import BUSY, DISCARD, PAGE, Ring

SIZE = 64 * 1024
KEY4 = bytes(range(12))
KEY6 = bytes(range(36))
OFFSET_NS = 1_000_000


class Kernel:
    """The other end: writes records, moves the producer's position."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("ring")
        os.truncate(self.fd, 2 * PAGE + SIZE)
        self._memory = mmap.mmap(self.fd, 2 * PAGE + SIZE)
        self.produced = 0

    @property
    def consumed(self) -> int:
        """The reader's position."""
        return int.from_bytes(self._memory[:8], "little")

    def start_at(self, position: int) -> None:
        """As if so many bytes had passed already."""
        self._memory[:8] = pack("=Q", position)
        self.produced = position
        self._memory[PAGE : PAGE + 8] = pack("=Q", position)

    def write(self, data: bytes, bits: int = 0) -> None:
        """One record; the data area goes round."""
        raw = pack("=II", len(data) | bits, 0) + data
        raw += bytes(-len(raw) % 8)
        for place, byte in enumerate(raw):
            self._memory[2 * PAGE + (self.produced + place) % SIZE] = byte
        self.produced += len(raw)
        self._memory[PAGE : PAGE + 8] = pack("=Q", self.produced)

    def free(self, place: int) -> None:
        """A record at this position is finished now."""
        at = 2 * PAGE + place % SIZE
        size = int.from_bytes(self._memory[at : at + 4], "little") & ~BUSY
        self._memory[at : at + 4] = pack("=I", size)

    def close(self) -> None:
        """Let go."""
        self._memory.close()
        os.close(self.fd)


def record(payload: bytes = b"", *, length: int | None = None, key: bytes = KEY4, bits: int = 0, last_ns: int = 500) -> bytes:
    """A record as the program writes it."""
    size = len(payload) if length is None else length
    flow = key.ljust(abi.FLOW_BYTES_IPV6, b"\0")
    return abi.RECORD.pack(500, last_ns, 7, 9, size, len(payload), 3, 42, ACK, bits, flow, 0) + payload


@pytest.fixture
def kernel() -> Generator[Kernel, None, None]:
    """A ring without a kernel."""
    made = Kernel()
    yield made
    made.close()


@pytest.fixture
def ring(kernel: Kernel) -> Generator[Ring, None, None]:
    """Its reader."""
    made = Ring(kernel.fd, SIZE)
    yield made
    made.close()


def test_empty(ring: Ring) -> None:
    """Nothing is nothing."""
    assert ring.drain(0) == []
    assert ring.waiting_bytes() == 0


def test_segment(kernel: Kernel, ring: Ring) -> None:
    """Every field arrives, times on the wall clock."""
    kernel.write(record(b"GET / HTTP/1.1", length=20))
    [segment] = ring.drain(OFFSET_NS)
    assert segment == Segment(KEY4, 500 + OFFSET_NS, 7, 9, ACK, b"GET / HTTP/1.1", 20, 0, False, 42, 3)
    assert kernel.consumed == kernel.produced


def test_ipv6_cut_and_range(kernel: Kernel, ring: Ring) -> None:
    """A key of 36 bytes; a cut payload; a range with two times."""
    kernel.write(record(b"x", key=KEY6, bits=abi.Bit.IPV6 | abi.Bit.CUT))
    kernel.write(record(length=4_000_000, last_ns=900, bits=abi.Bit.RANGE))
    cut, merged = ring.drain(OFFSET_NS)
    assert (cut.key, cut.cut) == (KEY6, True)
    assert (merged.payload, merged.length, merged.cut) == (b"", 4_000_000, False)
    assert (merged.ts_ns, merged.last_ns) == (500 + OFFSET_NS, 900 + OFFSET_NS)


def test_bytes_are_those_of_the_ring_and_stay_until_they_are_done_with(kernel: Kernel, ring: Ring) -> None:
    """Headers included, put together where the ring ends, and no more than was asked for."""
    kernel.start_at(SIZE - 64)
    kernel.write(record(b"GET / HTTP/1.1"))
    kernel.write(record(b"two"))
    [first, second] = [pack("=II", len(each), 0) + each for each in (record(b"GET / HTTP/1.1"), record(b"two"))]
    whole = first.ljust(-(-len(first) // 8) * 8, b"\0") + second.ljust(-(-len(second) // 8) * 8, b"\0")
    assert ring.drain_bytes() == ring.drain_bytes() == whole
    assert ring.drain_bytes(70) == whole[:70]
    ring.advance(len(first) + -len(first) % 8)
    assert [segment.payload for segment in ring.drain(0)] == [b"two"]
    assert ring.drain_bytes() == b""


@pytest.mark.parametrize(("key", "bits"), [(KEY4, 0), (KEY6, abi.Bit.IPV6)])
def test_owner(kernel: Kernel, ring: Ring, key: bytes, bits: int) -> None:
    """Whose end it is, between segments, in order."""
    kernel.write(record(b"one"))
    kernel.write(record(abi.FACTS.pack(7, 5, 1, 0, 0, 0, 0, 0) + b"curl\0", key=key, bits=bits | abi.Bit.OWNER))
    kernel.write(record(b"two"))
    first, owner, second = ring.drain(OFFSET_NS)
    assert owner == Owner(key, 500 + OFFSET_NS, Process(7, "curl", path="/curl"))
    assert (first.payload, second.payload) == (b"one", b"two")


def test_stops_at_a_record_that_is_being_written(kernel: Kernel, ring: Ring) -> None:
    """What another CPU still writes is left for the next time, and everything behind it."""
    kernel.write(record(b"one"))
    busy = kernel.produced
    kernel.write(record(b"two"), BUSY)
    kernel.write(record(b"three"))
    assert [segment.payload for segment in ring.drain(0)] == [b"one"]
    assert ring.drain(0) == []
    kernel.free(busy)
    assert [segment.payload for segment in ring.drain(0)] == [b"two", b"three"]


def test_passes_over_discarded_records(kernel: Kernel, ring: Ring) -> None:
    """A record that the program discarded is not a segment."""
    kernel.write(record(b"one"), DISCARD)
    kernel.write(record(b"two"))
    assert [segment.payload for segment in ring.drain(0)] == [b"two"]


@pytest.mark.parametrize("distance", range(8, 400, 8))
def test_round_the_end(kernel: Kernel, ring: Ring, distance: int) -> None:
    """A record that begins anywhere before the end of the data area is read whole."""
    kernel.start_at(5 * SIZE - distance)
    payload = bytes(range(200))
    kernel.write(record(payload))
    kernel.write(record(payload, key=KEY6, bits=abi.Bit.IPV6))
    first, second = ring.drain(0)
    assert first.payload == second.payload == payload
    assert (first.key, second.key) == (KEY4, KEY6)


def test_limit(kernel: Kernel, ring: Ring) -> None:
    """A long backlog comes in parts, each record once."""
    for number in range(100):
        kernel.write(record(b"%03d" % number))
    parts = []
    while part := ring.drain(0, limit_bytes=1000):
        parts.append([int(segment.payload) for segment in part])
    assert len(parts) > 5
    assert [number for part in parts for number in part] == list(range(100))


def test_the_largest_record(kernel: Kernel, ring: Ring) -> None:
    """A whole chunk, whole."""
    payload = os.urandom(abi.RECORD_PAYLOAD)
    kernel.write(record(payload))
    [segment] = ring.drain(0)
    assert segment.payload == payload


def test_a_syn(kernel: Kernel, ring: Ring) -> None:
    """Flags without payload."""
    kernel.write(abi.RECORD.pack(1, 1, 2**32 - 1, 0, 0, 0, 1, 0, SYN, 0, KEY4.ljust(36, b"\0"), 0))
    [segment] = ring.drain(0)
    assert (segment.seq, segment.flags, segment.payload, segment.length) == (2**32 - 1, SYN, b"", 0)
