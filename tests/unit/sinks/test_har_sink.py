"""The ``har`` sink: whatever happens, the file is a whole archive of what was delivered."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.api import Context, Exchange, NotConnected
from pipeline.codecs import har
from pipeline.sinks.har.sink import HarConfig, HarSink

pytestmark = pytest.mark.anyio


def sink(path: Path, **options: Any) -> HarSink:
    """One that writes there."""
    return HarSink(HarConfig.model_validate({"path": str(path), **options}), Context("archive"))


def exchange(number: int) -> Exchange:
    """One with this path."""
    return Exchange(timestamp_ns=number, http_request_method="GET", url_path=f"/{number}", server_address="h")


def paths(file: Path) -> list[str]:
    """Of the requests in a file, which must be whole."""
    return [entry["request"]["url"].rpartition("/")[2] for entry in json.loads(file.read_bytes())["log"]["entries"]]


async def test_whole_after_every_batch(tmp_path: Path) -> None:
    """Also before the first one, and a later run goes on."""
    file = tmp_path / "new" / "a.har"
    for run in range(2):
        one = sink(file)
        await one.open()
        assert paths(file) == [str(number) for number in range(5 * run)]
        await one.write([exchange(5 * run), exchange(5 * run + 1)])
        await one.write([exchange(5 * run + number) for number in (2, 3, 4)])
        assert paths(file) == [str(number) for number in range(5 * run + 5)]
        await one.aclose()
    assert oct(file.stat().st_mode & 0o777) == "0o640"


async def test_a_torn_file_keeps_every_entry_that_is_whole(tmp_path: Path) -> None:
    """Cut at every byte, it opens again, whole, and with all entries that end before the cut."""
    file = tmp_path / "a.har"
    one = sink(file)
    await one.open()
    await one.write([exchange(number) for number in range(3)])
    await one.aclose()
    content = file.read_bytes()
    ends = [content.index(f'/{number}"'.encode()) for number in range(3)]
    ends = [content.index(b"\n", end) for end in ends]
    for cut in range(1, len(content)):
        file.write_bytes(content[:cut])
        again = sink(file)
        await again.open()
        await again.write([exchange(9)])
        await again.aclose()
        kept = [str(number) for number, end in enumerate(ends) if cut >= end]
        assert paths(file)[: len(kept)] == kept, cut
        assert paths(file)[-1] == "9"
        assert len(paths(file)) <= len(kept) + 2


async def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch fails as a whole, and comes again."""
    file = tmp_path / "a.har"
    one = sink(file)
    await one.open()
    await one.write([exchange(0)])
    whole, written = os.pwrite, []

    def half(fd: int, data: Any, at: int) -> int:
        written.append(at)
        if len(written) == 1:
            return whole(fd, data[: len(data) // 2], at)
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        return whole(fd, data, at)

    monkeypatch.setattr(os, "pwrite", half)
    with pytest.raises(NotConnected, match=r"a\.har: No space left on device"):
        await one.write([exchange(1)])
    assert paths(file) == ["0"]
    await one.write([exchange(1)])
    await one.aclose()
    assert paths(file) == ["0", "1"]


async def test_files_of_others_are_not_touched(tmp_path: Path) -> None:
    """Somebody's own archive, or anything else."""
    file = tmp_path / "a.har"
    file.write_text('{"log":{"version":"1.2","creator":{"name":"Firefox"},"entries":[]}}')
    with pytest.raises(NotConnected, match=r"a\.har: holds something else than an archive of httpipe; it was not touched"):
        await sink(file).open()
    assert "Firefox" in file.read_text()


async def test_a_large_file_makes_room(tmp_path: Path) -> None:
    """Each of the files is whole, and nothing is missing."""
    file = tmp_path / "a.har"
    one = sink(file, max_bytes=4096)
    await one.open()
    for number in range(40):
        await one.write([exchange(number)])
    await one.aclose()
    files = sorted(tmp_path.iterdir())  # noqa: ASYNC240  nothing else runs
    assert len(files) > 3
    assert all(each.stat().st_size <= 4096 for each in files)
    assert sorted(int(path) for each in files for path in paths(each)) == list(range(40))


async def test_one_writer_a_file(tmp_path: Path) -> None:
    """The second one is told."""
    one, other = sink(tmp_path / "a.har"), sink(tmp_path / "a.har")
    await one.open()
    with pytest.raises(NotConnected, match="another httpipe, or another sink"):
        await other.open()
    await one.aclose()


def test_the_beginning_is_ours() -> None:
    """By this the sink knows its own files again, of any version."""
    assert har.beginning("1.0").startswith(har.OURS)
