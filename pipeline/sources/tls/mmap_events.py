"""Which files are mapped as code, as it happens: PERF_RECORD_MMAP2 of a software event that counts nothing, one for each CPU.

Comes in: nothing. Goes out: ``Mapping``, and whether records were lost, after which only a look at every process helps. It costs
about a microsecond where a program maps code or is started, and nothing elsewhere. Layout: perf_event_open(2).
"""

import errno
import mmap
import os
import select
from collections.abc import Iterator
from struct import Struct

from pipeline.errors import CaptureError
from pipeline.sources.bpf import rights
from pipeline.sources.bpf.syscall import open_perf_event
from pipeline.sources.tls.mappings import Inode, Mapping

PAGES = 64
"""Of each ring: 256 KiB hold some 2,000 mappings, 200 started programs."""

LARGEST_RECORD_BYTES = 4096 + 128
"""A path, and what stands before it."""

_ATTRIBUTES = Struct("=IIQQQQQI12xi")
"""type, size, config, period, sample_type, read_format, flags, wakeup_watermark; then, at byte 68, what stays 0."""
_ATTRIBUTES_BYTES = 136
_SOFTWARE, _DUMMY = 1, 9
_MMAP, _WATERMARK, _MMAP2 = 1 << 8, 1 << 14, 1 << 23
_WAKE_UP_AT = 1

_HEADER = Struct("=IHH")
_BODY = Struct("=IIQQQIIQQII")
"""pid, tid, address, length, page offset, major, minor, inode, generation, protection, flags; the path follows."""
_RECORD_LOST, _RECORD_MMAP2 = 2, 10
_HEAD_AT, _TAIL_AT = 1024 // 8, 1032 // 8


class MmapEvents:
    """One reader only. ``fileno`` is readable while there is something to read."""

    def __init__(self) -> None:
        self._rings: list[tuple[int, mmap.mmap, memoryview]] = []
        self._ready = select.epoll()

    def open(self) -> None:
        """Begin. Raises ``CaptureError``."""
        try:
            for cpu in sorted(os.sched_getaffinity(0) | set(range(os.cpu_count() or 1))):
                self._open_on(cpu)
        except OSError as error:
            self.close()
            denied = error.errno in {errno.EPERM, errno.EACCES}
            raise CaptureError(
                f"cannot be told which files are mapped: {error.strerror or error}",
                remedy=rights.PROBING_REMEDY if denied else "the kernel needs CONFIG_PERF_EVENTS",
                denied=denied,
            ) from error

    def fileno(self) -> int:
        """For waiting."""
        return self._ready.fileno()

    def read(self) -> tuple[list[Mapping], bool]:
        """What was mapped since, and whether there was more than the rings held."""
        found: list[Mapping] = []
        lost = False
        for _, ring, positions in self._rings:
            lost |= _full(positions)
            for kind, record in _records(ring, positions):
                if kind == _RECORD_MMAP2:
                    found.append(_mapping(record))
                lost |= kind == _RECORD_LOST
        return found, lost

    def close(self) -> None:
        """End. Safe twice."""
        for fd, ring, positions in self._rings:
            positions.release()
            ring.close()
            os.close(fd)
        self._rings.clear()
        self._ready.close()

    def _open_on(self, cpu: int) -> None:
        head = _ATTRIBUTES.pack(_SOFTWARE, _ATTRIBUTES_BYTES, _DUMMY, 0, 0, 0, _MMAP | _WATERMARK | _MMAP2, _WAKE_UP_AT, 0)
        try:
            fd = open_perf_event(head.ljust(_ATTRIBUTES_BYTES, b"\0"), cpu=cpu)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return  # a CPU that is switched off maps nothing
            raise
        ring = mmap.mmap(fd, mmap.PAGESIZE * (1 + PAGES))
        self._rings.append((fd, ring, memoryview(ring)[: mmap.PAGESIZE].cast("Q")))
        self._ready.register(fd, select.EPOLLIN)


def _full(positions: memoryview) -> bool:
    """The kernel tells of a loss with the next record that finds room, which may come much later."""
    return positions[_HEAD_AT] - positions[_TAIL_AT] > PAGES * mmap.PAGESIZE - LARGEST_RECORD_BYTES


def _records(ring: mmap.mmap, positions: memoryview) -> Iterator[tuple[int, bytes]]:
    """Each with its type; the ring's place is free again when the last one was taken."""
    size = PAGES * mmap.PAGESIZE
    head, tail = positions[_HEAD_AT], positions[_TAIL_AT]
    while tail < head:
        at = mmap.PAGESIZE + tail % size
        kind, _, length = _HEADER.unpack_from(ring, at)
        if not length:
            tail = head  # cannot be; but this must end
            break
        record = ring[at : min(at + length, len(ring))]
        yield kind, record + ring[mmap.PAGESIZE : mmap.PAGESIZE + length - len(record)]
        tail += length
    positions[_TAIL_AT] = tail


def _mapping(record: bytes) -> Mapping:
    pid, _, start, length, offset, major, minor, inode, generation, _, _ = _BODY.unpack_from(record, _HEADER.size)
    path = os.fsdecode(record[_HEADER.size + _BODY.size :].split(b"\0", 1)[0])
    return Mapping(pid, start, start + length, offset, Inode(major, minor, inode, generation), path)
