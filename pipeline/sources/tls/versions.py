"""Which OpenSSL a shared libssl belongs to: it does not say, the libcrypto beside it does.

Comes in: a libssl and what its process has mapped beside it. Goes out: a version such as ``3.0.19``, or nothing. For people: no
probe depends on it.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from pipeline.sources.tls.elf.errors import ElfError
from pipeline.sources.tls.elf.file import ElfFile
from pipeline.sources.tls.mappings import Inode, Mapping, opened
from pipeline.sources.tls.probe import FileIdentity, file_identity
from pipeline.sources.tls.targets import traces

MAX_KNOWN = 1024
"""Libraries remembered: a host has one or two, with many containers some dozen."""


class OpensslVersions:
    """Each libcrypto is read once, in some ten milliseconds."""

    def __init__(self) -> None:
        self._known: dict[Inode, str] = {}

    def beside(self, path: str, mapped: Iterable[Mapping]) -> str:
        """Of the libssl at ``path``, where a libcrypto of the same folder is mapped; empty for anything else."""
        folder, name = os.path.split(path)
        if not name.startswith("libssl"):
            return ""
        crypto = next((mapping for mapping in mapped if mapping.path.startswith(f"{folder}/libcrypto")), None)
        if crypto is None:
            return ""
        if crypto.inode not in self._known and len(self._known) < MAX_KNOWN:
            self._known[crypto.inode] = _version(crypto)
        return self._known.get(crypto.inode, "")


def of_named(path: str, file: FileIdentity) -> str:
    """Of a libssl that lies at this path here, too: ``libssl.so.3`` has its version in ``libcrypto.so.3``."""
    folder, name = os.path.split(path)
    if not name.startswith("libssl"):
        return ""
    try:
        if file_identity(Path(path).stat()) != file:
            return ""  # of another mount namespace
        return _read(os.open(f"{folder}/{name.replace('ssl', 'crypto', 1)}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError:
        return ""


def _version(crypto: Mapping) -> str:
    try:
        return _read(opened(crypto))
    except OSError:
        return ""


def _read(fd: int) -> str:
    """The descriptor is ours now."""
    try:
        return traces.of(ElfFile(fd)).version("openssl")
    except (ElfError, OSError):
        return ""
    finally:
        os.close(fd)
