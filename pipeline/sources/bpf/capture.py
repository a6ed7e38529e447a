"""One capture: program, ring, sockets and maps, opened in the order that dropping privileges between two steps needs.

``load`` wants capabilities: program, maps, packet sockets. ``attach`` wants none. From then on ``read`` gives
segments, and ``detach`` ends it.
"""

import logging
import mmap
import platform
import time
from collections.abc import Iterator, Sequence

from pipeline.errors import CaptureError
from pipeline.model.records import Record, Segment
from pipeline.sources.bpf import abi, bcc_loader, libbpf_loader, program
from pipeline.sources.bpf.attach import Sockets, check_interfaces
from pipeline.sources.bpf.cgroup import RootCgroup
from pipeline.sources.bpf.clock import wall_minus_boot_ns
from pipeline.sources.bpf.config import BpfConfig
from pipeline.sources.bpf.counters import Counters
from pipeline.sources.bpf.owners import PLACES, Owners, facts, network_namespace
from pipeline.sources.bpf.ring import Ring
from pipeline.sources.bpf.ring_libbpf import LibbpfRing
from pipeline.sources.bpf.sweep import Sweep

TURN_BYTES = 32 * 1024
"""Copied of each turn of a conversation: 16 KiB for the head, which servers limit to 8 to 16 KiB, and as much beside
it, so that small bodies, chunked data and pipelined messages come whole."""

FRAME_BYTES = 64
"""Copied of each frame of HTTP/2 or WebSocket that carries a body or a message, beside what a pipeline asks of each body: less
than a record costs."""

WAKE_BYTES = 256 << 10
"""In the ring when the reader is woken before its tick: at 10,000 small exchanges a second it is the tick that wakes it, three
times less often than 64 KiB would. Of a small ring a quarter, so that it is read before connections are left out."""

MAX_BODY_BYTES = 16 << 20
"""What a pipeline may ask of each body at most."""

_log = logging.getLogger(__name__)


def load_program(config: BpfConfig) -> program.Program:
    """By the loader that the options name; ``auto``: the prebuilt program where it and libbpf are there, else bcc."""
    places = 1 if config.processes is False else PLACES
    sizes = program.Sizes(config.ring_bytes, config.kernel_connections, places)
    match config.loader:
        case "libbpf":
            return libbpf_loader.load(sizes, at=config.at)
        case "bcc":
            return bcc_loader.load(sizes, config.at)
        case _:
            return _load_either(sizes, config.at)


def _load_either(sizes: program.Sizes, at: program.At) -> program.Program:
    try:
        return libbpf_loader.load(sizes, at=at)
    except CaptureError as first:
        if first.denied or bcc_loader.find() is None:
            raise
        _log.warning("%s; compiling it with bcc instead, which takes some seconds", first)
        return bcc_loader.load(sizes, at)


class Capture:
    """Not safe against two readers."""

    def __init__(self, config: BpfConfig, body_bytes: int = 0, *, websockets: bool = False, handshakes: bool = False) -> None:
        self._handshakes = handshakes
        self._config = config
        self._websockets = websockets
        self._body_bytes = min(body_bytes, MAX_BODY_BYTES)
        self._taps = RootCgroup() if config.at == "sockets" else Sockets(config.interfaces)
        self._program: program.Program | None = None
        self._owners: Owners | None = None
        self.without_owners = ""
        self._settings: mmap.mmap | None = None
        self._want: memoryview | None = None
        self.wake_bytes = min(WAKE_BYTES, config.ring_bytes // 4)
        self._offset_ns = 0
        self._offset_due = 0.0

    def load(self, loaded: program.Program | None = None) -> None:
        """What needs capabilities. ``loaded`` is the program where another thread has loaded it; it is ours now."""
        self._program = loaded
        try:
            check_interfaces(self._config.interfaces)
            self._taps.open()
            self._program = loaded = loaded or load_program(self._config)
            ring = Ring if platform.machine() == "x86_64" else LibbpfRing
            self.ring = ring(loaded.maps["events"], self._config.ring_bytes)
            self.counters = Counters(loaded.maps["counters"])
            self.sweep = Sweep(loaded.maps["waiting"], loaded.maps["connections"])
            self._write_settings(loaded.maps["settings"])
            self._load_owners(loaded)
        except BaseException:
            self.close()
            raise

    @property
    def loader(self) -> str:
        """Which loader it was."""
        return self._program.loader if self._program else ""

    @property
    def program_fd(self) -> int:
        """The program, for test runs."""
        return self._program.fd if self._program else -1

    def owner_programs(self) -> dict[str, int]:
        """The programs that tell owners, by name; none where owners are not told."""
        return {} if self._owners is None else self._owners.program_fds()

    def attach(self) -> None:
        """Packets pass the program from now on."""
        self.want(abi.Want.ANY)
        if self._owners is not None:
            self._owners.attach()
        self._taps.attach(self.program_fd)

    def follow_interfaces(self) -> Iterator[str]:
        """What became of named interfaces, as sentences."""
        return self._taps.follow()

    def want(self, want: int) -> None:
        """What the kernel may wake the reader for, once: a ``Want``, or so many bytes in the ring."""
        if self._want is not None:
            self._want[0] = want

    def kept(self) -> float:
        """The share of all connections that the kernel captures now: less than 1 while the ring is or was too full."""
        if self._settings is None:
            return 1.0
        return int.from_bytes(self._settings[abi.KEEP_OFFSET : abi.KEEP_OFFSET + 4], "little") / abi.PARTS

    def read(self) -> Sequence[Record]:
        """What the kernel has reported since."""
        return self.ring.drain(self.offset_ns())

    def quiet(self, *, last: bool = False) -> list[Segment]:
        """Ranges of connections that went quiet."""
        return self.sweep.run(time.clock_gettime_ns(time.CLOCK_BOOTTIME), self.offset_ns(), last=last)

    def displaced(self) -> int:
        """Connections that had to make place in the kernel's table, as far as can be told: it does so silently."""
        totals = self.counters.last()
        return max(0, totals["connections"] - totals["ended"] - self._config.kernel_connections)

    def rest(self) -> list[Record]:
        """After ``detach``: everything that is left."""
        records: list[Record] = []
        while found := self.read():
            records += found
        return [*records, *self.quiet(last=True)]

    def offset_ns(self) -> int:
        """From the kernel's clock to the wall clock, measured every second."""
        now = time.monotonic()
        if now >= self._offset_due:
            self._offset_ns, self._offset_due = wall_minus_boot_ns(), now + 1.0
        return self._offset_ns

    def detach(self) -> None:
        """No packet passes the program any more. Safe twice."""
        self._taps.close()
        if self._owners is not None:
            self._owners.detach()

    def close(self) -> None:
        """Let go of everything. Safe twice."""
        self.detach()
        if self._want is not None:
            self._want.release()
            self._want = None
        if self._settings is not None:
            self._settings.close()
            self._settings = None
        if self._owners is not None:
            self._owners.close()
            self._owners = None
        if self._program is not None:
            if hasattr(self, "ring"):
                self.ring.close()
            self._program.close()
            self._program = None

    def _write_settings(self, fd: int) -> None:
        ports = self._config.ports
        size = -(-abi.SETTINGS_BYTES // mmap.PAGESIZE) * mmap.PAGESIZE
        self._settings = mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._want = memoryview(self._settings).cast("I")[abi.WANT_OFFSET // 4 :]  # one store of four bytes cannot tear
        told = facts(command_lines=self._config.command_lines)
        loopback = 0 if self._config.at == "sockets" else network_namespace()
        copied = TURN_BYTES + self._body_bytes, FRAME_BYTES + self._body_bytes
        head = abi.SETTINGS.pack(
            0, copied[0], bool(ports), abi.PARTS, 0, told, loopback, self._websockets, self._handshakes, copied[1],
            self._body_bytes > 0,
        )  # fmt: skip
        self._settings[: abi.SETTINGS_BYTES] = head + abi.port_bits(ports)

    def _load_owners(self, loaded: program.Program) -> None:
        """Beside the packet program. Where that cannot be, ``without_owners`` says why, unless the options insist."""
        wanted = self._config.processes
        if wanted is False:
            return
        try:
            self._owners = Owners(loaded)
        except CaptureError as error:
            if wanted is True:
                what = f"processes = true, but they cannot be told here: {str(error).splitlines()[0]}"
                raise CaptureError(what, remedy=error.remedy, denied=error.denied) from error
            self.without_owners = "; ".join(line.strip() for line in str(error).splitlines())
