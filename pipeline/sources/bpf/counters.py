"""The kernel's counters, per CPU, as increments since they were read last."""

from collections.abc import Iterator, Sequence
from struct import Struct

from pipeline.sources.bpf import abi
from pipeline.sources.bpf.syscall import Map, possible_cpus


class Counters:
    """Reads the map ``counters``, whose places have ``names``."""

    def __init__(self, fd: int, names: Sequence[str] = abi.COUNTS) -> None:
        cpus = possible_cpus()
        self._names = names
        self._map = Map(fd, 4, 8 * len(names) * cpus)
        self._values = Struct(f"={len(names) * cpus}Q")
        self._last = [0] * len(names)

    def last(self) -> dict[str, int]:
        """Since the program was loaded, as ``news`` read them."""
        return dict(zip(self._names, self._last, strict=True))

    def news(self) -> Iterator[tuple[str, int]]:
        """Those that changed, by how much."""
        sums = self._sums()
        for name, before, now in zip(self._names, self._last, sums, strict=True):
            if now != before:
                yield name, now - before
        self._last = sums

    def _sums(self) -> list[int]:
        values = self._values.unpack(self._map.lookup(bytes(4)) or bytes(self._values.size))
        return [sum(values[place :: len(self._names)]) for place in range(len(self._names))]
