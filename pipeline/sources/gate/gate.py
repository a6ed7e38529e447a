"""The gate in the kernel: its programs and maps, loaded, told what to do, attached, read, let go of.

Comes in: settings, compiled lists, interfaces. Goes out: decisions and counters. Everything here is quick but ``prepare``, which
copies the lists: 100,000 entries take a second. It belongs to the network namespace that ``attach`` is called in.
"""

import mmap
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pipeline.errors import CaptureError
from pipeline.sources.bpf import kernel, rights, tcx
from pipeline.sources.bpf.counters import Counters
from pipeline.sources.bpf.libbpf_loader import Object
from pipeline.sources.bpf.program import SOURCE
from pipeline.sources.gate import abi, pins
from pipeline.sources.gate.inner import CompiledLists, Generations, Prepared
from pipeline.sources.gate.place import Direction, Place, Programs, has_link_header
from pipeline.sources.gate.ring import open_ring
from pipeline.sources.gate.settings import Settings

OBJECT = SOURCE.with_name("http_gate.bpf.o")

OLDEST_KERNEL = (6, 1)
"""The oldest that tests/kernels runs it on. Its loops need 5.17."""

JUDGES: dict[Direction, str] = {"ingress": "gate_ingress", "egress": "gate_egress"}
ANSWERS = "gate_answers"


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of the maps. A connection takes 940 bytes of kernel memory, a head that came in part 1,300; both from the start on."""

    ring_bytes: int = 1 << 20
    connections: int = 65536
    parts: int = 4096


class Gate:
    """Loaded by the constructor; raises ``CaptureError``. It refuses nothing before ``configure``, ``install`` and ``attach``."""

    def __init__(self, sizes: Sizes = Sizes()) -> None:
        refuse_older_kernel()
        rights.raise_locked_memory()
        self.places: list[Place] = []
        self._generation = 0
        self._settings: mmap.mmap | None = None
        self._object = loaded = Object(OBJECT)
        try:
            loaded.size("decisions", sizes.ring_bytes)
            loaded.size("flows", sizes.connections)
            loaded.size("parts", sizes.parts)
            loaded.load()
            self._lists = Generations(*(loaded.map_fd(name) for name in ("names", "prefixes", "rows")))
            self.counters = Counters(loaded.map_fd("counters"), abi.COUNTS)
            self._settings = mmap.mmap(loaded.map_fd("settings"), _pages(abi.SETTINGS.size), mmap.MAP_SHARED)
            judges = {direction: loaded.program_fd(name) for direction, name in JUDGES.items()}
            ids = {direction: tcx.program_id(fd) for direction, fd in judges.items()}
            self.programs = Programs(judges, loaded.program_fd(ANSWERS), ids)
            self._ring = open_ring(loaded.map_fd("decisions"), sizes.ring_bytes)
        except BaseException:
            self.close()
            raise

    def configure(self, settings: Settings) -> None:
        """All of them; the next packet sees them."""
        for at, data in settings.parts():
            self._write(at, data)

    def set_mode(self, mode: abi.Mode) -> None:
        """One write."""
        self._write(abi.MODE_OFFSET, mode.to_bytes(4, sys.byteorder))

    def prepare(self, lists: CompiledLists) -> Prepared:
        """Into maps of the kernel, which takes as long as it takes; nothing has changed yet. For any thread."""
        try:
            return Prepared(lists)
        except OSError as error:
            remedy = "the lists need some 300 bytes of kernel memory an entry, and cap_bpf"
            raise CaptureError(f"the kernel does not take the lists: {error.strerror}", remedy=remedy) from error

    def install(self, prepared: Prepared) -> int:
        """From the next head on these lists hold; the number of their generation. ``prepared`` is used up."""
        slot = 1 - self._read(abi.LIST_OFFSET)
        self._lists.put(slot, prepared)
        self._generation += 1
        self._write(abi.FACTS_OFFSET + 4 * slot, int(prepared.facts).to_bytes(4, sys.byteorder))
        self._write(abi.GENERATIONS_OFFSET + 4 * slot, self._generation.to_bytes(4, sys.byteorder))
        self._write(abi.LIST_OFFSET, slot.to_bytes(4, sys.byteorder))
        self._lists.retire(1 - slot)
        prepared.close()
        return self._generation

    @property
    def attachments(self) -> set[tuple[str, Direction]]:
        """Where it stands."""
        return {(place.interface, place.direction) for place in self.places}

    def attach(self, interface: str, direction: Direction = "ingress") -> None:
        """Judge what comes in by the interface, or what goes out. Raises ``CaptureError``."""
        place = Place(interface, direction, self.programs)
        place.attach()
        if not has_link_header(interface):
            self._mark_raw(place)
        self.places.append(place)

    def detach(self, interface: str, direction: Direction = "ingress") -> None:
        """No longer there."""
        for place in [each for each in self.places if (each.interface, each.direction) == (interface, direction)]:
            place.detach()
            self.places.remove(place)

    def check(self) -> Iterator[str]:
        """News of where the gate stands, as sentences: to be asked every second."""
        yield from filter(None, [place.check() for place in self.places])

    def sweep(self) -> None:
        """Give back the memory of lists that hold no more: to be called every second, not beside ``install``. May take 0.1 s."""
        self._lists.sweep()

    def wrong(self) -> list[str]:
        """What was wrong when it was last checked."""
        return [place.said for place in self.places if place.said]

    def drain(self, offset_ns: int = 0) -> Sequence[abi.Decision]:
        """Decisions; ``offset_ns`` is added to the kernel's time (CLOCK_BOOTTIME)."""
        return self._ring.drain(offset_ns)

    def fileno(self) -> int:
        """Readable when there are decisions; ``rearm`` before the next wait."""
        return self._ring.fileno()

    def rearm(self) -> None:
        """Forget wake-ups that happened."""
        self._ring.rearm()

    def waiting_bytes(self) -> int:
        """Of decisions not read yet."""
        return self._ring.waiting_bytes()

    def pin(self, name: str) -> None:
        """Keep all links, and so programs, lists and settings, when this process ends, in place of earlier ones of this name.

        Raises ``CaptureError``.
        """
        pins.keep(self.places, name)

    def close(self) -> None:
        """Detach what is not pinned, and let go. Safe twice."""
        for place in self.places:
            place.detach()
        self.places = []
        with suppress(AttributeError):
            self._ring.close()
            del self._ring
        if self._settings is not None:
            self._settings.close()
            self._settings = None
        self._object.close()

    def _mark_raw(self, place: Place) -> None:
        if place.index >= abi.RAW_LINKS:
            place.detach()
            what = f"{place.interface} has no link header and number {place.index}"
            raise CaptureError(what, remedy=f"only numbers below {abi.RAW_LINKS} are known for such interfaces")
        at = abi.RAW_LINKS_OFFSET + place.index // 8
        self._write(at, bytes([self._map()[at] | 1 << place.index % 8]))

    def _map(self) -> mmap.mmap:
        if self._settings is None:
            raise CaptureError("the gate is closed", remedy="please report this")
        return self._settings

    def _read(self, at: int) -> int:
        return int.from_bytes(self._map()[at : at + 4], sys.byteorder)

    def _write(self, at: int, data: bytes) -> None:
        self._map()[at : at + len(data)] = data


def refuse_older_kernel() -> None:
    """Raise ``CaptureError`` where this kernel cannot run the gate."""
    try:
        kernel.refuse_older("http_gate", OLDEST_KERNEL)
    except CaptureError as error:
        what = f"the firewall needs {kernel.words(OLDEST_KERNEL)} or later, and this is {os.uname().release}"
        raise CaptureError(
            what, remedy='run a newer kernel, or look at traffic with "bpf" and the transform match_list'
        ) from error


def _pages(size: int) -> int:
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
