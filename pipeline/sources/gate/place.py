"""Where the gate stands: one interface, one direction, two programs, by links or by filters.

Comes in: programs. Goes out: sentences about what became of them. What is attached by a link goes with this process, whatever
ends it, unless it is pinned.
"""

import errno
import fcntl
import os
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from struct import Struct
from typing import Literal

from pipeline.errors import CaptureError
from pipeline.sources.bpf import clsact, kernel, tcx
from pipeline.sources.gate import holders

Direction = Literal["ingress", "egress"]

_SIOCGIFHWADDR = 0x8927
_REQUEST = Struct("=16sH22s")
"""``struct ifreq``: name, the kind of hardware, its address."""
_ETHERNET = {1, 772}
"""``ARPHRD_ETHER``, ``ARPHRD_LOOPBACK`` of linux/if_arp.h."""

REMEDY = "the firewall needs cap_net_admin and cap_bpf in the interface's network namespace: run as root"

MISSING = {errno.ENOENT, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP}
"""What kernels say that were built without what a firewall attaches to, or cannot find the module of it."""


@dataclass(frozen=True, slots=True)
class Programs:
    """File descriptors, and the id of the one that judges, for each direction."""

    judge: dict[Direction, int]
    answers: int
    ids: dict[Direction, int]


@dataclass(slots=True)
class Place:
    """One interface and direction. ``links``: file descriptors; empty where filters are used."""

    interface: str
    direction: Direction
    programs: Programs
    index: int = 0
    links: list[int] = field(default_factory=list)
    said: str = ""

    def attach(self) -> None:
        """Both programs. Raises ``CaptureError``."""
        try:
            self._attach()
        except OSError as error:
            self.detach()
            if error.errno in {errno.EPERM, errno.EACCES}:
                what = f"no permission to attach to {self.interface}"
                raise CaptureError(what, remedy=REMEDY, denied=True) from error
            what = f"cannot attach to {self.interface}: {error.strerror}"
            raise CaptureError(what, remedy=needs() if error.errno in MISSING else "please report this") from error

    def _attach(self) -> None:
        self.index = socket.if_nametoindex(self.interface)
        self._refuse_another()
        back: Direction = "egress" if self.direction == "ingress" else "ingress"
        wanted = ((self.programs.answers, back), (self.programs.judge[self.direction], self.direction))
        for program, direction in wanted:  # the one that judges comes last: it needs the other one
            if by_links():
                self.links.append(tcx.attach(program, self.index, _tcx(direction)))
            else:
                clsact.attach(program, self.index, _clsact(direction))

    def _refuse_another(self) -> None:
        """Two would each want to come first. What is pinned, or was left behind, has no process, and is replaced."""
        pid = holders.another(there(self.index, self.direction))
        if pid is not None:
            self.index = 0
            what = f"the firewall of another httpipe, process {pid}, stands on {self.interface} ({self.direction})"
            raise CaptureError(what, remedy="an interface and direction has one firewall: end that one, or join the two")

    def check(self) -> str:
        """What is wrong, as a sentence; empty where nothing is, or where it has been said."""
        wrong = self._wrong()
        news = wrong if wrong != self.said else ""
        self.said = wrong
        return news

    def _wrong(self) -> str:
        here = f"the firewall on {self.interface} ({self.direction})"
        try:
            index = socket.if_nametoindex(self.interface)
        except OSError:
            self.detach()
            return f"{here} has no interface: it has gone"
        if index != self.index:
            self.detach()
            try:
                self._attach()
            except OSError as error:
                return f"{here} cannot be attached to the interface that came back: {error.strerror}"
        ours = self.programs.ids[self.direction]
        standing = there(index, self.direction)
        if ours not in standing:
            return f"{here} is no longer attached"
        if standing[0] != ours:
            before = ", ".join(map(str, standing[: standing.index(ours)]))
            return f"{here} does not come first: what the BPF program {before} passes on or drops before it, it never sees"
        return ""

    def detach(self) -> None:
        """Let go. Safe twice."""
        while self.links:
            os.close(self.links.pop())
        if self.index and not by_links():
            for direction in ("ingress", "egress"):
                with suppress(OSError):
                    clsact.detach(self.index, clsact.INGRESS if direction == "ingress" else clsact.EGRESS)
        self.index = 0


def by_links() -> bool:
    """Whether this kernel has tcx."""
    return kernel.release() >= tcx.SINCE


def there(index: int, direction: Direction) -> list[int]:
    """Ids of the programs at an interface, first one first; of filters only the one that is the gate's."""
    if by_links():
        return tcx.order(index, _tcx(direction))
    return list(filter(None, [clsact.program(index, _clsact(direction))]))


def needs() -> str:
    """Of the kernel's configuration."""
    if by_links():
        return "the kernel needs CONFIG_NET_XGRESS, which CONFIG_NET_SCH_INGRESS or CONFIG_NET_CLS_BPF turn on"
    return "the kernel needs CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF: modprobe sch_ingress cls_bpf"


def has_link_header(interface: str) -> bool:
    """Whether packets of the interface begin with an Ethernet header. /sys may be another namespace's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        answer = fcntl.ioctl(asked, _SIOCGIFHWADDR, _REQUEST.pack(interface.encode(), 0, b""))
    return _REQUEST.unpack(answer)[1] in _ETHERNET


def _tcx(direction: str) -> int:
    return tcx.INGRESS if direction == "ingress" else tcx.EGRESS


def _clsact(direction: str) -> int:
    return clsact.INGRESS if direction == "ingress" else clsact.EGRESS
