"""What a TLS library leaves in the constants of a program, with or without symbols: names of functions and sources, versions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.sources.tls.elf.file import ElfFile

PIECE_BYTES = 4 << 20
OVERLAP_BYTES = 128
MAX_CONSTANT_BYTES = 128 << 20
"""node has 47 MiB of constants, browsers about as many."""

OPENSSL_READ = b"\0ssl_read_internal\0"
"""OpenSSL from 3 on puts the names of functions into its errors."""
BORINGSSL_SOURCE = b"ssl/ssl_lib.cc\0"
"""BoringSSL puts the names of its sources there. OpenSSL's is ``ssl_lib.c``."""

_VERSIONS = {
    "openssl": (b"OpenSSL ", re.compile(rb"OpenSSL (\d+\.\d+\.\d+[a-z]?)[^\0]{0,16} \d{1,2} [A-Z][a-z]{2} \d{4}\0")),
    "gnutls": (b"GnuTLS ", re.compile(rb"GnuTLS (\d+\.\d+\.\d+) logging")),
    "rustls": (b"/rustls-", re.compile(rb"/rustls-(\d+\.\d+\.\d+)")),
}
"""A text that is quick to look for, and where the version stands behind it."""


@dataclass(slots=True)
class Traces:
    """Names that were found, and versions by library."""

    names: set[bytes] = field(default_factory=set)
    versions: dict[str, str] = field(default_factory=dict)

    def version(self, library: str) -> str:
        """Empty where it is not known."""
        return self.versions.get(library, "")


def of(elf: ElfFile) -> Traces:
    """All of them, in one pass."""
    traces = Traces()
    for piece in _pieces(elf):
        traces.names.update(name for name in (OPENSSL_READ, BORINGSSL_SOURCE) if name in piece)
        for library, (text, version) in _VERSIONS.items():
            if library not in traces.versions and text in piece and (match := version.search(piece)):
                traces.versions[library] = match[1].decode("ascii")
    return traces


def _pieces(elf: ElfFile) -> Iterator[bytes]:
    constants = elf.sections.get(".rodata")
    if constants is None:
        return
    for skip in range(0, min(constants.size, MAX_CONSTANT_BYTES), PIECE_BYTES):
        yield elf.read(constants.offset + skip, min(PIECE_BYTES + OVERLAP_BYTES, constants.size - skip))
