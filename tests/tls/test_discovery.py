"""Which libraries are found, in which processes, when."""

import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pytest
from tls_hits import Hits
from tls_talker import Talker, own_libssl

from pipeline.errors import CaptureError
from pipeline.sources.tls import mmap_events
from pipeline.sources.tls.discovery import Discovery, Finding
from pipeline.sources.tls.probe import Target

WAIT_SECS = 10
PYTHON = str(Path(sys.executable).resolve())

Start = Callable[..., Discovery]
Talk = Callable[..., Talker]


@pytest.fixture
def discover() -> Generator[Start, None, None]:
    """``discover(wants, files)`` begins."""
    opened: list[Discovery] = []

    def start(wants: Callable[[str], bool] = lambda path: path == PYTHON, files: Sequence[str] = ()) -> Discovery:
        opened.append(Discovery(wants, files))
        opened[-1].open()
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def within(found: list[Finding], folder: Path) -> list[Finding]:
    """Those of files in a folder of ours: other programs of this machine come and go."""
    return [finding for finding in found if Path(finding.path).is_relative_to(folder)]


def wait_for(discovery: Discovery, folder: Path) -> list[Finding]:
    """Read until something of this folder was found."""
    deadline = time.monotonic() + WAIT_SECS
    while time.monotonic() < deadline:
        select.select([discovery], [], [], WAIT_SECS)
        found = within(discovery.read(), folder)
        if found:
            return found
    raise AssertionError("nothing was found")


def drained(discovery: Discovery, folder: Path) -> list[Finding]:
    """What was found of this folder up to now."""
    return within(discovery.read(), folder)


def test_a_process_that_runs_already(discover: Start, talker: Talk, library: Path) -> None:
    """Is found by the look at all of them, with its executable and its file."""
    process = talker(library)
    [finding] = within(discover().scan(), library.parent)
    assert (finding.pid, finding.executable, finding.path) == (process.pid, PYTHON, str(library))
    assert isinstance(finding.target, Target)
    assert finding.target.library == "openssl"


def test_a_process_that_comes(discover: Start, talker: Talk, library: Path) -> None:
    """Is found when it maps the library, and the same file not once more."""
    discovery = discover()
    discovery.scan()
    process = talker(library)
    [finding] = wait_for(discovery, library.parent)
    assert finding.pid == process.pid
    talker(library)
    assert drained(discovery, library.parent) == []
    assert within(discovery.scan(), library.parent) == []


def test_what_is_not_wanted(discover: Start, talker: Talk, library: Path) -> None:
    """Is not looked at, neither among those that run nor among those that come."""
    talker(library)
    discovery = discover(lambda path: path == "/usr/sbin/nginx")
    assert within(discovery.scan(), library.parent) == []
    talker(library)
    assert drained(discovery, library.parent) == []


def test_ourselves_are_never_found(discover: Start) -> None:
    """Though this very process has mapped a TLS library."""
    assert os.getpid() not in {finding.pid for finding in discover().scan()}


def test_a_deleted_library(discover: Start, talker: Talk, library: Path, hits: Hits) -> None:
    """Is found, and attached to, by way of the process that still has it."""
    process = talker(library)
    library.unlink()
    [finding] = within(discover().scan(), library.parent)
    assert isinstance(finding.target, Target)
    hits.attacher.attach(finding.attach_by, finding.target, 1)
    process.talk()
    assert sum(hits.of(probe.call) for probe in finding.target.probes if probe.function.startswith("SSL_read → ")) == 2 * 20


def test_a_deleted_library_that_nobody_has_any_more(discover: Start, talker: Talk, library: Path) -> None:
    """Is let go of, so that its file system may; not while a process has it, and never one that can be mapped again."""
    process = talker(library)
    discovery = discover()
    [finding] = within(discovery.scan(), library.parent)
    assert discovery.unused() == []
    library.unlink()
    assert discovery.unused() == []
    process.close()
    assert discovery.unused() == [finding.attach_by]
    discovery.forget(finding.attach_by)
    assert discovery.unused() == []


def test_a_replaced_library(discover: Start, talker: Talk, library: Path) -> None:
    """Is another file: an upgrade is found when the first program maps it."""
    talker(library)
    discovery = discover()
    [first] = within(discovery.scan(), library.parent)
    fresh = library.with_name("fresh")
    shutil.copy(library, fresh)
    fresh.rename(library)
    talker(library)
    [second] = wait_for(discovery, library.parent)
    assert (first.path, first.attach_by) != (second.path, second.attach_by)


def test_two_overlay_mounts_show_one_file(discover: Start, talker: Talk, tmp_path: Path, hits: Hits) -> None:
    """Two containers of one image: found once, attached once, and calls of both are counted once."""
    lower = own_libssl(tmp_path / "lower")
    processes: list[Talker] = []
    mounted: list[Path] = []
    discovery = discover()
    try:
        for name in ("one", "two"):
            upper, work, merged = (tmp_path / f"{name}-{part}" for part in ("upper", "work", "merged"))
            for folder in (upper, work, merged):
                folder.mkdir()
            options = f"lowerdir={lower.parent},upperdir={upper},workdir={work}"
            subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(merged)], check=True, capture_output=True)
            mounted.append(merged)
            processes.append(talker(merged / lower.name))
        [finding] = within(discovery.scan(), tmp_path)
        assert isinstance(finding.target, Target)
        hits.attacher.attach(finding.attach_by, finding.target, 1)
        for process in processes:
            process.talk(10)
        [read] = [probe.call for probe in finding.target.probes if probe.function.startswith("SSL_read") and not probe.at_return]
        assert hits.of(read) == 2 * 20
    finally:
        for process in processes:
            process.close()
        hits.attacher.close()
        discovery.close()
        for folder in mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)  # another capture on this machine may look at it too


def test_named_files(discover: Start, library: Path, tmp_path: Path) -> None:
    """Are given without any process; one that cannot be read, or holds no TLS, is refused with its name."""
    [finding] = within(discover(lambda _: False, [str(library)]).scan(), library.parent)
    assert (finding.pid, finding.path) == (0, str(library))
    with pytest.raises(CaptureError, match=r"cannot read .*missing"):
        discover(lambda _: False, [str(tmp_path / "missing")]).scan()
    with pytest.raises(CaptureError, match="no TLS library in"):
        discover(lambda _: False, [__file__]).scan()


def test_records_that_were_lost(
    discover: Start, talker: Talk, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Are made up for by looking at every process again, which is counted; a named file that is gone by then is no obstacle."""
    monkeypatch.setattr(mmap_events, "PAGES", 4)
    named = own_libssl(tmp_path / "named")
    discovery = discover(files=[str(named)])
    discovery.scan()
    named.unlink()
    for _ in range(40 * (os.cpu_count() or 1)):
        subprocess.run(["/bin/true"], check=True)
    process = talker(library)
    for _ in range(40 * (os.cpu_count() or 1)):
        subprocess.run(["/bin/true"], check=True)
    found = within(discovery.read(), library.parent)
    assert discovery.rescans == 1
    assert within(discovery.read(), library.parent) == []
    assert [finding.pid for finding in found] == [process.pid]
