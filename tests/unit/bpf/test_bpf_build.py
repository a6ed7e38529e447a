"""The build of the program: what happens without clang, without headers, and where the object is there already."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from struct import pack

import pytest
from bpf_flow import programs, refused_edges

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """As much of a clone as the build looks at."""
    (tmp_path / "pipeline").mkdir()
    shutil.copy(ROOT / "hatch_build.py", tmp_path)
    shutil.copytree(ROOT / "pipeline" / "bpf", tmp_path / "pipeline" / "bpf", ignore=shutil.ignore_patterns("*.o", "*.tmp"))
    return tmp_path


def build(clone: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the build there."""
    surroundings = {**os.environ, "HTTPIPE_NO_BPF": "", **environment}
    command = [sys.executable, str(clone / "hatch_build.py")]
    return subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False)


def built(clone: Path) -> Path:
    """Where the object belongs."""
    return clone / "pipeline" / "bpf" / "http_trace.bpf.o"


@pytest.mark.slow
def test_builds_once(clone: Path) -> None:
    """The object appears; a second time it is left as it is, until a source is newer."""
    assert build(clone).returncode == 0
    first = built(clone).stat().st_mtime_ns
    assert build(clone, CLANG="/nonexistent/clang").returncode == 0
    assert built(clone).stat().st_mtime_ns == first
    os.utime(clone / "pipeline" / "bpf" / "emit" / "ring.h")
    assert build(clone).returncode == 0
    assert built(clone).stat().st_mtime_ns > first


def test_little_endian_for_every_machine(clone: Path) -> None:
    """An ELF file of 64 bits, little-endian, for BPF, without the builder's folders in it."""
    build(clone)
    data = built(clone).read_bytes()
    assert data[:6] == b"\x7fELF\x02\x01"
    assert int.from_bytes(data[18:20], "little") == 247  # EM_BPF
    assert str(clone).encode() not in data


def test_without_clang(clone: Path) -> None:
    """The error names the Debian packages and the way to do without; no half object stays."""
    done = build(clone, CLANG="/nonexistent/clang")
    assert done.returncode == 1
    assert "clang libbpf-dev" in done.stderr
    assert "HTTPIPE_NO_BPF=1" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(built(clone).parent.glob("*.o"))


def test_clang_not_on_the_path(clone: Path, tmp_path: Path) -> None:
    """The same where no clang is found at all."""
    done = build(clone, PATH=str(tmp_path), CLANG="")
    assert done.returncode == 1
    assert "clang is not installed" in done.stderr


def test_an_error_in_the_program(clone: Path) -> None:
    """The compiler's own words are shown."""
    (clone / "pipeline" / "bpf" / "classify" / "start.h").write_text("this is no C\n")
    done = build(clone)
    assert done.returncode == 1
    assert "start.h:1" in done.stderr


def test_left_out(clone: Path) -> None:
    """HTTPIPE_NO_BPF=1 builds nothing."""
    build(clone, HTTPIPE_NO_BPF="1")
    assert not built(clone).exists()


def test_an_sdist_brings_the_object(clone: Path) -> None:
    """Where PKG-INFO says that this is an sdist, the object in it is taken, whatever the times of the files."""
    build(clone)
    (clone / "PKG-INFO").write_text("Name: httpipe\n")
    os.utime(built(clone), (0, 0))
    assert build(clone, CLANG="/nonexistent/clang").returncode == 0


def test_hook_adds_the_object(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """hatchling is told to carry it, though git ignores it."""
    monkeypatch.delenv("HTTPIPE_NO_BPF", raising=False)
    spec = importlib.util.spec_from_file_location("hatch_build_of_clone", clone / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    hook = object.__new__(module.CustomBuildHook)
    data: dict[str, list[str]] = {"artifacts": []}
    hook.initialize("standard", data)
    assert data["artifacts"] == ["/pipeline/bpf/http_trace.bpf.o"]
    monkeypatch.setenv("HTTPIPE_NO_BPF", "1")
    data = {"artifacts": []}
    hook.initialize("standard", data)
    assert data["artifacts"] == []


CLANGS = [name for name in ("clang", *(f"clang-{version}" for version in range(13, 24))) if shutil.which(name)]

OPTMEM_BYTES = 20480
"""What the memory of a socket's options and of its filter may be before Linux 6.8 (net.core.optmem_max)."""

ADD, LESS, GO, EXIT = (pack("<BBhi", code, 0, offset, 1) for code, offset in ((0x07, 0), (0xA5, -2), (0x05, 1), (0x95, 0)))


@pytest.mark.parametrize("clang", CLANGS)
def test_every_kernel_accepts_the_flow(clone: Path, clang: str) -> None:
    """Whatever clang makes the object: no loop in it is laid out so that a verifier before Linux 6.8 refuses it."""
    done = build(clone, CLANG=clang)
    assert done.returncode == 0, done.stderr
    found = programs(built(clone))
    assert {name: refused_edges(code) for name, code in found.items()} == {"http_trace": [], "http_entry": []}
    assert len(found["http_entry"]) < OPTMEM_BYTES / 2


def test_the_flow_that_old_kernels_refuse() -> None:
    """A loop whose body falls through into its condition is found; one that ends in its condition is none."""
    assert refused_edges(GO + ADD + LESS + EXIT) == [(1, 2)]
    assert refused_edges(ADD + LESS + EXIT) == []
