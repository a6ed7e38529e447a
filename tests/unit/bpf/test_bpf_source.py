"""Options, clock, loaders and checks of the live source, as far as they need no privileges."""

import errno
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline import container
from pipeline.api import CaptureError, Context
from pipeline.errors import OPEN_FILES_REMEDY
from pipeline.sources.bpf import bcc_loader, capture, host, kernel, libbpf_loader, program, rights, syscall
from pipeline.sources.bpf.clock import wall_minus_boot_ns
from pipeline.sources.bpf.config import BpfConfig
from pipeline.sources.bpf.source import BpfSource

SIZES = program.Sizes(ring_bytes=1 << 20, max_connections=64)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"interfaces": ()}, "at least 1 item"),
        ({"interfaces": ("any", "eth0")}, '"any" includes all others'),
        ({"interfaces": ("eth0", "eth0")}, "named twice"),
        ({"interfaces": ("a-name-too-long-for-linux",)}, "at most 15"),
        ({"ports": (0,)}, "greater than or equal to 1"),
        ({"ports": (65536,)}, "less than or equal to 65535"),
        ({"loader": "magic"}, "'auto', 'libbpf' or 'bcc'"),
        ({"ring_bytes": 3 << 20}, "must be a power of two, such as 4194304"),
        ({"ring_bytes": 4096}, "greater than or equal to 262144"),
        ({"interface": "eth0"}, "Extra inputs"),
        ({"at": "sockets", "interfaces": ("eth0",)}, "at sockets leave them out"),
        ({"at": "cgroup"}, "'interfaces' or 'sockets'"),
        ({"processes": "sometimes"}, "'auto'"),
    ],
)
def test_wrong_options(options: dict[str, object], words: str) -> None:
    """Each says what is allowed."""
    with pytest.raises(ValidationError, match=words):
        BpfConfig.model_validate(options)


def test_defaults() -> None:
    """Without options: every interface, every port."""
    assert BpfConfig() == BpfConfig(interfaces=("any",), ports=(), loader="auto")


@pytest.mark.anyio
async def test_closing_unopened() -> None:
    """Safe, and safe twice."""
    source = BpfSource(BpfConfig(), Context(id="http"))
    await source.aclose()
    await source.aclose()


def test_clock() -> None:
    """The kernel's clock and the offset give the wall clock."""
    boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert abs(boot + wall_minus_boot_ns() - time.time_ns()) < 50_000_000


def test_missing_object() -> None:
    """The error names the file and the way out."""
    with pytest.raises(CaptureError, match="prebuilt BPF program is missing") as caught:
        libbpf_loader.load(SIZES, Path("/nonexistent.bpf.o"))
    assert 'loader = "bcc"' in caught.value.remedy


def test_damaged_object(tmp_path: Path) -> None:
    """What is not an object file is refused with libbpf's own words."""
    damaged = tmp_path / "damaged.bpf.o"
    damaged.write_bytes(b"not an object")
    with pytest.raises(CaptureError, match="libbpf cannot read the BPF program"):
        libbpf_loader.load(SIZES, damaged)


def test_auto_without_object_or_bcc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where neither loader can work, the first one's error is shown."""
    monkeypatch.setattr(libbpf_loader, "LIBRARY", "libnothing.so.1")
    monkeypatch.setattr(bcc_loader, "FOLDERS", (tmp_path,))
    libbpf_loader.library.cache_clear()
    try:
        with pytest.raises(CaptureError, match=r"libnothing\.so\.1 is not on this host"):
            capture.load_program(BpfConfig())
    finally:
        libbpf_loader.library.cache_clear()


def test_bcc_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error names the packages."""
    monkeypatch.setattr(bcc_loader, "FOLDERS", (tmp_path,))
    monkeypatch.delitem(sys.modules, "bcc", raising=False)
    with pytest.raises(CaptureError, match="bcc is not on this host") as caught:
        bcc_loader.module()
    assert "python3-bpfcc" in caught.value.remedy


def test_the_other_bcc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """PyPI's package of that name is not taken for the real one."""
    (tmp_path / "__init__.py").write_text("numerics = True\n")
    monkeypatch.setattr(bcc_loader, "FOLDERS", (tmp_path,))
    monkeypatch.setitem(sys.modules, "bcc", types.ModuleType("bcc"))
    with pytest.raises(CaptureError, match="not the BPF Compiler Collection"):
        bcc_loader.module()


def test_checks_say_what_to_do() -> None:
    """Every point of the doctor has a detail, and a remedy where it fails; names are unique."""
    found = host.checks()
    assert len({check.name for check in found}) == len(found) >= 10
    assert all(check.detail for check in found)
    assert all(check.remedy for check in found if not check.ok)


@pytest.mark.parametrize(
    ("release", "good"),
    [("4.19.0-27-amd64", False), ("5.9.16", False), ("5.10.0-32-cloud-amd64", True), ("6.18.44", True), ("7.2", True)],
)
def test_old_kernel(monkeypatch: pytest.MonkeyPatch, release: str, *, good: bool) -> None:
    """The doctor tells Linux 5.9 from 5.10, which a comparison of text would not."""
    monkeypatch.setattr(kernel.platform, "release", lambda: release)
    assert next(check.ok for check in host.checks() if check.name == "kernel") == good


@pytest.mark.parametrize("loader", ["libbpf", "bcc", "auto"])
def test_a_kernel_that_is_too_old_is_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch, loader: str) -> None:
    """And not with the verifier's log: neither loader is asked, and none compiles for seconds before."""
    monkeypatch.setattr(kernel.platform, "release", lambda: "5.4.0-150-generic")
    with pytest.raises(
        CaptureError, match=r"http_trace needs Linux 5\.10 or later, and this is Linux 5\.4\.0-150-generic"
    ) as caught:
        capture.load_program(BpfConfig(loader=loader))
    assert "newer kernel" in caught.value.remedy


def test_the_documentation_states_the_oldest_kernel() -> None:
    """What is refused and what is promised are one number."""
    page = (Path(__file__).parents[3] / "docs" / "capture.md").read_text()
    assert f"{kernel.words(program.OLDEST_KERNEL)} or later" in page


def limits(monkeypatch: pytest.MonkeyPatch, release: str, *, hard: int, may_raise: bool) -> list[int]:
    """Pretend a kernel and its limit of locked memory; returns the list that the soft limit is kept in."""
    soft = [65536]

    def set_limits(_kind: int, wanted: tuple[int, int]) -> None:
        if not may_raise and (wanted[1] == rights.resource.RLIM_INFINITY or wanted[1] > hard):
            raise ValueError("not allowed to raise maximum limit")
        soft[0] = wanted[0]

    monkeypatch.setattr(kernel.platform, "release", lambda: release)
    monkeypatch.setattr(rights.resource, "getrlimit", lambda _kind: (soft[0], hard))
    monkeypatch.setattr(rights.resource, "setrlimit", set_limits)
    return soft


def test_locked_memory_is_raised_where_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without limit where that is allowed, else up to the hard limit, and left alone where nobody counts it."""
    soft = limits(monkeypatch, "5.10.0", hard=1 << 20, may_raise=True)
    rights.raise_locked_memory()
    assert (soft, rights.locked_memory()) == ([rights.resource.RLIM_INFINITY], None)
    soft = limits(monkeypatch, "5.10.0", hard=1 << 20, may_raise=False)
    rights.raise_locked_memory()
    assert (soft, rights.locked_memory()) == ([1 << 20], 1 << 20)
    soft = limits(monkeypatch, "5.15.0", hard=1 << 20, may_raise=True)
    rights.raise_locked_memory()
    assert (soft, rights.locked_memory()) == ([65536], None)


def test_too_little_locked_memory_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor says that it cannot be raised and what to do; so does a refusal to load, for which the kernel says EPERM."""
    limits(monkeypatch, "5.10.0", hard=65536, may_raise=False)
    monkeypatch.setattr(rights, "may_load", lambda: True)
    monkeypatch.setattr(rights, "in_container", lambda: False)
    check = next(check for check in host.checks() if check.name == "locked memory")
    assert (check.ok, check.detail) == (False, "64 KiB, and cannot be raised (no cap_sys_resource)")
    assert "LimitMEMLOCK=infinity" in check.remedy
    libbpf_loader._last_words.clear()
    refused = libbpf_loader._refused("the kernel refuses the BPF program", errno.EPERM)
    assert "64 KiB of locked memory (RLIMIT_MEMLOCK) are too few" in str(refused)
    assert refused.denied


@pytest.mark.parametrize(
    ("release", "sysctl", "needed"),
    [("5.10.0", "2", True), ("5.18.9", "1", True), ("5.10.0", "0", False), ("5.19.0", "2", False)],
)
def test_the_capability_that_reading_maps_takes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, release: str, sysctl: str, *, needed: bool
) -> None:
    """The source asks to keep CAP_BPF before Linux 5.19 where bpf(2) is refused to others, and nothing elsewhere."""
    (tmp_path / "disabled").write_text(f"{sysctl}\n")
    monkeypatch.setattr(kernel, "UNPRIVILEGED", tmp_path / "disabled")
    monkeypatch.setattr(kernel.platform, "release", lambda: release)
    assert BpfSource(BpfConfig(), Context(id="http")).capabilities() == ({rights.CAP_BPF} if needed else frozenset())


def test_in_a_container_the_remedy_is_the_runtimes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Being root is not enough there: the doctor says what to give to docker and to Kubernetes, for each point that needs it."""
    monkeypatch.setenv("container", "oci")
    monkeypatch.setattr(rights, "capabilities", set)
    remedy = next(check.remedy for check in host.checks() if check.name == "capabilities")
    assert "--cap-add NET_RAW --cap-add BPF" in remedy
    assert 'securityContext: {capabilities: {add: ["NET_RAW", "BPF"]}}' in remedy
    limits(monkeypatch, "5.10.0", hard=65536, may_raise=False)
    assert next(check.remedy for check in host.checks() if check.name == "locked memory") == "docker run --ulimit memlock=-1"


def test_outside_of_a_container_the_remedy_is_setcap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """For the interpreter that runs."""
    for name in container.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(container, "FILES", (tmp_path / "nothing",))
    assert "setcap cap_net_raw,cap_bpf+ep" in rights.capabilities_remedy()


@pytest.mark.parametrize(("text", "count"), [("0-1\n", 2), ("0\n", 1), ("0,2-7\n", 8)])
def test_cpus_that_may_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, count: int) -> None:
    """As sysfs lists them."""
    (tmp_path / "possible").write_text(text)
    monkeypatch.setattr(syscall, "POSSIBLE", tmp_path / "possible")
    assert syscall.possible_cpus() == count


def test_cpus_without_sysfs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A container may have no /sys; the width of a mask is enough, which may be more than there are and never less."""
    there = syscall.possible_cpus()
    monkeypatch.setattr(syscall, "POSSIBLE", tmp_path / "nothing")
    assert syscall.possible_cpus() >= there


def test_without_privileges_nothing_raises() -> None:
    """The doctor answers a user without rights too."""
    code = "from pipeline.sources.bpf.host import checks; print(len(checks()))"
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "setpriv" in done.stderr:
        done = subprocess.run(command[3:], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_too_few_open_files_are_told_as_that() -> None:
    """Denied, so that bcc, which needs as many, is not tried; nothing is to be installed or reported."""
    error = libbpf_loader._refused("the kernel refuses the BPF program", errno.EMFILE)
    assert (error.denied, error.remedy) == (True, OPEN_FILES_REMEDY)
    assert "too many open files" in str(error)
