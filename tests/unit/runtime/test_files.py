"""Files that transforms name: one bound, wherever they are read, and news only when there is some."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.cli import loading
from pipeline.runtime.units import files

READERS = {"validate and test": loading.read_table, "run": files.FileReader().read}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_one_bound_for_all(tmp_path: Path, read: Callable[[str], bytes | None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A table as long as the bound is read by all commands alike; a longer one is refused by all, and why."""
    monkeypatch.setattr(files, "MAX_TABLE_BYTES", 1 << 20)
    table = tmp_path / "table.csv"
    table.write_bytes(b"x" * (1 << 20))
    assert len(read(str(table)) or b"") == 1 << 20
    table.write_bytes(b"x" * (1 + (1 << 20)))
    with pytest.raises(OSError, match="larger than 1 MiB") as refusal:
        read(str(table))
    assert refusal.value.errno == errno.EFBIG


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_missing_file_says_where_it_was_looked_for(read: Callable[[str], bytes | None]) -> None:
    """The message for a relative path names the folder where httpipe was started."""
    with pytest.raises(FileNotFoundError, match="where httpipe was started"):
        read("nobody-has-this.csv")


def test_news_only(tmp_path: Path) -> None:
    """A run reads a file again when it has changed, and at no other time."""
    table, read = tmp_path / "table.csv", files.FileReader().read
    table.write_bytes(b"one")
    assert (read(str(table)), read(str(table))) == (b"one", None)
    other = tmp_path / "other.csv"
    other.write_bytes(b"two")
    os.replace(other, table)  # noqa: PTH105  as editors do
    assert (read(str(table)), read(str(table))) == (b"two", None)


def test_a_map_is_the_file_and_news_only(tmp_path: Path) -> None:
    """However large it is; what was mapped before stays as it was when another file takes its place."""
    table, reader = tmp_path / "big.db", files.FileReader()
    with table.open("wb") as file:
        file.truncate(files.MAX_TABLE_BYTES + 1)
        file.write(b"one")
    first = reader.map(str(table))
    assert first is not None
    assert (first[:3], len(first)) == (b"one", files.MAX_TABLE_BYTES + 1)
    assert reader.map(str(table)) is None
    other = tmp_path / "other.db"
    other.write_bytes(b"two")
    os.replace(other, table)  # noqa: PTH105  as editors do
    second = reader.map(str(table))
    assert second is not None
    assert (first[:3], second[:]) == (b"one", b"two")
    first.close()
    second.close()


@pytest.mark.parametrize("map_file", [loading.map_table, files.FileReader().map])
def test_an_empty_file_cannot_be_mapped(tmp_path: Path, map_file: Callable[[str], object]) -> None:
    """It is told as any file that cannot be used."""
    (tmp_path / "empty").touch()
    with pytest.raises(OSError, match="is empty"):
        map_file(str(tmp_path / "empty"))
