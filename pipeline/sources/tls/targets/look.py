"""Which TLS libraries are in this file? Asks the modules of this folder in turn.

Comes in: a file descriptor. Goes out: a ``Target`` or ``Unsupported`` a library; a program may hold OpenSSL and rustls. A file
that cannot be read as ELF has no library in it.
"""

import os
from collections.abc import Callable

from pipeline.sources.tls.elf.errors import ElfError
from pipeline.sources.tls.elf.file import ElfFile, Machine
from pipeline.sources.tls.probe import FileIdentity, Target, file_identity
from pipeline.sources.tls.targets import boringssl, gnutls, golang, java, nss, openssl, rustls
from pipeline.sources.tls.targets.code import Code, Found, Unsupported

_LIBRARIES: tuple[Callable[[Code], Found | Unsupported | None], ...] = (
    openssl.find,
    boringssl.find,
    gnutls.find,
    nss.find,
    rustls.find,
    java.find,
)
"""All but Go's, which is asked first: a cgo program may hold OpenSSL's names and still speak by its own."""

MACHINES = {Machine.X86_64, Machine.AARCH64}


def identity(fd: int) -> FileIdentity:
    """Of an open file."""
    return file_identity(os.fstat(fd))


def look(fd: int, *, uretprobes: bool = True) -> list[Target | Unsupported]:
    """Every library that is found; the descriptor stays the caller's."""
    file = identity(fd)
    try:
        found = _look(Code(ElfFile(fd), uretprobes=uretprobes))
    except (ElfError, OSError):
        return []
    return [Target(one.library, one.version, file, one.probes) if isinstance(one, Found) else one for one in found]


def _look(code: Code) -> list[Found | Unsupported]:
    if code.elf.machine not in MACHINES:
        return []
    go = golang.find(code)
    if go is not None:
        return [go]
    return [found for find in _LIBRARIES if (found := find(code)) is not None]
