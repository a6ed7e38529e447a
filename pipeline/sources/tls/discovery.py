"""Which files with TLS libraries are run by the programs that are wanted: those that run already, and those that come.

Comes in: which executables are wanted, files that are wanted whoever maps them. Goes out: ``Finding``, each file once. A program
is noticed when it maps code, which costs nothing while it does not; where records were lost, every process is looked at again.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from pipeline.errors import CaptureError
from pipeline.sources.tls import mappings
from pipeline.sources.tls.files import File, Files
from pipeline.sources.tls.mappings import Mapping
from pipeline.sources.tls.mmap_events import MmapEvents
from pipeline.sources.tls.probe import Target
from pipeline.sources.tls.targets.code import Unsupported

MAX_GIVEN = 4096
"""Programs that are named because they cannot be captured; libraries that can are bounded by what is kept open."""


class Finding(NamedTuple):
    """A library to attach to, or one that cannot be captured and why. The process is the first that was seen with it."""

    pid: int
    executable: str
    path: str
    """Of the file with the library, as that process names it."""
    attach_by: str
    target: Target | Unsupported


class Discovery:
    """``open``, ``scan`` once, then ``read`` whenever ``fileno`` is readable. Reading files takes time: call both in a thread.

    Not safe against two threads at once.
    """

    def __init__(self, wants: Callable[[str], bool], files: Sequence[str] = (), *, uretprobes: bool = True) -> None:
        self._wants = wants
        self._named = files
        self._files = Files(uretprobes=uretprobes)
        self._events = MmapEvents()
        self._own = os.getpid()
        self._given: set[tuple[str, str]] = set()
        self._refused: set[tuple[str, str]] = set()
        self.rescans = 0
        """How often records were lost."""

    @property
    def turned_away(self) -> int:
        """Files with TLS libraries that found no place."""
        return self._files.turned_away

    def open(self) -> None:
        """From here on nothing that is mapped is missed. Raises ``CaptureError``, also for files that cannot be read."""
        self._events.open()

    def fileno(self) -> int:
        """Readable when something was mapped."""
        return self._events.fileno()

    def scan(self) -> list[Finding]:
        """Files that are named, and every process that runs. Raises ``CaptureError`` for a named file without a library."""
        return [*(finding for path in self._named for finding in self._of_file(path)), *self._running()]

    def _running(self) -> list[Finding]:
        found: list[Finding] = []
        for pid in mappings.processes():
            executable = mappings.executable(pid)
            if executable and self._wants(executable):
                found += self._new(mappings.of_process(pid), executable)
        return found

    def read(self) -> list[Finding]:
        """What came since."""
        events, lost = self._events.read()
        found: list[Finding] = []
        executables: dict[int, str] = {}
        for mapping in events:
            if self._interesting(mapping):
                executable = executables.get(mapping.pid) or executables.setdefault(mapping.pid, mappings.executable(mapping.pid))
                if executable and self._wants(executable):
                    found += self._new([mapping], executable)
        if lost:
            self.rescans += 1
            found += self._running()
        return found

    def unused(self) -> list[str]:
        """Files (``attach_by``) that no process has mapped any more and none can map again: detach from them, then ``forget``.

        Looks at every process where there are such files: once a minute is enough.
        """
        passing = self._files.passing()
        if not passing:
            return []
        mapped = {mapping.inode[:3] for pid in mappings.processes() for mapping in mappings.of_process(pid)}
        return [attach_by for attach_by, inodes in passing.items() if not inodes & mapped]

    def forget(self, attach_by: str) -> None:
        """Let go of a file, so that its file system can go."""
        self._files.forget(attach_by)
        self._given = {key for key in self._given if key[0] != attach_by}

    def close(self) -> None:
        """Safe twice, safe unopened."""
        self._events.close()
        self._files.close()

    def _interesting(self, mapping: Mapping) -> bool:
        """Most mappings are of files that were looked at before, and hold no TLS or were given."""
        if not mapping.inode.number or mapping.pid == self._own:
            return False
        file = self._files.known(mapping.inode)
        return file is None or any((file.attach_by, library.library) not in self._given for library in file.libraries)

    def _new(self, found: Iterable[Mapping], executable: str) -> Iterator[Finding]:
        """Libraries that were not given before."""
        for mapping in found:
            file = self._files.mapped(mapping)
            if file is not None:
                yield from self._findings(file, mapping.pid, executable, mapping.path)

    def _of_file(self, path: str) -> Iterator[Finding]:
        try:
            file = self._files.named(path)
        except OSError as error:
            raise CaptureError(f"cannot read {path}: {error.strerror}", remedy="correct `files` of the tls source") from error
        if not file.libraries:
            raise CaptureError(f"no TLS library in {path}", remedy="correct `files` of the tls source")
        yield from self._findings(file, 0, "", path)

    def _findings(self, file: File, pid: int, executable: str, path: str) -> Iterator[Finding]:
        for library in file.libraries:
            if isinstance(library, Target):
                given, key = self._given, (file.attach_by, library.library)
            else:
                given, key = self._refused, (executable, library.library)
            if key not in given and len(given) < MAX_GIVEN:
                given.add(key)
                yield Finding(pid, executable, path, file.attach_by, library)
