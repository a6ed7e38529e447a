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
    """A clone, nothing built."""
    copy(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def object_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The object for those that only look at it: the checkout's, and compiled where that is older than its sources."""
    folder = tmp_path_factory.mktemp("once")
    copy(folder)
    for path in (ROOT / "pipeline" / "bpf").glob("*.o"):
        shutil.copy2(path, built(folder).with_name(path.name))
    assert build(folder).returncode == 0
    return built(folder)


@pytest.fixture
def clone_with_object(clone: Path, object_file: Path) -> Path:
    """A clone in which the objects are there, and newer than the sources."""
    for path in object_file.parent.glob("*.bpf.o"):
        shutil.copyfile(path, built(clone).with_name(path.name))
    return clone


def copy(folder: Path) -> None:
    """As much of the checkout as the build looks at."""
    (folder / "pipeline").mkdir()
    shutil.copy2(ROOT / "hatch_build.py", folder)
    shutil.copytree(ROOT / "pipeline" / "bpf", folder / "pipeline" / "bpf", ignore=shutil.ignore_patterns("*.o", "*.tmp"))


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
    """The object appears, without the builder's folders in it; a second time it is left as it is, until a source is newer."""
    assert build(clone).returncode == 0
    assert str(clone).encode() not in built(clone).read_bytes()
    first = built(clone).stat().st_mtime_ns
    assert build(clone, CLANG="/nonexistent/clang").returncode == 0
    assert built(clone).stat().st_mtime_ns == first
    os.utime(clone / "pipeline" / "bpf" / "emit" / "ring.h")
    assert build(clone).returncode == 0
    assert built(clone).stat().st_mtime_ns > first


def test_little_endian_for_every_machine(object_file: Path) -> None:
    """An ELF file of 64 bits, little-endian, for BPF."""
    data = object_file.read_bytes()
    assert data[:6] == b"\x7fELF\x02\x01"
    assert int.from_bytes(data[18:20], "little") == 247  # EM_BPF


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
    (clone / "pipeline" / "bpf" / "classify" / "start.h").write_text("this is not C\n")
    done = build(clone)
    assert done.returncode == 1
    assert "start.h:1" in done.stderr


def test_left_out(clone: Path) -> None:
    """HTTPIPE_NO_BPF=1 builds nothing."""
    build(clone, HTTPIPE_NO_BPF="1")
    assert not built(clone).exists()


def test_an_sdist_brings_the_object(clone_with_object: Path) -> None:
    """Where PKG-INFO says that this is an sdist, the object in it is taken, whatever the times of the files."""
    clone = clone_with_object
    (clone / "PKG-INFO").write_text("Name: httpipe\n")
    os.utime(built(clone), (0, 0))
    assert build(clone, CLANG="/nonexistent/clang").returncode == 0


def test_hook_adds_the_object(clone_with_object: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """hatchling carries it, though git ignores it."""
    monkeypatch.delenv("HTTPIPE_NO_BPF", raising=False)
    spec = importlib.util.spec_from_file_location("hatch_build_of_clone", clone_with_object / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    hook = module.CustomBuildHook(str(clone_with_object), {}, None, None, "", "sdist")
    data: dict[str, list[str]] = {"artifacts": []}
    hook.initialize("standard", data)
    sources = [path.name.removesuffix(".bpf.c") for path in (ROOT / "pipeline" / "bpf").glob("*.bpf.c")]
    names = {name.rsplit("/", 1)[1].split(".")[0] for name in data["artifacts"]}
    assert "/pipeline/bpf/http_trace.bpf.o" in data["artifacts"]
    assert {"/pipeline/bpf/tls.x86_64.bpf.o", "/pipeline/bpf/tls.aarch64.bpf.o"} <= set(data["artifacts"])
    assert names == set(sources)
    monkeypatch.setenv("HTTPIPE_NO_BPF", "1")
    data = {"artifacts": []}
    hook.initialize("standard", data)
    assert data["artifacts"] == []


OTHER_CLANGS = [name for name in (f"clang-{version}" for version in range(13, 24)) if shutil.which(name)]
"""Each takes a second. The one that the build takes is tried every time."""

OPTMEM_BYTES = 20480
"""What the memory of a socket's options and of its filter may be before Linux 6.8 (net.core.optmem_max)."""

ADD, LESS, GO, EXIT = (pack("<BBhi", code, 0, offset, 1) for code, offset in ((0x07, 0), (0xA5, -2), (0x05, 1), (0x95, 0)))


def test_every_kernel_accepts_the_flow(object_file: Path) -> None:
    """No loop in the object is laid out so that a verifier before Linux 6.8 refuses it."""
    assert_accepted(object_file)


@pytest.mark.slow
@pytest.mark.parametrize("clang", OTHER_CLANGS)
def test_every_kernel_accepts_the_flow_of_every_clang(clone: Path, clang: str) -> None:
    """Nor in what other versions of clang make of it."""
    done = build(clone, CLANG=clang)
    assert done.returncode == 0, done.stderr
    assert_accepted(built(clone))


def assert_accepted(path: Path) -> None:
    """By ``check_cfg()`` of old kernels, and by their limit of what may be attached."""
    found = programs(path)
    assert set(found) == {"http_trace", "http_entry", "http_frames", "http_sockets", "http_sockets_frames"}
    assert not [name for name, code in found.items() if refused_edges(code)]
    assert len(found["http_entry"]) < OPTMEM_BYTES / 2
    who = programs(path.with_name("who.bpf.o"))
    assert {"who_sends", "who_receives", "who_reads", "who_connects", "who_closes"} < set(who)
    assert not [name for name, code in who.items() if refused_edges(code)]


def test_the_flow_that_old_kernels_refuse() -> None:
    """A loop whose body falls through into its condition is found; one that ends in its condition is none."""
    assert refused_edges(GO + ADD + LESS + EXIT) == [(1, 2)]
    assert refused_edges(ADD + LESS + EXIT) == []
