"""rustls, which is always linked statically: by symbols, which ``strip = true`` and most packaged programs lack.

Plain text is taken where it is decrypted (``CommonState::take_received_plaintext``), because tokio-rustls does not call
``Reader::read``.
"""

import re

from pipeline.sources.tls.elf import symbols
from pipeline.sources.tls.elf.symbols import Function
from pipeline.sources.tls.probe import Call, Program
from pipeline.sources.tls.targets.code import ONLY_BY_RETURN_PROBES, Code, Found, Unsupported

LIBRARY = "rustls"

_TAKE = ("take_received_plaintext", "rustls", "CommonState")
_WRITER = ("rustls", "Writer", "write")
_WRITE = re.compile(r"(?<!\d)(5write|14write_vectored)(17h[0-9a-f]{16}E)?$")
"""The last part of the name, in both manglings: not ``write_all`` or a closure. hyper and h2 call the second one."""
_CALLS = {"5write": Call.RUST_WRITE, "14write_vectored": Call.RUST_WRITE_VECTORED}


def find(code: Code) -> Found | Unsupported | None:
    """By symbols."""
    takes = symbols.containing(code.elf, *_TAKE)
    writers = _writers(code) if takes else []
    version = code.traces.version(LIBRARY)
    if not takes or not writers:
        why = "it was stripped of the names of its functions, or these were inlined"
        return Unsupported(LIBRARY, version, why) if takes or version else None
    if not code.x86:
        return Unsupported(LIBRARY, version, "rustls is captured on x86-64 only")
    writes = [probe for function, call in writers for probe in code.call(function, call, Program.RUST_ENTER)]
    if not writes:
        return Unsupported(LIBRARY, version, ONLY_BY_RETURN_PROBES)
    reads = [code.at_entry(function, Call.RUST_READ, Program.RUST_TAKE) for function in takes]
    return Found(LIBRARY, version, (*reads, *writes))


def _writers(code: Code) -> list[tuple[Function, Call]]:
    named = ((function, _WRITE.search(function.name)) for function in symbols.containing(code.elf, *_WRITER))
    return [(function, _CALLS[name[1]]) for function, name in named if name]
