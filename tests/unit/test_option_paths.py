"""One rule for every option that is a path: what is not absolute begins at the folder of the pipeline file."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import AfterValidator, BaseModel

from pipeline.cli.exit_codes import ExitCode
from pipeline.cli.loading import load_to_check
from pipeline.cli.main import call
from pipeline.config.case import CaseConfig
from pipeline.config.documentation import models_in
from pipeline.config.options import ProcessOptions, SinkOptions, SourceOptions, TelemetryOptions
from pipeline.model import paths
from pipeline.plugins.discovery import Kind, discover
from pipeline.plugins.registry import Registry, TrustNothing

EVENT = '{"event.name":"http.exchange","timestamp":"2026-01-01T00:00:00Z","http.request.method":"GET","url.path":"/x"}\n'

NAMED_LIKE_A_PATH = re.compile(r"(^|_)(path|file|dir|folder|socket)$")

PIPELINE = """
[sources.all]
type = "replay"
path = "in/*.jsonl"
record = { path = "a.rec" }

[sources.one]
type = "replay"
path = "in/b.jsonl"

[transforms.named]
type = "enrich"
inputs = ["all", "one"]
key = "url.path"
file = "names.csv"
key_column = "path"
columns = { name = "name" }

[sinks.out]
type = "file"
inputs = ["named"]
path = "out/%Y.jsonl"
buffer = { type = "disk", path = "queue" }

[process]
control_socket = "control"
data_dir = "/var/lib/elsewhere"

[[tests]]
name = "named"
insert_at = "named"
capture = "in/c.pcap"
extract_from = "named"
count = 1
"""


def models() -> Iterator[type[BaseModel]]:
    """Every model that checks a part of a pipeline file."""
    known = Registry(discover(), TrustNothing())
    tops: list[Any] = [SourceOptions, SinkOptions, ProcessOptions, TelemetryOptions, CaseConfig]
    tops += [known.load(kind, plugin.name).component.Config for kind in Kind for plugin in known.plugins(kind) if plugin.builtin]
    while tops:
        model = tops.pop()
        yield model
        for field in model.model_fields.values():
            tops += models_in(field.annotation)


def validators(annotation: Any, metadata: tuple[Any, ...]) -> Iterator[AfterValidator]:
    """Those of a field, also where it may be None."""
    yield from (each for each in metadata if isinstance(each, AfterValidator))
    for inner in get_args(annotation):
        yield from validators(inner, getattr(inner, "__metadata__", ()))


def test_every_option_that_is_a_path_follows_the_rule() -> None:
    """A new one that forgets it fails here."""
    found = {
        f"{model.__name__}.{name}": any(
            each.func.__module__ == paths.__name__ for each in validators(field.annotation, tuple(field.metadata))
        )
        for model in models()
        for name, field in model.model_fields.items()
        if NAMED_LIKE_A_PATH.search(name) and str in {field.annotation, *get_args(field.annotation)} | _bare(field.annotation)
    }
    assert len(found) >= 11
    assert [name for name, follows in found.items() if not follows] == []


def _bare(annotation: Any) -> set[Any]:
    return {getattr(inner, "__origin__", None) for inner in (annotation, *get_args(annotation))}


@pytest.mark.parametrize("name", ["plain", "50%", "a [1]", "ä*"])
def test_a_pipeline_of_another_folder_finds_its_own_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the folder is called: no glob and no time token is read into it."""
    folder, elsewhere = tmp_path / name, tmp_path / "elsewhere"
    (folder / "in").mkdir(parents=True)
    elsewhere.mkdir()
    for each in "ab":
        (folder / f"in/{each}.jsonl").write_text(EVENT)
    (folder / "names.csv").write_text("path,name\n/x,ex\n")
    (folder / "pipeline.toml").write_text(PIPELINE.partition("[[tests]]")[0])
    monkeypatch.chdir(elsewhere)
    monkeypatch.delenv("HTTPIPE_DEBUG", raising=False)
    assert call(["run", "-q", f"../{name}/pipeline.toml"]) == ExitCode.OK
    written = (folder / "out/2026.jsonl").read_text().splitlines()
    assert [json.loads(line)["name"] for line in written] == ["ex"] * 3
    assert sorted(each.name for each in folder.iterdir()) == [
        "a.rec",
        "in",
        "names.csv",
        "out",
        "pipeline.toml",
        "queue",
    ]
    assert list(elsewhere.iterdir()) == []


def test_what_is_absolute_or_no_file_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absolute paths, standard input; and every other path begins at the folder as it was named."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/names.csv").write_text("path,name\n/x,ex\n")
    (tmp_path / "conf/p.toml").write_text(PIPELINE.replace("in/b.jsonl", "-"))
    monkeypatch.chdir(tmp_path)
    plan, (case,) = load_to_check("conf/p.toml")
    config: Any = {name: spec.config for name, spec in {**plan.sources, **plan.transforms, **plan.sinks}.items()}
    assert config["one"].path == "-"
    assert config["all"].path == "conf/in/*.jsonl"
    assert config["named"].file == "conf/names.csv"
    assert config["out"].path == "conf/out/%Y.jsonl"
    assert plan.sinks["out"].options.buffer.path == "conf/queue"
    record = plan.sources["all"].record
    assert record is not None
    assert record.path == "conf/a.rec"
    assert (plan.process.control_socket, plan.process.data_dir) == ("conf/control", "/var/lib/elsewhere")
    assert case.config.capture == "conf/in/c.pcap"


def test_a_path_that_begins_with_what_strangers_write_is_refused_as_ever(tmp_path: Path) -> None:
    """The folder in front does not make it literal text: `Host: pipeline.toml` would be the pipeline's own file."""
    (tmp_path / "p.toml").write_text(PIPELINE.replace("out/%Y.jsonl", "{{server.address}}").partition("[[tests]]")[0])
    (tmp_path / "names.csv").write_text("path,name\n/x,ex\n")
    assert call(["validate", str(tmp_path / "p.toml")]) == ExitCode.BAD_CONFIG
