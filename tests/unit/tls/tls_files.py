"""Real files with TLS libraries in them, and programs of our own, compiled for the test."""

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from pipeline.sources.tls.elf.file import ElfFile
from pipeline.sources.tls.probe import Target
from pipeline.sources.tls.targets.code import Unsupported
from pipeline.sources.tls.targets.look import look

Looked = list[Target | Unsupported]


@contextmanager
def opened(path: Path) -> Generator[ElfFile, None, None]:
    """For reading."""
    fd = os.open(path, os.O_RDONLY)
    try:
        yield ElfFile(fd)
    finally:
        os.close(fd)


def looked(path: Path, *, uretprobes: bool = True) -> Looked:
    """Which libraries are in it."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return look(fd, uretprobes=uretprobes)
    finally:
        os.close(fd)


def compiled(folder: Path, source: str, *options: str, name: str = "program") -> Path:
    """A program of C, or of C++ where the name ends so."""
    made = folder / name
    file = folder / f"{name}.{'cc' if name.endswith('pp') else 'c'}"
    file.write_text(source)
    compiler = "clang++" if name.endswith("pp") else "clang"
    subprocess.run([compiler, "-O1", str(file), "-o", str(made), *options], check=True, capture_output=True)
    return made
