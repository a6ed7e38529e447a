"""Files that look like programs and are broken or hostile."""

import os
import random
import ssl
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.tls.elf import frames, golang, references, symbols
from pipeline.sources.tls.elf.errors import ElfError
from pipeline.sources.tls.elf.file import ElfFile
from pipeline.sources.tls.elf.x86 import instructions, length
from pipeline.sources.tls.targets.look import look

assert ssl.OPENSSL_VERSION
LIBSSL = next(line.split(None, 5)[5] for line in Path("/proc/self/maps").read_text().splitlines() if "/libssl" in line)
ORIGINAL = Path(LIBSSL).read_bytes()
MEBIBYTE = 1 << 20
HEADERS = 64
"""Bytes of the ELF header; those of sections stand at the end of the file."""


def mutated(seed: int) -> bytes:
    """libssl with some bytes changed, most of them where a table is, and sometimes cut off."""
    chance = random.Random(seed)
    data = bytearray(ORIGINAL)
    places = (range(HEADERS), range(HEADERS, 1024), range(len(data) - 2048, len(data)), range(0x1000, 0xC000), range(len(data)))
    for _ in range(chance.randint(1, 30)):
        data[chance.choice(chance.choice(places))] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
    return bytes(data[: chance.choice((len(data), len(data), chance.randrange(len(data))))])


def ask_everything(fd: int) -> None:
    """All that is read of a file, one question after the other."""
    for question in (
        lambda elf: symbols.functions(elf, ["SSL_read", "SSL_write"]),
        lambda elf: symbols.containing(elf, "SSL", "read"),
        frames.starts,
        lambda elf: references.functions(elf, ["ssl_read_internal", "SSL_read"]),
        golang.version,
        lambda elf: golang.functions(elf, ["crypto/tls.(*Conn).Read"]),
    ):
        try:
            question(ElfFile(fd))
        except ElfError:
            continue


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 32))
def test_mutated_files_raise_only_their_own_error(seed: int) -> None:
    """Nothing else, whatever of the file is asked for; and a look at it raises nothing at all."""
    with tempfile.TemporaryFile() as file:
        file.write(mutated(seed))
        file.flush()
        ask_everything(file.fileno())
        look(file.fileno())


@pytest.mark.slow
def test_a_huge_hole_is_not_read_into_memory() -> None:
    """A sparse file of a terabyte, whose tables claim most of it, costs no more memory than a file may."""
    with tempfile.TemporaryFile() as file:
        file.write(ORIGINAL)
        file.flush()
        fd = file.fileno()
        os.ftruncate(fd, 1 << 40)
        sections_at = int.from_bytes(ORIGINAL[40:48], "little")
        for number in range(int.from_bytes(ORIGINAL[60:62], "little")):
            os.pwrite(fd, (1 << 39).to_bytes(8, "little"), sections_at + 64 * number + 32)
        tracemalloc.start()
        try:
            ask_everything(fd)
            look(fd)
            assert tracemalloc.get_traced_memory()[1] < 100 * MEBIBYTE
        finally:
            tracemalloc.stop()


@given(st.binary(max_size=64))
def test_any_bytes_as_instructions(code: bytes) -> None:
    """Never read beyond their end, and what is read is all there is, piece by piece."""
    at = 0
    for instruction in instructions(code):
        assert instruction.at == at
        assert 0 < instruction.size == length(code, at) <= len(code) - at
        at += instruction.size
