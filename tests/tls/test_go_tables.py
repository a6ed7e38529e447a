"""Where Go's functions are, by the table that every Go program carries, compared with its symbols."""

import os
import random
import subprocess
import tempfile
from pathlib import Path

import pytest
from tls_programs import CannotBuildError, go_program

from pipeline.sources.tls.elf import golang
from pipeline.sources.tls.elf.errors import ElfError
from pipeline.sources.tls.elf.file import ElfFile
from pipeline.sources.tls.probe import Call, Program, Target
from pipeline.sources.tls.targets.look import look

READ, WRITE, CLOSE = (f"crypto/tls.(*Conn).{name}" for name in ("Read", "Write", "Close"))
FORMS = {
    "plain": (),
    "position-independent": ("-buildmode=pie",),
    "with C": ("-tags=withc",),
    "with C and position-independent": ("-tags=withc", "-buildmode=pie"),
    "linked by C's linker": ("-tags=withc", "-ldflags=-linkmode=external"),
}

QUICK = {"plain", "with C"}
"""The others compile Go's library once more each."""


def built(name: str, version: str = "") -> Path:
    """The client in one of these forms."""
    try:
        return go_program("client", version, *FORMS[name])
    except CannotBuildError as error:
        pytest.skip(str(error))


def symbols(path: Path) -> dict[str, int]:
    """Addresses by ``go tool nm``'s ELF counterpart."""
    lines = subprocess.run(["nm", str(path)], capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split(None, 2)[2]: int(line.split()[0], 16) for line in lines if len(line.split(None, 2)) == 3}


def looked(path: Path) -> Target:
    """The library in it."""
    fd = os.open(path, os.O_RDONLY)
    try:
        [target] = look(fd)
    finally:
        os.close(fd)
    assert isinstance(target, Target), target
    return target


@pytest.mark.parametrize("name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.thorough) for name in FORMS])
def test_functions_are_where_the_symbols_say(name: str, tmp_path: Path) -> None:
    """With symbols and without, whatever else was linked in."""
    program, stripped = built(name), tmp_path / "stripped"
    subprocess.run(["strip", "-o", str(stripped), str(program)], check=True)
    expected = symbols(program)
    for path in (program, stripped):
        fd = os.open(path, os.O_RDONLY)
        try:
            found = golang.functions(ElfFile(fd), [READ, WRITE, CLOSE])
        finally:
            os.close(fd)
        assert {function.name: function.address for function in found.values()} == {
            name: expected[name] for name in (READ, WRITE, CLOSE)
        }
    assert looked(program).probes == looked(stripped).probes


def test_what_is_probed() -> None:
    """Reading where it begins and at its RETs, never by a return probe; writing and closing where they begin."""
    target = looked(built("plain"))
    assert target.library == "go"
    assert {(probe.program, probe.call) for probe in target.probes} == {
        (Program.GO_ENTER, Call.GO_READ),
        (Program.GO_LEAVE, Call.GO_READ),
        (Program.GO_ENTER, Call.GO_WRITE),
        (Program.GO_FREE, Call.FREE),
    }
    assert not any(probe.at_return for probe in target.probes)


@pytest.mark.thorough
@pytest.mark.parametrize("version", ["1.21.13", "1.23.12", "1.26.0"])
@pytest.mark.parametrize("name", FORMS)
def test_more_versions(name: str, version: str, tmp_path: Path) -> None:
    """The same of versions that this machine has to fetch."""
    program, stripped = built(name, version), tmp_path / "stripped"
    subprocess.run(["strip", "-o", str(stripped), str(program)], check=True)
    assert looked(program).probes == looked(stripped).probes
    assert looked(program).version == version


def test_mutated_tables_raise_only_their_own_error() -> None:
    """Nothing else, whatever byte of the table or of the headers is another one."""
    data = bytearray(built("plain").read_bytes())
    with built("plain").open("rb") as file:
        table = ElfFile(file.fileno()).sections[".gopclntab"]
    for seed in range(100):
        chance = random.Random(seed)
        mutated = bytearray(data)
        for _ in range(20):
            at = chance.choice((chance.randrange(table.offset, table.offset + 80), chance.randrange(64)))
            mutated[at] = chance.choice((0, 0xFF, chance.randrange(256)))
        with tempfile.TemporaryFile() as file:
            file.write(mutated)
            file.flush()
            try:
                golang.functions(ElfFile(file.fileno()), [READ, WRITE])
            except ElfError:
                continue
