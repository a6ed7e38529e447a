"""The file that says that capturing has begun; what becomes of it when privileges are given up stands in tests/live."""

from pathlib import Path

import pytest

from pipeline.runtime.process.ready_file import ReadyFile


def test_it_stands_from_the_beginning_to_the_end(tmp_path: Path) -> None:
    """What an earlier run left does not count."""
    path = tmp_path / "ready"
    path.touch()
    with ReadyFile(str(path)) as file:
        assert not path.exists()
        file.check(None)
        assert not path.exists()
        file.create()
        assert path.exists()
    assert not path.exists()


def test_without_a_path_nothing_happens() -> None:
    """Most runs name none."""
    with ReadyFile(None) as file:
        file.check("nobody")
        file.create()


def test_a_place_where_it_cannot_be_is_told_before_capturing(tmp_path: Path) -> None:
    """With who cannot, and what to do."""
    with ReadyFile(str(tmp_path / "none" / "ready")) as file, pytest.raises(PermissionError) as caught:
        file.check("nobody")
    assert caught.value.filename is None
    assert str(caught.value.strerror).startswith('[process] user "nobody" may not create the --ready-file /')


def test_what_happens_to_it_once_capturing_has_begun_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The folder went away: a line in the log for each, and no error."""
    folder = tmp_path / "folder"
    folder.mkdir()
    with ReadyFile(str(folder / "ready")) as file:
        file.check(None)
        folder.rmdir()
        file.create()
        folder.touch()  # a file stands where the folder was
    assert [record.message for record in caplog.records] == [
        "cannot create the --ready-file; capturing goes on",
        "cannot remove the --ready-file",
    ]
