"""What is listed can be taken away in a file."""

import json
import time
from pathlib import Path

import pytest

from pipeline.cli.watch import writing
from pipeline.cli.watch.writing import write, write_packets
from pipeline.codecs.curl import curl
from pipeline.model.events.http_request import HttpRequest
from pipeline.sources.pcap.reader import read_segments
from tests.unit.packets.test_taker import SECOND, kept, talk
from tests.unit.packets.test_taker import exchange as exchange_of
from tests.unit.watch.watch_events import exchange, store_of


def test_an_archive_has_exchanges_and_lines_have_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order of arrival; the file is its owner's only, and never one that was there."""
    monkeypatch.chdir(tmp_path)
    store = store_of([exchange(1), HttpRequest(timestamp_ns=2), exchange(3)])
    name, remark = write(store, [3, 2, 1], "har")
    assert remark == "2 exchanges"
    entries = json.loads(Path(name).read_bytes())["log"]["entries"]
    assert [entry["request"]["url"] for entry in entries] == ["http://shop.example/items/1", "http://shop.example/items/3"]
    assert Path(name).stat().st_mode & 0o777 == 0o600
    name, remark = write(store, [1, 2, 3], "jsonl")
    assert [json.loads(line)["event.name"] for line in Path(name).read_text().splitlines()] == [
        *("http.exchange", "http.request", "http.exchange")
    ]
    assert remark == "3 events"


def test_a_script_has_a_command_for_each_exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is copied."""
    monkeypatch.chdir(tmp_path)
    first, second = exchange(1), exchange(3)
    name, remark = write(store_of([first, HttpRequest(timestamp_ns=2), second]), [1, 2, 3], "sh")
    assert Path(name).read_text().splitlines() == [curl(first), curl(second)]
    assert (Path(name).suffix, remark) == (".sh", "2 exchanges")


def test_packets_are_those_of_the_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is missing in words."""
    monkeypatch.chdir(tmp_path)
    records = talk(1, 0)
    store = store_of([exchange_of(1, SECOND), exchange_of(2, SECOND), exchange(3)])
    name, remark = write_packets(store, kept(records, talk(3, 0)), [1, 2])
    assert [segment.ts_ns for batch in read_segments(name) for segment in batch] == [record.ts_ns for record in records]
    assert remark == "2 events of 1 connection; no packet of 1 event is kept any more"
    assert Path(name).stat().st_mode & 0o777 == 0o600


def test_files_of_one_second_have_names_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number behind the time; beyond so many it is said, and nothing is overwritten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "strftime", lambda _form: "20260102-030405")
    monkeypatch.setattr(writing, "MOST_A_SECOND", 3)
    store = store_of([exchange(1)])
    names = [write(store, [1], ending)[0] for ending in ("har", "har", "sh", "har")]
    time_of_all = "httpipe-20260102-030405"
    assert names == [f"{time_of_all}.har", f"{time_of_all}-2.har", f"{time_of_all}.sh", f"{time_of_all}-3.har"]
    contents = [Path(name).read_bytes() for name in names]
    with pytest.raises(FileExistsError, match=f"{time_of_all}-3.har"):
        write(store, [1], "har")
    assert [Path(name).read_bytes() for name in names] == contents
