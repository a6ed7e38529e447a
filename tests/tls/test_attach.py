"""Probes on the functions of a library: which are passed, what becomes of the program, and that nothing is left."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tls_hits import Hits, counting
from tls_talker import Talker

from pipeline.errors import CaptureError
from pipeline.sources.tls import canary
from pipeline.sources.tls.elf.file import ElfFile
from pipeline.sources.tls.probe import Call, FileIdentity, Probe, Program, Target
from pipeline.sources.tls.survey import survey
from pipeline.sources.tls.targets.code import Code
from pipeline.sources.tls.targets.look import look
from tests.waiting import until

INT3 = b"\xcc"
EXCEPTION = """
#include <cstdio>
#include <stdexcept>
extern "C" __attribute__((noinline)) int probed(int n) { if (n % 2) throw std::runtime_error("odd"); return n; }
int main() {
    int caught = 0;
    for (int n = 0; n < 100; n++) try { probed(n); } catch (const std::runtime_error &) { caught++; }
    std::printf("%d\\n", caught);
}
"""


def target_of(path: Path, *, uretprobes: bool = True) -> Target:
    """The library in a file."""
    fd = os.open(path, os.O_RDONLY)
    try:
        [target] = look(fd, uretprobes=uretprobes)
    finally:
        os.close(fd)
    assert isinstance(target, Target)
    return target


def byte_at(pid: int, path: Path, offset: int) -> bytes:
    """The first byte of an instruction, as a process has it in memory."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split(None, 5)
        if len(fields) > 5 and fields[5] == str(path) and "x" in fields[1]:
            start = int(fields[0].split("-")[0], 16)
            with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
                return os.pread(memory.fileno(), 1, start + offset - int(fields[2], 16))
    raise AssertionError(path)


@pytest.mark.parametrize("multi", [True, False], ids=["multi", "perf"])
@pytest.mark.parametrize("uretprobes", [True, False], ids=["return probes", "rets"])
def test_every_call_is_passed_once_at_its_beginning_and_once_at_its_end(
    talker: Callable[[Path], Talker], library: Path, *, multi: bool, uretprobes: bool
) -> None:
    """In a process that ran before and in one that comes later."""
    before = talker(library)
    target = target_of(library, uretprobes=uretprobes)
    with counting(multi=multi) as hits:
        hits.attacher.attach(str(library), target, 1)
        after = talker(library)
        handshakes = {call: hits.of(call) for call in Call}
        before.talk(7)
        after.talk(5)
        reads = [call for call in (Call.READ, Call.READ_EX) if hits.of(call) > handshakes[call]]
        writes = [call for call in (Call.WRITE, Call.WRITE_EX, Call.WRITE_EX2) if hits.of(call) > handshakes[call]]
        [read], [write] = reads, writes
        assert hits.of(read) - handshakes[read] == 2 * 12
        assert hits.of(write) - handshakes[write] == 2 * 12


def test_nothing_is_left_after_closing(talker: Callable[[Path], Talker], library: Path, hits: Hits) -> None:
    """The instruction is there again, and the program goes on."""
    process, target = talker(library), target_of(library)
    place = target.probes[0].offset
    original = byte_at(process.pid, library, place)
    hits.attacher.attach(str(library), target, 1)
    assert byte_at(process.pid, library, place) == INT3 != original
    assert [one.attached for one in survey().processes if one.pid == process.pid] == [True]
    hits.attacher.close()
    assert byte_at(process.pid, library, place) == original
    assert [one.attached for one in survey().processes if one.pid == process.pid] == [False]
    process.talk()


def test_one_target_is_detached_without_the_others(talker: Callable[[Path], Talker], library: Path, hits: Hits) -> None:
    """By its number."""
    process, target = talker(library), target_of(library)
    hits.attacher.attach(str(library), target, 1)
    hits.attacher.attach(str(library), target, 2)
    hits.attacher.detach(1)
    process.talk()
    [read] = [probe.call for probe in target.probes if probe.function.startswith("SSL_read") and not probe.at_return]
    assert (hits.of(read, 1), hits.of(read, 2)) == (0, 20)


def test_all_or_nothing(library: Path, hits: Hits) -> None:
    """A target of which one place cannot be probed is refused, and has no probes at all."""
    good = target_of(library)
    bad = Probe(Program.FREE, 1 << 40, Call.FREE)
    with pytest.raises(CaptureError, match="cannot attach to openssl"):
        hits.attacher.attach(str(library), Target("openssl", "", good.file, (*good.probes, bad)), 1)
    assert hits.attacher.attached == set()


def test_kill_9_leaves_no_breakpoint_and_the_program_goes_on(talker: Callable[[Path], Talker], library: Path) -> None:
    """The kernel takes the probes away from a program that is at work."""
    process, target = talker(library), target_of(library)
    place = target.probes[0].offset
    script = Path(__file__).with_name("tls_attached.py")
    attached = subprocess.Popen([sys.executable, str(script), str(library)], stdout=subprocess.PIPE, text=True)
    try:
        assert attached.stdout
        assert attached.stdout.readline() == "attached\n"
        assert byte_at(process.pid, library, place) == INT3
        process.process.stdin.write("20000\n")  # type: ignore[union-attr]
        attached.send_signal(signal.SIGKILL)
        attached.wait()
        until(lambda: byte_at(process.pid, library, place) != INT3)
        process._read("done")
        process.talk()
    finally:
        attached.kill()
        attached.stdout.close()  # type: ignore[union-attr]
    assert process.close() == 0


@pytest.mark.parametrize("kind", ["entry", "rets"])
def test_cpp_exceptions_pass_through_probed_functions(tmp_path: Path, hits: Hits, kind: str) -> None:
    """Where probes stand at its beginning and at its RETs; a return probe would end the program, as docs/tls.md says."""
    source, program = tmp_path / "throws.cc", tmp_path / "throws"
    source.write_text(EXCEPTION)
    subprocess.run(["clang++", "-O2", str(source), "-o", str(program)], check=True, capture_output=True)
    fd = os.open(program, os.O_RDONLY)
    try:
        code = Code(ElfFile(fd), uretprobes=False)
        function = code.functions(["probed"])["probed"]
        rets = code.call(function, Call.READ)
        entry = [code.at_entry(function, Call.READ, Program.ENTER)]
    finally:
        os.close(fd)
    probes = tuple(rets if kind == "rets" else entry)
    hits.attacher.attach(str(program), Target("test", "", FileIdentity(0, 0, 0, 0), probes), 1)
    done = subprocess.run([str(program)], capture_output=True, text=True, check=True)
    assert done.stdout == "50\n"
    assert hits.of(Call.READ) == (150 if kind == "rets" else 100)


def test_the_canary_calls_its_function_under_a_filter(hits: Hits) -> None:
    """Its answer is about what it did: the probe was passed, by a child that lives by what its filter allows."""
    safe = canary.return_probes_are_safe(hits.attacher)
    assert hits.of(Call.READ, canary.NUMBER) == 1
    assert hits.attacher.attached == set()
    assert safe


def test_the_canary_dies_of_what_its_filter_forbids(hits: Hits, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one call less on the list it is killed, and return probes count as dangerous."""
    monkeypatch.setattr(canary, "_EXIT_GROUP", 60)
    assert not canary.return_probes_are_safe(hits.attacher)
