"""The loaded ``tls.bpf.c``: programs for probes, programs on tracepoints, maps, settings.

Comes in: the object for this machine. Goes out: file descriptors, and what the kernel counts. By libbpf only, as the program
needs BTF to know where the kernel's structures have their fields.
"""

import mmap
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import CaptureError
from pipeline.sources.bpf import kernel, rights
from pipeline.sources.bpf.counters import Counters
from pipeline.sources.bpf.libbpf_loader import Object
from pipeline.sources.bpf.owners import facts
from pipeline.sources.bpf.syscall import Map, open_raw_tracepoint, run_here
from pipeline.sources.tls import abi
from pipeline.sources.tls.attach import MULTI_SINCE
from pipeline.sources.tls.config import TlsConfig
from pipeline.sources.tls.probe import Program

FOLDER = Path(__file__).parents[2] / "bpf"
BTF = Path("/sys/kernel/btf/vmlinux")

OLDEST_KERNEL = (5, 15)
"""Perf uprobes with cookies, without which a program cannot tell what it is attached to."""

SOCKETS_SINCE = (6, 3)
"""The tracepoints that tell what a thread sends and receives."""

SLEEPS_SINCE = (6, 0)
"""Programs at probes that may wait for memory of the process (``bpf/tls/memory.h`` asks for the same)."""

UPROBE_MULTI = 48
"""``BPF_TRACE_UPROBE_MULTI`` of ``enum bpf_attach_type``."""

TRACEPOINTS = {
    "socket_destroyed": "tcp_destroy_sock",
    "process_exited": "sched_process_exit",
    "process_replaced": "sched_process_exec",
}
SOCKET_TRACEPOINTS = {"socket_sent": "sock_send_length", "socket_received": "sock_recv_length"}
EARLIER_TRACEPOINTS = {"socket_used": "tcp_rcv_space_adjust"}
"""In place of these on older kernels."""

ENDS = {"client": abi.End.CLIENT, "server": abi.End.SERVER, "both": abi.End.CLIENT | abi.End.SERVER}


def object_file() -> Path:
    """Of this machine's architecture."""
    return FOLDER / f"tls.{platform.machine()}.bpf.o"


class TlsProgram:
    """Loaded by the constructor, on its tracepoints after ``start``; raises ``CaptureError``."""

    def __init__(self, config: TlsConfig, budget: int, *, websockets: bool = False) -> None:
        _check_host()
        self.multi = kernel.release() >= MULTI_SINCE
        self.sees_lengths = kernel.release() >= SOCKETS_SINCE
        self._tracepoints = TRACEPOINTS | (SOCKET_TRACEPOINTS if self.sees_lengths else EARLIER_TRACEPOINTS)
        self._links: list[int] = []
        self._settings: mmap.mmap | None = None
        self._want: memoryview | None = None
        self._object = loaded = Object(object_file())
        try:
            loaded.size("events", config.ring_bytes)
            for name in ("connections", "carriers", "calls"):
                loaded.size(name, config.kernel_connections)
            self._choose(loaded)
            _load(loaded)
            self.programs = {each: loaded.program_fd(each) for each in Program}
            self.ring_fd = loaded.map_fd("events")
            self.counters = Counters(loaded.map_fd("counters"), abi.COUNTS)
            self._processes = Map(loaded.map_fd("processes"), 4, abi.PROCESS.size)
            own = own_process(loaded.program_fd("own_process"))
            rest = (abi.PARTS, 0, own, facts(), websockets, 0)
            self._write_settings(loaded.map_fd("settings"), abi.SETTINGS.pack(0, budget, ENDS[config.ends], *rest))
        except BaseException:
            self.close()
            raise

    def _choose(self, loaded: Object) -> None:
        """What this kernel can do."""
        if self.multi:
            for each in Program:
                loaded.attach_type(each, UPROBE_MULTI)
        if kernel.release() >= SLEEPS_SINCE:
            for each in Program:
                loaded.sleepable(each)
        for name in (TRACEPOINTS | SOCKET_TRACEPOINTS | EARLIER_TRACEPOINTS).keys() - self._tracepoints.keys():
            loaded.leave_out(name)

    def start(self) -> None:
        """On its tracepoints; probes are for the attacher."""
        for name, tracepoint in self._tracepoints.items():
            try:
                self._links.append(open_raw_tracepoint(self._object.program_fd(name), tracepoint))
            except OSError as error:
                what = f"cannot attach to the tracepoint {tracepoint}: {error.strerror}"
                raise CaptureError(what, remedy="please report this, with the kernel's version") from error

    def want(self, want: int) -> None:
        """What the kernel may wake the reader for, once: a ``Want``, or so many bytes in the ring."""
        if self._want is not None:
            self._want[0] = want

    def kept(self) -> float:
        """The share of all connections that the kernel captures now: less than 1 while the ring is or was too full."""
        if self._settings is None:
            return 1.0
        return int.from_bytes(self._settings[abi.KEEP_OFFSET : abi.KEEP_OFFSET + 4], "little") / abi.PARTS

    def decide(self, tgid: int, verdict: abi.Verdict) -> None:
        """Whether a process is captured from now on; one that is gone is not remembered."""
        key = tgid.to_bytes(4, "little")
        found = self._processes.lookup(key)
        if found is not None:
            _, votes, conflicts, _ = abi.PROCESS.unpack(found)
            self._processes.update(key, abi.PROCESS.pack(verdict, votes, conflicts, 0))

    def news(self) -> Iterator[tuple[str, int]]:
        """Counters that changed, by how much."""
        return self.counters.news()

    def close(self) -> None:
        """Let go of everything. Safe twice."""
        while self._links:
            os.close(self._links.pop())
        if self._want is not None:
            self._want.release()
            self._want = None
        if self._settings is not None:
            self._settings.close()
            self._settings = None
        self._object.close()

    def _write_settings(self, fd: int, settings: bytes) -> None:
        self._settings = mmap.mmap(fd, mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._want = memoryview(self._settings).cast("I")[abi.WANT_OFFSET // 4 :]  # one store of four bytes cannot tear
        self._settings[: len(settings)] = settings


def own_process(program_fd: int) -> int:
    """What is never looked at, nor its children, as the kernel numbers it, also where this process is in a pid namespace.

    Tests, whose children are what is looked at, put another one in its place.
    """
    return run_here(program_fd)


def _load(loaded: Object) -> None:
    try:
        loaded.load()
    except CaptureError as error:
        if not error.denied or rights.locked_memory() is not None:
            raise
        raise CaptureError(
            "the kernel refuses the BPF program: no permission", remedy=rights.PROBING_REMEDY, denied=True
        ) from error


def _check_host() -> None:
    kernel.refuse_older("tls", OLDEST_KERNEL)
    if not object_file().exists() and (FOLDER / "tls.x86_64.bpf.o").exists():
        what = f"probes on TLS libraries are not made for {platform.machine()}"
        raise CaptureError(what, remedy="x86-64 and arm64 they are; packets are captured everywhere")
    if not BTF.exists():
        what = "the kernel does not describe its structures (no BTF in /sys/kernel/btf/vmlinux), which the probes need"
        raise CaptureError(what, remedy="a kernel with CONFIG_DEBUG_INFO_BTF, as distributions have it")
    rights.raise_locked_memory()
