"""The ring of decisions, read as other rings are: by its memory, or by libbpf where plain loads do not keep their order."""

import platform
from struct import Struct

from pipeline.sources.bpf.ring import BUSY, DISCARD, PAGE, MappedRing
from pipeline.sources.bpf.ring_libbpf import CallbackRing
from pipeline.sources.gate import abi

_HEADER = Struct("=II")
_WHOLE = _HEADER.size + abi.DECISION.size


class MappedDecisions(MappedRing[abi.Decision]):
    """Through a memory mapping."""

    def _take(self, position: int, end: int, offset_ns: int, records: list[abi.Decision]) -> int:
        while position < end:
            at = position & self._mask
            raw = self._memory[PAGE + at : PAGE + at + _WHOLE]
            if len(raw) < _WHOLE:
                raw += self._memory[PAGE : PAGE + _WHOLE - len(raw)]
            size, _ = _HEADER.unpack_from(raw)
            if size & BUSY:
                break
            position += ((size & ~DISCARD) + _HEADER.size + 7) & ~7
            if not size & DISCARD:
                records.append(abi.decision(raw[_HEADER.size :], offset_ns))
        return position


class LibbpfDecisions(CallbackRing[abi.Decision]):
    """By libbpf."""

    def _parse(self, raw: bytes) -> abi.Decision:
        return abi.decision(raw, self._offset_ns)


def open_ring(fd: int, size: int) -> MappedDecisions | LibbpfDecisions:
    """The one for this machine."""
    return (MappedDecisions if platform.machine() == "x86_64" else LibbpfDecisions)(fd, size)
