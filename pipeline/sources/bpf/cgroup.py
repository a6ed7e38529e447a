"""The program on the root cgroup: every packet as a socket of this host sends or receives it, whatever its network namespace.

The same outside as ``attach.Sockets``. The program lets every packet pass; closing the links takes it away, come what may.
"""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import CaptureError
from pipeline.sources.bpf import rights
from pipeline.sources.bpf.syscall import link_cgroup

MOUNTS = Path("/proc/self/mountinfo")
_INGRESS, _EGRESS = 0, 1
"""``enum bpf_attach_type``: BPF_CGROUP_INET_INGRESS, BPF_CGROUP_INET_EGRESS."""


class RootCgroup:
    """Its directory, then two links to it."""

    def __init__(self) -> None:
        self._folder = -1
        self._links: list[int] = []

    def open(self) -> None:
        """Raise ``CaptureError`` where there is none, or where it may not be used."""
        root = find()
        if rights.CAP_NET_ADMIN not in rights.capabilities():
            what = 'no permission for at = "sockets"'
            raise CaptureError(what, remedy="needs cap_net_admin beside cap_bpf: run as root", denied=True)
        try:
            self._folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            what = f"cannot open the root cgroup {root}: {error.strerror}"
            raise CaptureError(what, remedy='set at = "interfaces"', denied=error.errno == errno.EACCES) from error

    def attach(self, program_fd: int) -> None:
        """Packets pass the program from now on."""
        try:
            for kind in (_INGRESS, _EGRESS):
                self._links.append(link_cgroup(program_fd, self._folder, kind))
        except OSError as error:
            what = f"cannot attach to the root cgroup: {error.strerror}"
            remedy = "another program there forbids others: bpftool cgroup tree shows it"
            raise CaptureError(what, remedy=remedy, denied=error.errno == errno.EPERM) from error

    def follow(self) -> Iterator[str]:
        """Nothing becomes of it."""
        return iter(())

    def close(self) -> None:
        """Detach. Safe twice."""
        while self._links:
            os.close(self._links.pop())
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1


def find() -> Path:
    """Where the hierarchy of version 2 is mounted; its root, as far as this process sees it."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            return Path(before.split()[4].encode().decode("unicode_escape"))
    what = 'at = "sockets" needs cgroups of version 2, and none are mounted'
    raise CaptureError(what, remedy='mount -t cgroup2 none /sys/fs/cgroup/unified, or set at = "interfaces"')
