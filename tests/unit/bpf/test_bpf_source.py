"""Options, clock, loaders and checks of the live source, as far as they need no privileges."""

import subprocess
import sys
import time
import types
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.api import CaptureError, Context
from pipeline.sources.bpf import bcc_loader, capture, host, libbpf_loader, program
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
    """What is no object file is refused with libbpf's own words."""
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


def test_one_text() -> None:
    """bcc gets one text with each of our headers once, and none left to include."""
    text = bcc_loader.one_text()
    assert '#include "' not in text
    for header in program.SOURCE.parent.glob("*.h"):
        guard = f"#define HTTPIPE_{header.stem.upper()}_H"
        assert text.count(guard) == 1, guard


def test_checks_say_what_to_do() -> None:
    """Every point of the doctor has a detail, and a remedy where it fails; names are unique."""
    found = host.checks()
    assert len({check.name for check in found}) == len(found) >= 10
    assert all(check.detail for check in found)
    assert all(check.remedy for check in found if not check.ok)


def test_old_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux 5.4 is told from 5.10, which a comparison of text would not."""
    results = {}
    for release in ("5.4.0-1", "5.8.0", "5.10.0-30-amd64", "6.18.44"):
        monkeypatch.setattr(host.platform, "release", lambda release=release: release)
        results[release] = next(check.ok for check in host.checks() if check.name == "kernel")
    assert results == {"5.4.0-1": False, "5.8.0": True, "5.10.0-30-amd64": True, "6.18.44": True}


def test_without_privileges_nothing_raises() -> None:
    """The doctor answers a user without rights too."""
    code = "from pipeline.sources.bpf.host import checks; print(len(checks()))"
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "setpriv" in done.stderr:
        done = subprocess.run(command[3:], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
