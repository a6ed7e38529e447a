"""The disk queue against sudden death: ``kill -9`` at random moments, and a log that ends at any byte."""

import os
import random
import selectors
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest

from pipeline.delivery import disk_store
from pipeline.delivery.clock import Clock
from pipeline.delivery.disk import DiskBuffer
from pipeline.delivery.disk_store import DiskStore
from pipeline.delivery.health import Health
from pipeline.delivery.ledger import Ledger
from pipeline.telemetry.logs import ComponentLog
from pipeline.testing.fakes import bounds, numbers

KILLS = 50
LOG = ComponentLog("crash")


def heard_until(process: subprocess.Popen[bytes], selector: selectors.BaseSelector, deadline: float) -> bytes:
    """What the child says until then."""
    assert process.stdout is not None
    said = b""
    while (left := deadline - time.monotonic()) > 0:
        if selector.select(left):
            said += os.read(process.stdout.fileno(), 1 << 20)
    return said


@pytest.mark.slow
def test_nothing_queued_is_lost_by_fifty_kills(tmp_path: Path) -> None:
    """Whatever was committed is delivered in this life or a later one, however often the process is killed."""
    dice = random.Random(5)
    queued: set[int] = set()
    delivered: set[int] = set()
    command = [sys.executable, str(Path(__file__).with_name("crash_child.py")), str(tmp_path / "q")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        os.set_blocking(process.stdout.fileno(), False)
        selector = selectors.DefaultSelector()
        selector.register(process.stdout, selectors.EVENT_READ)
        for kill in range(KILLS):
            process.stdin.write(f"{kill * 1_000_000} {kill}\n".encode())
            process.stdin.flush()
            child = int(process.stderr.readline())
            said = heard_until(process, selector, time.monotonic() + dice.random() * 0.15)
            os.kill(child, signal.SIGKILL)
            assert process.stderr.readline() == b"gone\n"
            said += os.read(process.stdout.fileno(), 1 << 20) if selector.select(0) else b""
            for line in said.decode().splitlines():
                what, number = line.split()
                (queued if what == "Q" else delivered).add(int(number))
        process.stdin.close()
    assert len(queued) > KILLS  # how many depends on how busy the machine is; a few a life prove as much
    left = anyio.run(drain, tmp_path / "q")
    assert queued <= delivered | left
    assert len(left) < len(queued | delivered) + 50_000


async def drain(folder: Path) -> set[int]:
    """What the next process finds."""
    buffer = DiskBuffer(str(folder), bounds(50_000, 64 << 20), Ledger(), log=LOG, health=Health(LOG), clock=Clock())
    await buffer.open()
    buffer.close()
    found: set[int] = set()
    while (batch := await buffer.take(1000, 1 << 20, 0)) is not None:
        found.update(numbers(batch.events))
    assert not buffer.ledger.discarded
    await buffer.aclose()
    return found


def cuts(path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> int:
    """Commit, cut the log at every ``step``-th byte of the last two commits, and look at what is left; returns how many cuts."""
    monkeypatch.setattr(disk_store, "_SETUP", tuple(each.replace("=4096", "=512") for each in disk_store._SETUP))
    store = DiskStore(str(path / "whole"), 1 << 20, pytest.fail)
    store.open()
    log = path / "whole" / "queue.db-wal"
    sizes = []
    for number in range(6):
        store.commit([(1, b"block %d " % number * 8)], [])
        sizes.append(log.stat().st_size)
    tried = 0
    for cut in range(sizes[-3], sizes[-1] + 1, step):
        copy = path / "cut"
        shutil.copytree(path / "whole", copy)
        os.truncate(copy / "queue.db-wal", cut)
        torn = DiskStore(str(copy), 1 << 20, pytest.fail)
        kept = torn.open()
        whole = [number for number, size in enumerate(sizes) if size <= cut]
        assert [torn.read([entry.id])[0] for entry in kept] == [b"block %d " % number * 8 for number in whole]
        torn.commit([(1, b"and on it goes")], [])
        torn.close()
        shutil.rmtree(copy)
        tried += 1
    store.close()
    return tried


def memory_folder(tmp_path: Path) -> Path:
    """A folder in memory where there is one: thousands of opens need no real disk."""
    shared = Path("/dev/shm")  # noqa: S108  a folder of our own below it
    if not os.access(shared, os.W_OK):
        return tmp_path
    folder = shared / f"httpipe-{os.getpid()}"
    folder.mkdir()
    return folder


@pytest.mark.slow
def test_a_log_cut_at_every_byte_keeps_every_whole_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Power loss may leave any part of the last commits: what was whole is there, what was torn is not, and it goes on."""
    folder = memory_folder(tmp_path)
    try:
        assert cuts(folder, monkeypatch, 1) > 1000
    finally:
        if folder != tmp_path:
            shutil.rmtree(folder)


def test_a_log_cut_at_some_bytes_keeps_every_whole_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same at a few places, for every run of the tests."""
    assert cuts(tmp_path, monkeypatch, 97) > 10
