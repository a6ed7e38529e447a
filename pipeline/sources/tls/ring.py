"""The ring buffer of ``tls.bpf.c``: bytes in, what the probes saw out."""

import mmap
from struct import Struct
from typing import NamedTuple

from pipeline.sources.bpf.ring import BUSY, DISCARD, PAGE, MappedRing
from pipeline.sources.bpf.ring_libbpf import CallbackRing
from pipeline.sources.tls import abi

_HEADER = Struct("=II")
"""The ring's own: length, page offset."""
_LARGEST = _HEADER.size + abi.RECORD.size + abi.RECORD_PAYLOAD
_ADDRESS_BYTES = {4: 4, 6: 16}


class Seen(NamedTuple):
    """``struct tls_record`` by the wall clock, and what follows it.

    ``position``  of a ``SENT`` its token, else how many bytes of its direction came before.
    ``local``, ``remote``  address and port in network byte order, both empty where the socket is not known.
    """

    ts_ns: int
    connection: int
    position: int
    tgid: int
    length: int
    target: int
    version: int
    kind: int
    bits: int
    how: int
    votes: int
    conflicts: int
    process_votes: int
    process_conflicts: int
    local: bytes
    remote: bytes
    payload: bytes


def parse(source: bytes | mmap.mmap, base: int, offset_ns: int) -> Seen:
    """One record that begins at ``base``; ``offset_ns`` is added to the kernel's time."""
    (
        ts, connection, position, tgid, length, captured, target, version, kind, bits, how, _, votes, conflicts, all_votes,
        all_conflicts, local, remote, local_port, remote_port, family, _,
    ) = abi.RECORD.unpack_from(source, base)  # fmt: skip
    width = _ADDRESS_BYTES.get(family)
    if width is None:
        local = remote = b""
    else:
        local, remote = local[:width] + local_port, remote[:width] + remote_port
    base += abi.RECORD.size
    payload = source[base : base + captured] if captured else b""
    return Seen(
        ts + offset_ns, connection, position, tgid, length, target, version, kind, bits, how, votes, conflicts, all_votes,
        all_conflicts, local, remote, payload,
    )  # fmt: skip


class TlsRing(MappedRing[Seen]):
    """The reader's end, on x86-64."""

    def _take(self, position: int, end: int, offset_ns: int, records: list[Seen]) -> int:
        memory, mask = self._memory, self._mask
        safe = self._size - _LARGEST
        while position < end:
            at = position & mask
            source: mmap.mmap | bytes = memory
            base = PAGE + at
            if at > safe:
                source = memory[base:] + memory[PAGE : PAGE + _LARGEST]
                base = 0
            size, _ = _HEADER.unpack_from(source, base)
            if size & BUSY:
                break
            position += ((size & ~DISCARD) + _HEADER.size + 7) & ~7
            if not size & DISCARD:
                records.append(parse(source, base + _HEADER.size, offset_ns))
        return position


class TlsLibbpfRing(CallbackRing[Seen]):
    """The same elsewhere."""

    def _parse(self, raw: bytes) -> Seen:
        return parse(raw, 0, self._offset_ns)
