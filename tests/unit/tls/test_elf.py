"""Reading of ELF files, compared with what binutils read of the same files."""

import subprocess
from pathlib import Path

import pytest
from mapped_libssl import libssl
from tls_files import compiled, opened

from pipeline.sources.tls.elf import frames, references, symbols
from pipeline.sources.tls.elf.errors import ElfError
from pipeline.sources.tls.elf.x86 import length

TWO = """
int first(int a) { return a + 1; }
__attribute__((noinline)) int second(const char *text) { return text[0]; }
int main(int count, char **values) { return first(count) + second("the name of a function") + (values == 0); }
"""


def printed(*command: str) -> str:
    """What a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_symbols_are_those_of_nm() -> None:
    """Addresses and sizes of functions, by whole names."""
    path = libssl()
    lines = (line.split() for line in printed("nm", "-D", "-S", "--defined-only", str(path)).splitlines())
    expected = {
        line[3].split("@")[0]: (int(line[0], 16), int(line[1], 16)) for line in lines if len(line) == 4 and line[2] == "T"
    }
    assert len(expected) > 300
    with opened(path) as elf:
        found = symbols.functions(elf, expected)
    assert {name: (function.address, function.size) for name, function in found.items()} == expected


def test_symbols_by_parts_of_their_names() -> None:
    """Every function whose name holds all parts, and no other."""
    with opened(libssl()) as elf:
        names = {function.name for function in symbols.containing(elf, "SSL_", "early_data")}
    assert "SSL_read_early_data" in names
    assert all("early_data" in name for name in names)


@pytest.mark.slow
def test_instructions_have_the_lengths_of_objdump() -> None:
    """Each of the 90,000 instructions of libssl."""
    lines = [line.split("\t") for line in printed("objdump", "-dw", "-j", ".text", str(libssl())).splitlines()]
    codes = [bytes.fromhex(line[1].replace(" ", "")) for line in lines if len(line) > 2 and "(bad)" not in line[2]]
    assert len(codes) > 50_000
    wrong = [code.hex() for code in codes if length(code + bytes(16), 0) != len(code)]
    assert not wrong


def test_functions_begin_where_their_frames_do(tmp_path: Path) -> None:
    """Also in a program without symbols, with and without the sorted table."""
    program = compiled(tmp_path, TWO)
    with opened(program) as elf:
        named = symbols.functions(elf, ["first", "second", "main"])
    subprocess.run(["strip", str(program)], check=True)
    with opened(program) as elf:
        assert symbols.functions(elf, ["first"]) == {}
        assert {function.address for function in named.values()} <= set(frames.starts(elf))
        del elf.sections[".eh_frame_hdr"]
        assert {function.address for function in named.values()} <= set(frames.starts(elf))


@pytest.mark.parametrize("options", [(), ("-no-pie", "-fno-pie")], ids=["relative", "absolute"])
def test_the_function_that_refers_to_a_string(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Is found without symbols, whether code is position-independent or not."""
    program = compiled(tmp_path, TWO, *options)
    with opened(program) as elf:
        main = symbols.functions(elf, ["main"])["main"]
        found = references.functions(elf, ["the name of a function", "another name"])
    assert {name: function.address for name, function in found.items()} == {"the name of a function": main.address}


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + bytes(100), b"\x7fELF\x02\x01" + bytes(20)])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    """Scripts, 32-bit programs, and what is cut off."""
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(ElfError), opened(file):
        pass
