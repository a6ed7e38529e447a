"""The ring buffer, read by libbpf: where plain loads from Python would not keep their order (arm64 and others).

The same outside as ``ring.Ring``, at three times the cost per record.
"""

import ctypes
import select
from abc import ABC, abstractmethod
from struct import Struct
from typing import Generic

from pipeline.errors import CaptureError
from pipeline.model.records import Closed, Datagram, Owner, Record, Segment
from pipeline.sources.bpf import abi
from pipeline.sources.bpf.facts import process
from pipeline.sources.bpf.libbpf_loader import INSTALL, library
from pipeline.sources.bpf.ring import Found

_Sample = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_RECORD = Struct(f"={abi.RECORD_HEAD}{abi.FLOW_BYTES_IPV4}s")

ENOUGH = 4096
"""Records taken at once; the callback stops libbpf with a negative answer, which keeps the rest for the next time."""

MORE = 1 << 30
"""For how much is left then nobody knows: enough to go on at once."""


class CallbackRing(ABC, Generic[Found]):
    """The reader's end. One reader only; subclasses know the records of one program."""

    def __init__(self, fd: int, _size: int) -> None:
        try:
            self._library = library()
        except OSError as error:
            raise CaptureError("reading the ring needs libbpf on this machine", remedy=INSTALL) from error
        self._records: list[Found] = []
        self._offset_ns = 0
        self._callback = _Sample(self._take)
        self._handle = self._library.ring_buffer__new(fd, ctypes.cast(self._callback, ctypes.c_void_p), None, None)
        if not self._handle:
            raise CaptureError("libbpf cannot map the ring buffer", remedy="set a smaller ring_bytes")
        self._wake = select.epoll(1)
        self._wake.register(fd, select.EPOLLIN | select.EPOLLET)
        self._more = False

    def fileno(self) -> int:
        """Readable after the kernel has woken us; ``rearm`` before the next wait."""
        return self._wake.fileno()

    def rearm(self) -> None:
        """Forget wake-ups that happened."""
        self._wake.poll(0)

    def waiting_bytes(self) -> int:
        """More than none where the last drain stopped early."""
        return MORE if self._more else 0

    def drain(self, offset_ns: int, _limit_bytes: int = 0) -> list[Found]:
        """Whatever is there, up to a limit; ``offset_ns`` is added to the kernel's time."""
        records: list[Found] = []
        self._records = records
        self._offset_ns = offset_ns
        self._library.ring_buffer__consume(self._handle)
        self._more = len(records) >= ENOUGH
        return records

    @abstractmethod
    def _parse(self, raw: bytes) -> Found:
        """One record."""

    def _take(self, _context: int, data: int, size: int) -> int:
        self._records.append(self._parse(ctypes.string_at(data, size)))
        return -1 if len(self._records) >= ENOUGH else 0

    def close(self) -> None:
        """Unmap. Safe twice."""
        if self._handle:
            self._library.ring_buffer__free(self._handle)
            self._wake.close()
            self._handle = None


class LibbpfRing(CallbackRing[Record]):
    """Of ``http_trace.bpf.c``."""

    def _parse(self, raw: bytes) -> Record:
        ts, last, seq, ack, length, captured, interface, vlan, flags, bits, key = _RECORD.unpack_from(raw)
        if bits & abi.Bit.IPV6:
            key = raw[abi.FLOW_OFFSET : abi.FLOW_OFFSET + abi.FLOW_BYTES_IPV6]
        offset = self._offset_ns
        if bits & abi.Bit.SHED:
            return Closed(key, ts + offset, unseen=True)
        payload = raw[abi.RECORD.size : abi.RECORD.size + captured]
        if bits & abi.Bit.OWNER:
            return Owner(key, ts + offset, process(payload))
        if bits & abi.Bit.DATAGRAM:
            return Datagram(key, ts + offset, payload, len(payload))
        last_ns = 0 if last == ts else last + offset
        cut = bits & abi.Bit.CUT != 0
        return Segment(key, ts + offset, seq, ack, flags, payload, length, last_ns, cut, vlan, interface)
