"""Owners: which process sits at each end of a connection, seen by a program of its own (``pipeline/bpf/who.bpf.c``).

Comes in: the packet program, whose maps both share. Goes out: ``Owner`` records among the segments of its ring, from
``attach`` to ``close``. By libbpf only: the program reads kernel structures, and libbpf fits it to this kernel by its BTF.
"""

import os
from pathlib import Path

from pipeline.errors import CaptureError
from pipeline.sources.bpf import abi, kernel, libbpf_loader, program, rights
from pipeline.sources.bpf.syscall import open_raw_tracepoint

OBJECT = program.SOURCE.with_name("who.bpf.o")
NAME = "who"
OLDEST_KERNEL = (5, 10)
"""As of the packet program: tests/kernels runs both there."""

PLACES = 4096
"""Owners that wait until their connection shows that it speaks HTTP: usually a millisecond. 6 MB."""

BTF = Path("/sys/kernel/btf/vmlinux")
CGROUPS = Path("/proc/self/cgroup")
NAMESPACE = Path("/proc/thread-self/ns/net")

_ALWAYS = {"inet_sock_set_state": "who_connects", "tcp_destroy_sock": "who_closes"}
_SOCKET_CALLS = {"sock_send_length": "who_sends", "sock_recv_length": "who_receives"}
"""Since Linux 6.3."""
_READS = {"tcp_rcv_space_adjust": "who_reads"}


class Owners:
    """Loaded by the constructor, which raises ``CaptureError`` where this host does not allow it."""

    def __init__(self, packets: program.Program) -> None:
        self._links: list[int] = []
        check(packets.loader)
        self._object = libbpf_loader.Object(OBJECT)
        try:
            for name, fd in packets.maps.items():
                self._object.reuse(name, fd)
            self._object.load()
        except BaseException:
            self._object.close()
            raise

    def attach(self) -> None:
        """From now on the kernel tells owners."""
        for name, place in _ALWAYS.items():
            self._attach(name, place)
        try:
            for name, place in _SOCKET_CALLS.items():
                self._attach(name, place)
        except FileNotFoundError:
            for name, place in _READS.items():
                self._attach(name, place)

    def _attach(self, tracepoint: str, name: str) -> None:
        self._links.append(open_raw_tracepoint(self._object.program_fd(name), tracepoint))

    def program_fds(self) -> dict[str, int]:
        """Every program, for measurements."""
        names = [*_ALWAYS.values(), *_SOCKET_CALLS.values(), *_READS.values()]
        return {name: self._object.program_fd(name) for name in names}

    def detach(self) -> None:
        """The kernel tells no more. Safe twice."""
        while self._links:
            os.close(self._links.pop())

    def close(self) -> None:
        """Let go of everything. Safe twice."""
        self.detach()
        self._object.close()


def check(loader: str) -> None:
    """Raise ``CaptureError`` for what can be said without trying: better words than the verifier has."""
    if loader != "libbpf":
        raise CaptureError(f"the packet program was loaded by {loader}", remedy='set loader = "libbpf"')
    kernel.refuse_older(NAME, OLDEST_KERNEL)
    if not BTF.exists():
        what = f"this kernel does not describe its structures ({BTF} is missing)"
        raise CaptureError(what, remedy="run a kernel with CONFIG_DEBUG_INFO_BTF, as distributions build them since 2021")
    if not rights.may_trace():
        raise CaptureError("no permission to trace sockets", remedy=rights.tracing_remedy(), denied=True)


def facts(*, command_lines: bool = False) -> abi.Facts:
    """What the kernel is to tell of a process here."""
    wanted = abi.Facts(0)
    if has_cgroup_v1():
        wanted |= abi.Facts.CGROUP_V1
    if command_lines:
        wanted |= abi.Facts.COMMAND
    return wanted


def has_cgroup_v1() -> bool:
    """Whether the controller ``pids`` is in a hierarchy of version 1, where container runtimes then make their groups."""
    try:
        lines = CGROUPS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    return any("pids" in line.split(":")[1].split(",") for line in lines if line.count(":") >= 2)


def network_namespace() -> int:
    """The inode that names the network namespace of this thread."""
    return NAMESPACE.stat().st_ino
