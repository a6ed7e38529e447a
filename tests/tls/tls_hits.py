"""Attaching with a program that only counts: which places of a file are passed, and how often."""

import ctypes
import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from hatch_build import includes
from pipeline.sources.bpf import libbpf_loader
from pipeline.sources.bpf.syscall import Map
from pipeline.sources.tls.attach import Attacher
from pipeline.sources.tls.probe import Call, Program, cookie

SOURCE = Path(__file__).with_name("tls_hits.bpf.c")
UPROBE_MULTI = 48


@cache
def _object() -> Path:
    path = Path(mkdtemp(prefix="httpipe-hits-")) / "tls_hits.bpf.o"
    flags = ["-target", "bpf", "-mcpu=v2", "-O2", "-g", "-Wall", "-Werror"]
    subprocess.run(["clang", *flags, *includes(), "-c", str(SOURCE), "-o", str(path)], check=True)
    return path


class Hits:
    """An attacher, and what its program counted."""

    def __init__(self, attacher: Attacher, counts: Map) -> None:
        self.attacher = attacher
        self._counts = counts

    def of(self, call: Call, number: int = 1) -> int:
        """Hits of all places with this cookie."""
        value = self._counts.lookup(cookie(call, number).to_bytes(8, "little"))
        return int.from_bytes(value or b"", "little")


@contextmanager
def counting(*, multi: bool = True) -> Generator[Hits, None, None]:
    """The program is loaded, for links of many uprobes or for perf events."""
    library = libbpf_loader.library()
    library.bpf_program__set_expected_attach_type.argtypes = (ctypes.c_void_p, ctypes.c_int)
    handle = library.bpf_object__open_file(os.fsencode(_object()), None)
    assert handle
    program = library.bpf_object__find_program_by_name(handle, b"count_hit")
    if multi:
        library.bpf_program__set_expected_attach_type(program, UPROBE_MULTI)
    assert library.bpf_object__load(handle) == 0
    fd = library.bpf_program__fd(program)
    attacher = Attacher(dict.fromkeys(Program, fd), multi=multi)
    try:
        yield Hits(attacher, Map(library.bpf_map__fd(library.bpf_object__find_map_by_name(handle, b"hits")), 8, 8))
    finally:
        attacher.close()
        library.bpf_object__close(handle)
