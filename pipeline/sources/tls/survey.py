"""The TLS processes of this host: for ``httpipe doctor --tls``. Changes nothing; what is not ours to look at is counted.

Whether probes are attached is read off the process itself: where one is, the kernel has put a breakpoint into its code.
"""

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.sources.tls import mappings
from pipeline.sources.tls.files import Files
from pipeline.sources.tls.mappings import Mapping
from pipeline.sources.tls.probe import Probe, Target
from pipeline.sources.tls.versions import OpensslVersions

_BREAKPOINTS = {"x86_64": b"\xcc", "aarch64": (0xD4200000 | 5 << 5).to_bytes(4, "little")}
"""INT3, and BRK with the number that the kernel uses for uprobes."""


@dataclass(frozen=True, slots=True)
class TlsProcess:
    """A library in a process. ``why`` says why it cannot be captured; empty where it can."""

    pid: int
    executable: str
    library: str
    version: str
    path: str
    why: str = ""
    attached: bool = False


@dataclass(frozen=True, slots=True)
class Survey:
    """All of them by process, and how many processes could not be looked at."""

    processes: tuple[TlsProcess, ...]
    hidden: int


def survey() -> Survey:
    """Look at every process once."""
    look = _Look()
    try:
        found: list[TlsProcess] = []
        hidden = 0
        for pid in sorted(mappings.processes()):
            executable = mappings.executable(pid)
            found += look.libraries(pid, executable) if executable else ()
            hidden += not executable and _not_ours(pid)
        return Survey(tuple(found), hidden)
    finally:
        look.files.close()


class _Look:
    """What was learned of files, for the processes to come."""

    def __init__(self) -> None:
        self.files = Files()
        self._versions = OpensslVersions()

    def libraries(self, pid: int, executable: str) -> Iterator[TlsProcess]:
        """Those of one process."""
        mapped = list(mappings.of_process(pid))
        for mapping in mapped:
            file = self.files.mapped(mapping)
            for library in file.libraries if file else ():
                version = library.version or self._versions.beside(mapping.path, mapped)
                if isinstance(library, Target):
                    attached = any(_attached(mapping, probe) for probe in library.probes)
                    yield TlsProcess(pid, executable, library.library, version, mapping.path, attached=attached)
                else:
                    yield TlsProcess(pid, executable, library.library, library.version, mapping.path, library.why)


def _attached(mapping: Mapping, probe: Probe) -> bool:
    """Whether a breakpoint stands where the probe would."""
    breakpoint_ = _BREAKPOINTS.get(platform.machine(), b"")
    place = mapping.start + probe.offset - mapping.offset
    if not breakpoint_ or not mapping.start <= place < mapping.end:
        return False
    try:
        with (mappings.PROC / str(mapping.pid) / "mem").open("rb", buffering=0) as memory:
            return os.pread(memory.fileno(), len(breakpoint_), place) == breakpoint_
    except OSError:
        return False


def _not_ours(pid: int) -> bool:
    """Other users' processes; kernel threads have no program, and that can be seen."""
    try:
        (mappings.PROC / str(pid) / "exe").readlink()
    except PermissionError:
        return True
    except OSError:
        return False
    return False
