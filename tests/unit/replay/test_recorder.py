"""Recording: what is given is written, within bounds, and no trouble of the disk reaches the capture."""

import logging
import os
import threading
from pathlib import Path

import pytest

from pipeline import native
from pipeline.codecs.records import RecordsReader
from pipeline.errors import CaptureError
from pipeline.model.records import Record, Segment
from pipeline.runtime.units import recorder as module
from pipeline.runtime.units.recorder import Recorder

BATCH = [Segment(b"k" * 12, number, number, 0, 24, b"x" * 100, 100) for number in range(10)]


class Counts(dict[str, int]):
    """Counters."""

    def add(self, name: str, by: int) -> None:
        """Count."""
        self[name] = self.get(name, 0) + by


def recorder(path: Path, max_bytes: int = 1 << 20) -> tuple[Recorder, Counts]:
    """A recorder that is open."""
    counts = Counts()
    subject = Recorder(str(path), max_bytes, counts.add, logging.getLogger("test"))
    subject.open()
    return subject, counts


def recorded(path: Path) -> list[list[Record]]:
    """What a recording holds; it must be sound."""
    reader = RecordsReader()
    batches = reader.feed(path.read_bytes())
    reader.finish()
    assert reader.damage is None
    return batches


@pytest.mark.skipif(native.lane is None, reason=f"the lane: {native.missing}")
def test_a_batch_in_native_memory_is_written_like_any_other(tmp_path: Path) -> None:
    """Capture files and the kernel's ring give such ones."""
    assert native.lane is not None
    subject, counts = recorder(tmp_path / "a.rec")
    subject.write(native.lane.Records.of(BATCH))
    subject.close()
    assert recorded(tmp_path / "a.rec") == [BATCH]
    assert counts == {"recorded": len(BATCH)}


def test_batches_are_written(tmp_path: Path) -> None:
    """Every batch is in the file when the recorder is closed, and only its owner may read it."""
    path = tmp_path / "a.rec"
    subject, counts = recorder(path)
    for _ in range(50):
        subject.write(BATCH)
    subject.write([])
    subject.close()
    subject.close()
    subject.write(BATCH)
    assert recorded(path) == [BATCH] * 50
    assert counts == {"recorded": 500}
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_recording_that_is_there_is_never_touched(tmp_path: Path) -> None:
    """The next ones are numbered, in an order in which a glob plays them; a device is no recording."""
    path = tmp_path / "a.rec"
    for number in range(1, 4):
        subject, _ = recorder(path)
        subject.write(BATCH[:number])
        subject.close()
    kept = sorted(tmp_path.iterdir())
    assert [each.name for each in kept] == ["a.rec", "a.rec.02", "a.rec.03"]
    assert [recorded(each) for each in kept] == [[BATCH[:number]] for number in range(1, 4)]
    for number in range(4, 100):
        (tmp_path / f"a.rec.{number:02}").touch()
    with pytest.raises(CaptureError, match=r"99 recordings .*a\.rec already, and none is overwritten"):
        recorder(path)
    recorder(Path("/dev/null"))[0].close()


def test_it_ends_at_its_bound(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The file holds whole batches up to the bound, and that it is reached is said once."""
    path = tmp_path / "a.rec"
    subject, counts = recorder(path, 10_000)
    for _ in range(50):
        subject.write(BATCH)
    subject.close()
    assert 0 < len(recorded(path)) < 50
    assert path.stat().st_size <= 10_000
    assert counts == {"recorded": len(recorded(path)) * len(BATCH)}
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_slow_disk_costs_records_and_not_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk hangs, writing returns at once, what waits is bounded, and what is left out is counted."""
    released = threading.Event()
    write = os.write

    def slow(fd: int, data: bytes) -> int:
        assert released.wait(10)
        return write(fd, data)

    monkeypatch.setattr(os, "write", slow)
    monkeypatch.setattr(module, "PENDING_BYTES", 20_000)
    path = tmp_path / "a.rec"
    subject, counts = recorder(path)
    for _ in range(50):
        subject.write(BATCH)
    released.set()
    subject.close()
    assert 0 < len(recorded(path)) < 50
    assert counts == {"recorded": len(recorded(path)) * 10, "record_dropped": 500 - len(recorded(path)) * 10}


def test_a_full_disk_ends_the_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk is counted and logged, the capture goes on, and the file ends with a whole batch."""
    write, written = os.write, 0

    def full(fd: int, data: bytes) -> int:
        nonlocal written
        if written > 3000:
            raise OSError(28, "No space left on device")
        written += 700
        return write(fd, data[:700])

    monkeypatch.setattr(os, "write", full)
    path = tmp_path / "a.rec"
    subject, counts = recorder(path)
    subject.write(BATCH)
    subject.write(BATCH)
    subject.write(BATCH)
    subject.close()
    assert counts == {"recorded": 30, "record_errors": 1}
    assert 0 < len(recorded(path)) < 3


def test_records_that_cannot_be_written(tmp_path: Path) -> None:
    """A record that no recording can hold ends it, counted, and is not raised."""
    subject, counts = recorder(tmp_path / "a.rec")
    subject.write([Segment(b"k" * 12, 1 << 80, 0, 0, 0, b"", 0)])
    subject.write(BATCH)
    subject.close()
    assert counts == {"record_errors": 1}
    assert recorded(tmp_path / "a.rec") == []


def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    """This is known when recording begins, with what to do about it."""
    with pytest.raises(CaptureError, match="No such file or directory") as caught:
        recorder(tmp_path / "no" / "a.rec")
    assert "record.path" in caught.value.remedy
