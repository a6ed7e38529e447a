"""Files that were looked at for TLS libraries: each once, whatever its path, and kept open where there is something to attach to.

Comes in: mappings and paths. Goes out: what is in the file, and a path by which probes are attached to the file that was read.
"""

import os
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from pipeline.sources.bpf.syscall import OVERLAYFS, file_system
from pipeline.sources.tls.mappings import Inode, Mapping, opened
from pipeline.sources.tls.probe import FileIdentity, Target
from pipeline.sources.tls.targets.code import Unsupported
from pipeline.sources.tls.targets.look import identity, look

MAX_KNOWN = 16_384
"""Files remembered, also those without TLS: a host with many containers maps some thousand. The least recently seen go first."""

MAX_OPEN = 256
"""Files with TLS libraries that are kept open."""


class File(NamedTuple):
    """One file. ``attach_by`` is a path to it that stays valid; empty where nothing can be attached."""

    attach_by: str
    libraries: tuple[Target | Unsupported, ...]


_NOTHING = File("", ())
_Key = TypeVar("_Key")


class Files:
    """What is known of each file. Not safe against two threads."""

    def __init__(self, *, uretprobes: bool = True) -> None:
        self._uretprobes = uretprobes
        self._by_inode: OrderedDict[Inode, File] = OrderedDict()
        self._by_identity: OrderedDict[FileIdentity, File] = OrderedDict()
        self._open: dict[str, int] = {}
        self.turned_away = 0
        """Files with TLS libraries beyond what is kept open."""

    def known(self, inode: Inode) -> File | None:
        """What is in a file that was looked at before."""
        file = self._by_inode.get(inode)
        if file is not None:
            self._by_inode.move_to_end(inode)
        return file

    def mapped(self, mapping: Mapping) -> File | None:
        """The file of a mapping, and None where there is no way to it any more."""
        file = self.known(mapping.inode)
        if file is None:
            try:
                file = self._look(opened(mapping))
            except OSError:
                return None
            _remember(self._by_inode, mapping.inode, file)
        return file

    def named(self, path: str) -> File:
        """A file by its path. Raises ``OSError``."""
        return self._look(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))

    def passing(self) -> dict[str, set[tuple[int, int, int]]]:
        """Open files that nobody can map again once the last process that has them is gone, by ``attach_by``: their inodes.

        Such a file was deleted, or lies in a container's layers. An open file and its probes keep these from going away.
        """
        found: dict[str, set[tuple[int, int, int]]] = {path: set() for path, fd in self._open.items() if _passing(fd)}
        for inode, file in self._by_inode.items():
            if file.attach_by in found:
                found[file.attach_by].add(inode[:3])
        return found

    def forget(self, attach_by: str) -> None:
        """Let go of a file."""
        os.close(self._open.pop(attach_by))
        _forget(self._by_inode, attach_by)
        _forget(self._by_identity, attach_by)

    def close(self) -> None:
        """Let go of all files. Safe twice."""
        while self._open:
            os.close(self._open.popitem()[1])
        self._by_inode.clear()
        self._by_identity.clear()

    def _look(self, fd: int) -> File:
        """The descriptor is ours now. Two overlay mounts show one file with two devices, hence the second look-up."""
        name = identity(fd)
        file = self._by_identity.get(name)
        if file is None:
            file = self._keep(fd, self._found(fd))
            _remember(self._by_identity, name, file)
        if file.attach_by != _path(fd):
            os.close(fd)
        return file

    def _found(self, fd: int) -> Sequence[Target | Unsupported]:
        try:
            return look(fd, uretprobes=self._uretprobes)
        except Exception as error:  # noqa: BLE001  however strange a file is, others must still be found
            return [Unsupported("tls", "", f"the file cannot be understood ({error!r}); please report this")]

    def _keep(self, fd: int, libraries: Sequence[Target | Unsupported]) -> File:
        if not any(isinstance(library, Target) for library in libraries):
            return File("", tuple(libraries)) if libraries else _NOTHING
        if len(self._open) >= MAX_OPEN:
            self.turned_away += 1
            return _NOTHING
        self._open[_path(fd)] = fd
        return File(_path(fd), tuple(libraries))


def _passing(fd: int) -> bool:
    return os.fstat(fd).st_nlink == 0 or file_system(fd) == OVERLAYFS


def _path(fd: int) -> str:
    return f"/proc/self/fd/{fd}"


def _remember(known: OrderedDict[_Key, File], key: _Key, file: File) -> None:
    known[key] = file
    while len(known) > MAX_KNOWN:
        known.popitem(last=False)


def _forget(known: OrderedDict[_Key, File], attach_by: str) -> None:
    for key in [key for key, file in known.items() if file.attach_by == attach_by]:
        del known[key]
