"""One boot of a kernel under QEMU, and what the tests inside it said.

Comes in: kernel, file system, and the drive with httpipe and its tests. Goes out: a ``Report``. Drives are in the order in which
the guest finds them: root, httpipe, results. KVM is not asked for: software emulation is slower and works everywhere.
"""

import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from compileall import compile_dir
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from py_compile import PycInvalidationMode
from xml.etree import ElementTree as ET

from kernel_image import KernelImage
from kernel_root import ROOT

from tests.debian_packages import NotAvailable, run

BOOT_SECS = 900
"""A quiet machine needs a tenth of it."""

RESULTS_BYTES = 8 << 20

QEMU = {
    "amd64": ("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max"),
    "arm64": ("qemu-system-aarch64", "-M", "virt", "-accel", "tcg,thread=multi", "-cpu", "max,pauth-impdef=on"),
}
CONSOLE = {"amd64": "ttyS0", "arm64": "ttyAMA0"}


@dataclass
class Report:
    """``cases``: by the name of the test, those of its cases that ran, with what they said where they failed.

    ``notes``: files that tests left. ``console``: the last that the machine printed.
    """

    release: str
    console: str
    cases: dict[str, dict[str, str]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


Reports = Callable[[str], Report]
"""By suite; skips the test where its kernel cannot be had."""


def boot(image: KernelImage, root: Path, drive: Path, architecture: str) -> Report:
    """To the end."""
    with tempfile.TemporaryDirectory() as name:
        results = Path(name) / "results"
        with results.open("wb") as file:
            file.truncate(RESULTS_BYTES)
        drives = [f"file={root},snapshot=on", f"file={drive},readonly=on", f"file={results}"]
        command = [*QEMU[architecture], "-m", "2048", "-smp", "2", "-nographic", "-no-reboot", "-nic", "none"]
        command += ["-kernel", image.kernel, "-initrd", image.initramfs]
        command += ["-append", f"console={CONSOLE[architecture]} panic=-1 quiet"]
        for number, each in enumerate(drives):
            command += ["-drive", f"{each},format=raw,if=none,id=drive{number}", "-device", f"virtio-blk-pci,drive=drive{number}"]
        console = run_machine(command)
        report = Report(image.release, console)
        _read(results, report)
        return report


def run_machine(command: list[str | Path]) -> str:
    """To its end; the kernel kills it when this process or thread ends before (setpriv(1)). The last that it printed."""
    if shutil.which(command[0]) is None:
        raise NotAvailable(f"{command[0]} is not installed (apt install qemu-system-x86 qemu-system-arm)")
    command = ["setpriv", "--pdeathsig", "KILL", *command]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=BOOT_SECS)
    except subprocess.TimeoutExpired as late:
        return f"the machine did not end within {BOOT_SECS} s:\n{(late.stdout or b'').decode(errors='replace')[-4000:]}"
    return (done.stdout + done.stderr).decode(errors="replace")[-4000:]


def _read(results: Path, report: Report) -> None:
    """The guest wrote an archive onto its third drive; nothing where it did not come so far."""
    try:
        with tarfile.open(results) as archive:
            for member in archive.getmembers():
                file = archive.extractfile(member)
                if file is not None:
                    report.notes[Path(member.name).name] = file.read().decode(errors="replace")
    except tarfile.TarError:
        return
    if "junit.xml" not in report.notes:
        return
    for case in ET.fromstring(report.notes.pop("junit.xml")).iter("testcase"):  # noqa: S314  our own guest's
        full = case.get("name", "")
        name = full.partition("[")[0]
        skipped = case.find("skipped")
        if skipped is not None:
            report.skipped[name] = skipped.get("message", "")
            continue
        said = [each.text or each.get("message", "") for each in case if each.tag in {"failure", "error"}]
        report.cases.setdefault(name, {})[full] = "\n".join(said)


@contextmanager
def httpipe_drive(names: list[str]) -> Iterator[Path]:
    """An archive of httpipe's own wheel, unpacked, and of the tests inside, with the names of those that are to run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site = folder / "site"
        pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "wheel", "--no-deps", "--no-build-isolation"]
        run([*pip, "-w", str(folder), str(ROOT)])
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
            wheel.extractall(site)  # noqa: S202  our own wheel
        if sys.version_info[:2] == (3, 11):  # the guest's, so it need not compile
            compile_dir(site, quiet=2, stripdir=name, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
        (folder / "names").write_text("".join(f"test_inside.py::{name}\n" for name in names))
        drive = folder / "drive.tar"
        with tarfile.open(drive, "w") as archive:
            archive.add(site, "site")
            archive.add(folder / "names", "names")
            archive.add(Path(__file__).parent / "inside" / "start.sh", "start.sh")
            for place in (Path(__file__).parent / "inside", ROOT / "tests" / "live"):
                for file in sorted(place.glob("*.py")):
                    if place.name == "inside" or file.name.startswith("live_"):
                        archive.add(file, f"{place.name}/{file.name}")
        yield drive
