"""A sink in a process of its own keeps the contract of every sink, and hands over events of every kind as they are."""

import json
import os
from pathlib import Path
from typing import ClassVar

import anyio
import msgspec
import pytest
from faulty import install

from pipeline.api import Context, Event, FieldType
from pipeline.isolation.sink import ProcessSink
from pipeline.testing.contract import odd_events, ordinary_events
from pipeline.testing.sink_contract import sink_contract

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin `faulty`, in the process of the sink as well."""
    install(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (tmp_path, ROOT, Path(__file__).parent))))
    monkeypatch.chdir(tmp_path)


def process_sink(folder: Path, **table: object) -> ProcessSink:
    """A sink with this table, in a process of its own."""
    table = {"inputs": ["x"], "isolation": "process", **table}
    return ProcessSink(str(folder / "pipeline.toml"), table, Context("out", attributes={"score": FieldType.INT}))


def numbers(folder: Path) -> list[int]:
    """What has arrived."""
    return [json.loads(line)["httpipe.sequence"] for line in (folder / "out.jsonl").read_text().splitlines()]


TestFile = sink_contract(lambda folder: process_sink(folder, type="file", path=f"{folder}/out.jsonl"), received=numbers)
TestPlugin = sink_contract(lambda folder: process_sink(folder, type="faulty", out=f"{folder}/out.jsonl"), received=numbers)
TestNull = sink_contract(lambda folder: process_sink(folder, type="null"))


class Beat(Event, frozen=True, gc=False):
    """A kind of event that is not httpipe's."""

    event_name: ClassVar[str] = "test.beat"
    strength: int = 0


@pytest.mark.anyio
async def test_events_of_every_kind_arrive_as_they_are(tmp_path: Path) -> None:
    """Attributes, measurements, odd text, kinds of plugins: what the process writes is what this one would have written."""
    from pipeline.sinks.file.sink import FileConfig, FileSink  # noqa: PLC0415  beside the one that is tested

    events = [*odd_events(), *ordinary_events(0, 10), Beat(timestamp_ns=1, attributes={"a": 1}, strength=3)]
    away = process_sink(tmp_path, type="file", path=f"{tmp_path}/away.jsonl")
    here = FileSink(FileConfig(path=f"{tmp_path}/here.jsonl"), Context("here"))
    for sink in (away, here):
        await sink.open()
        await sink.write(events)
        await sink.aclose()
    assert (tmp_path / "away.jsonl").read_bytes() == (tmp_path / "here.jsonl").read_bytes()
    assert msgspec.structs.asdict(events[-1])["strength"] == 3


@pytest.mark.anyio
async def test_a_plugin_that_is_no_longer_trusted_is_not_imported(tmp_path: Path) -> None:
    """The process looks at the trust list itself, each time it is started."""
    sink = process_sink(tmp_path, type="faulty")
    await sink.open()
    await sink.aclose()
    (tmp_path / "plugins.toml").write_text("")
    with pytest.raises(Exception, match="is installed but not trusted"):
        await sink.open()
    await sink.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize(("patience_secs", "times"), [(0.1, 0), (30, 1)])
async def test_a_process_is_called_silent_only_if_it_was_waited_for(
    patience_secs: float, times: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is killed in either case: a run that is to end at once knows nothing of it."""
    sink = process_sink(tmp_path, type="faulty", way="spin")
    await sink.open()
    with anyio.move_on_after(0.1):
        await sink.write(ordinary_events(0, 1))
    process = sink._process
    assert process is not None
    with anyio.move_on_after(patience_secs):
        await sink.aclose()
    assert process.gone
    assert caplog.text.count("does not respond; killing it") == times
