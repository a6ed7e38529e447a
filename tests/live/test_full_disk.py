"""The file sink on a small file system of its own that runs full, and on one that is read-only."""

import json
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from pipeline.api import Context, Event, Exchange, NotConnected
from pipeline.sinks.file.sink import FileConfig, FileSink

pytestmark = [pytest.mark.live, pytest.mark.anyio]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 64 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0755", "httpipe-test", place], check=True, timeout=10)
    yield place
    subprocess.run(["umount", place], check=True, timeout=10)


def events(first: int, number: int) -> list[Event]:
    """Exchanges with consecutive numbers."""
    return [Exchange(timestamp_ns=0, httpipe_sequence=first + place, url_path="/" + "x" * 300) for place in range(number)]


def numbers(path: Path) -> list[int]:
    """Numbers of the exchanges in a file; every line must be whole."""
    content = path.read_bytes()
    assert content.endswith(b"\n")
    return [json.loads(line)["httpipe.sequence"] for line in content.splitlines()]


async def test_a_full_disk_loses_and_repeats_nothing(small_disk: Path) -> None:
    """The batch that does not fit leaves nothing behind and says why; when there is room it is written, once."""
    path, filler = small_disk / "http.jsonl", small_disk / "filler"
    filler.write_bytes(bytes(40 * 1024))
    sink = FileSink(FileConfig(path=str(path)), Context("file"))
    await sink.open()
    with pytest.raises(NotConnected, match=f"{path}: No space left on device"):
        await _write_for_ever(sink)
    first = len(numbers(path))
    assert first >= 10
    assert numbers(path) == list(range(first))
    await sink.aclose()
    await sink.open()
    filler.unlink()
    await sink.write(events(first, 10))
    await sink.aclose()
    assert numbers(path) == list(range(first + 10))


async def _write_for_ever(sink: FileSink) -> None:
    for batch in count():
        await sink.write(events(batch * 10, 10))


def _remount_read_only(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", place], check=True, timeout=10)


async def test_a_read_only_disk_is_named(small_disk: Path) -> None:
    """What is wrong is reported at the start."""
    _remount_read_only(small_disk)
    with pytest.raises(NotConnected, match=f"{small_disk / 'http.jsonl'}: Read-only file system"):
        await FileSink(FileConfig(path=str(small_disk / "http.jsonl")), Context("file")).open()
