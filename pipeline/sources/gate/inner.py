"""Lists in the kernel: two generations of three maps each, of which one number says which one holds.

Comes in: a ``CompiledLists``. Goes out: maps that hold it; then one of the two places of the programs' outer maps, and that
number. So a reload is one write, and until then nothing has changed.
"""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from pipeline.sources.bpf.filled_map import Kind, make
from pipeline.sources.bpf.syscall import Map
from pipeline.sources.gate import abi

GRACE_S = 0.5
"""After which no program is still at the generation before: they run for microseconds."""


class CompiledLists(Protocol):
    """What ``pipeline/lists`` makes of lists for the kernel; the layouts are in ``abi``."""

    @property
    def names(self) -> Mapping[bytes, bytes]:
        """Keys as ``abi.NAME``, values as ``abi.FOUND``."""

    @property
    def prefixes(self) -> Mapping[bytes, bytes]:
        """Keys as ``abi.PREFIX``, values as ``abi.FOUND``."""

    @property
    def rows(self) -> Sequence[bytes]:
        """Each as ``abi.ROW``; the first one is where nothing fits any more."""

    @property
    def deny(self) -> bool:
        """Whether there is a list of what is denied."""

    @property
    def allow(self) -> bool:
        """Whether there is a list of what is allowed."""

    @property
    def hosts(self) -> bool:
        """Whether any entry names a host."""

    @property
    def methods(self) -> bool:
        """Whether any entry names a method."""


class Prepared:
    """Lists in maps of the kernel, of which no program knows yet. Raises ``OSError``."""

    def __init__(self, lists: CompiledLists) -> None:
        rows = lists.rows or [bytes(abi.ROW.size)]
        self.facts = abi.Facts(lists.deny + 2 * lists.allow + 4 * lists.hosts + 8 * lists.methods)
        self.maps: list[int] = []
        try:
            self.maps.append(make(Kind.HASH, "names", abi.NAME.size, abi.FOUND.size, lists.names))
            self.maps.append(make(Kind.LPM_TRIE, "prefixes", abi.PREFIX.size, abi.FOUND.size, lists.prefixes))
            numbered = {number.to_bytes(4, sys.byteorder): row for number, row in enumerate(rows)}
            self.maps.append(make(Kind.ARRAY, "rows", 4, abi.ROW.size, numbered))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go; what is in place stays in the kernel. Safe twice."""
        while self.maps:
            os.close(self.maps.pop())


class Generations:
    """The programs' three outer maps, by their file descriptors."""

    def __init__(self, names: int, prefixes: int, rows: int) -> None:
        self._outer = tuple(Map(fd, 4, 4) for fd in (names, prefixes, rows))
        self._retired: tuple[int, float] | None = None

    def put(self, slot: int, prepared: Prepared) -> None:
        """Into one of the two places, whatever was there."""
        if self._retired is not None and self._retired[0] == slot:
            self._retired = None
        for outer, fd in zip(self._outer, prepared.maps, strict=True):
            outer.update(slot.to_bytes(4, sys.byteorder), fd.to_bytes(4, sys.byteorder))

    def retire(self, slot: int) -> None:
        """This place holds no more; its memory is given back by ``sweep``."""
        self._retired = slot, time.monotonic() + GRACE_S

    def sweep(self) -> None:
        """Give back what has been retired long enough."""
        if self._retired is not None and time.monotonic() >= self._retired[1]:
            for outer in self._outer:
                outer.delete(self._retired[0].to_bytes(4, sys.byteorder))
            self._retired = None
