"""Ranges of connections that went quiet: body bytes that were not copied, and nothing follows that would report them.

The kernel lists a connection in the map ``waiting`` after it has begun a range there. The sweep takes the list first
and looks at the ranges then, so none is overlooked; it never writes to a connection. A range that it reported may be reported
by the kernel again: the same bytes, which decoding drops.
"""

from pipeline.model.records import Segment
from pipeline.sources.bpf import abi
from pipeline.sources.bpf.syscall import Map

QUIET_NS = 2 * abi.RANGE_QUIET_NS
"""Not extended for so long: reported. Twice the kernel's own limit, so that a range extended after that is listed again."""

LOOKS = 512
"""Connections looked at in one sweep: about 3 ms."""


class Sweep:
    """Remembers which connections still have a range that grows."""

    def __init__(self, waiting_fd: int, connections_fd: int) -> None:
        self._waiting = Map(waiting_fd, abi.KEY.size, 4)
        self._connections = Map(connections_fd, abi.KEY.size, abi.CONNECTION_BYTES)
        self._growing: dict[bytes, None] = {}

    @property
    def busy(self) -> bool:
        """Some range may still have to be reported."""
        return bool(self._growing)

    def run(self, boot_ns: int, offset_ns: int, *, last: bool = False) -> list[Segment]:
        """Ranges that went quiet by ``boot_ns``; all of them when ``last``."""
        self._take_list(0x10000 if last else LOOKS)
        segments: list[Segment] = []
        for key in list(self._growing)[: None if last else LOOKS]:
            del self._growing[key]
            found = self._connections.lookup(key)
            # None: it ended, and the kernel reported its ranges; or it had to make place.
            if found is not None and self._look(key, found, boot_ns, offset_ns, segments, last=last):
                self._growing[key] = None
        return segments

    def _take_list(self, limit: int) -> None:
        """At most so many: the kernel may list as fast as we take."""
        for _ in range(limit):
            key = self._waiting.first_key()
            if key is None:
                return
            self._waiting.delete(key)
            self._growing[key] = None

    @staticmethod
    def _look(  # noqa: PLR0913  one connection, and what is known beside it
        key: bytes, connection: bytes, boot_ns: int, offset_ns: int, segments: list[Segment], *, last: bool
    ) -> bool:
        """Whether a range of this connection still grows."""
        growing = False
        for side in (0, 1):
            of = abi.direction(connection, side)
            if of.is_reported:
                continue
            if not last and boot_ns - of.last_ns < QUIET_NS:
                growing = True
                continue
            first_ns, last_ns = of.first_ns + offset_ns, of.last_ns + offset_ns
            segments.append(Segment(abi.flow(key, side), first_ns, of.seq, 0, 0, b"", of.length, last_ns, False, 0, of.interface))
        return growing
