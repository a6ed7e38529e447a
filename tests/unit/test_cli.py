"""The command line: every mistake becomes words and an exit code, never a traceback."""

import json
import os
from pathlib import Path

import click
import pytest
from jsonschema import Draft202012Validator

from pipeline.cli import failures
from pipeline.cli.durations import DURATION
from pipeline.cli.exit_codes import MEANING, ExitCode
from pipeline.cli.main import SECTIONS, call, cli
from pipeline.cli.progress import Progress, size
from pipeline.errors import CaptureError, ConfigError, HttpipeError, InputError, Problem, UnhealthyError
from pipeline.sources.bpf import host
from pipeline.sources.bpf.host import Check
from pipeline.sources.gate import host as gate_host
from pipeline.sources.tls import host as tls_host

REPLAY = """
[sources.recorded]
type = "replay"
path = "events.jsonl"

[sinks.out]
type = "stdout"
inputs = ["recorded"]
format = "json"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and no colours."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HTTPIPE_DEBUG", raising=False)
    return tmp_path


def test_help_shows_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """The overview is all there is to know to begin."""
    assert call(["--help"]) == ExitCode.OK
    shown = " ".join(capsys.readouterr().out.split())
    for commands in SECTIONS.values():
        for name, (_, words) in commands.items():
            assert f"{name} {words}" in shown
    for code, meaning in MEANING.items():
        assert f"{code.value} {meaning}" in shown


def test_the_help_of_run_ends_with_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """Where who writes a unit file or a script looks for them."""
    assert call(["run", "--help"]) == ExitCode.OK
    shown = " ".join(capsys.readouterr().out.split())
    assert all(f"{code.value} {meaning}" in shown for code, meaning in MEANING.items())


@pytest.mark.parametrize("name", [name for commands in SECTIONS.values() for name in commands])
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And is where the overview says."""
    assert call([name, "--help"]) == ExitCode.OK
    assert f"Usage: httpipe {name}" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """Name, version, and what a bug report needs."""
    assert call(["--version"]) == ExitCode.OK
    assert capsys.readouterr().out.startswith("httpipe 0.")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["vlaidate"], 'httpipe: no command "vlaidate"; did you mean "validate"?'),
        (["-i", "eth0", "--port", "80"], "httpipe: -i is an option of print: type `httpipe print -i eth0 --port 80`"),
        (["--where", "status > 499", "print"], "httpipe: --where is an option of print: write it behind the command"),
        (["run", "--for", "soon"], '"soon" is not a time, such as 500ms, 10s, 5m or 1h'),
        (["run", "--dry"], "No such option"),
        (["run", "--ready-file", "/no/such/folder/x"], "--ready-file: cannot create /no/such/folder/x"),
        (["run", "a", "b"], "Got unexpected extra argument (b)"),
        (["plugins", "new", "snik", "x"], "'snik' is not one of 'source', 'transform', 'sink'"),
        (["plugins", "new", "sink", "Über"], "will not do as a name"),
        (["plugins", "trust", "nobody"], '"nobody" has plugins; pip install it into this environment first'),
        (["plugins", "trust", "httpipe"], "built-ins are always allowed"),
        (["list", "stdot"], '"stdot" is not a known component; did you mean "stdout"?'),
    ],
)
def test_a_wrong_command_line_is_told_in_a_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With exit code 64."""
    assert call(arguments) == ExitCode.USAGE
    assert said in capsys.readouterr().err


def test_a_missing_pipeline_file_is_told_with_one_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first thing that happens to a new user: what it says to write is a pipeline file."""
    monkeypatch.chdir(tmp_path)
    assert call(["run"]) == ExitCode.BAD_CONFIG
    sentence, _, file = capsys.readouterr().err.partition("\n")
    assert sentence.startswith("pipeline.toml: no such file; name another, or write it.")
    (tmp_path / "pipeline.toml").write_text(file)
    assert call(["validate"]) == ExitCode.OK


def test_a_folder_and_a_huge_file_are_no_pipeline_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong argument costs nothing."""
    assert call(["validate", str(folder), "/dev/zero"]) == ExitCode.BAD_CONFIG
    said = capsys.readouterr().err
    assert "is a folder; did you mean" in said
    assert "/dev/zero: is larger than 16 MiB: not a pipeline file" in said


def test_an_unreadable_pipeline_file_is_a_matter_of_permission(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 77. Root may read everything, so this one test is nobody for a moment."""
    assert call(["validate"]) == ExitCode.BAD_CONFIG  # now all is imported that nobody may not be able to read
    folder.chmod(0o755)
    (folder / "pipeline.toml").touch(mode=0o000)
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        assert call(["validate"]) == ExitCode.NO_PERMISSION
    finally:
        os.seteuid(user)
    assert "no permission for pipeline.toml" in capsys.readouterr().err


def test_validate_tells_every_problem_and_counts_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each on a line of its own, with file and path."""
    (folder / "pipeline.toml").write_text(REPLAY.replace('json"', 'jsn"').replace("path", "paht"))
    assert call(["validate"]) == ExitCode.BAD_CONFIG
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "pipeline.toml: sources.recorded.path: is required",
        'pipeline.toml: sources.recorded.paht: unknown option; did you mean "path"?',
        'pipeline.toml: sinks.out.format: "jsn" is not one of "line", "raw", "json", "har", "curl", "pcapng"; did you mean "json"?',  # noqa: E501
        "3 problems",
    ]


def test_validate_shows_warnings_and_passes_unless_strict(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts what there is."""
    (folder / "p.toml").write_text(REPLAY + '[sources.idle]\ntype = "replay"\npath = "x"\n')
    assert call(["validate", "p.toml"]) == ExitCode.OK
    shown = capsys.readouterr()
    assert shown.out == "p.toml: ok: 2 sources, no transforms, 1 sink\n"
    assert shown.err.startswith("p.toml: warning: sources.idle: nothing reads it")
    assert call(["validate", "--strict", "p.toml"]) == ExitCode.BAD_CONFIG


def test_the_schema_of_a_kind_of_event_is_that_of_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """A kind that nobody has is a mistake of the command line, with the nearest name."""
    assert call(["schema", "--event", "tls.handshake"]) == ExitCode.OK
    validator = Draft202012Validator(json.loads(capsys.readouterr().out))
    line = {"event.name": "tls.handshake", "timestamp": "2026-01-02T03:04:05Z", "tls.resumed": True}
    assert validator.is_valid(line)
    assert not validator.is_valid({**line, "tls.resumed": "yes"})
    assert call(["schema", "--event", "http.exchnage"]) == ExitCode.USAGE
    assert 'no kind of event is called "http.exchnage"; did you mean "http.exchange"?' in capsys.readouterr().err
    assert call(["schema", "--event", "event"]) == ExitCode.USAGE


def test_the_schema_is_valid_and_accepts_what_validate_accepts(capsys: pytest.CaptureFixture[str]) -> None:
    """Draft 2020-12, every built-in told by its type, variables where numbers are wanted."""
    assert call(["schema"]) == ExitCode.OK
    schema = json.loads(capsys.readouterr().out)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    good = {
        "sources": {"r": {"type": "replay", "path": "x", "max_connections": "${MAX:-5}"}},
        "transforms": {"f": {"type": "filter", "inputs": ["r"], "where": "status >= 500"}},
        "sinks": {"s": {"type": "stdout", "inputs": ["f"], "buffer": {"when_full": "block"}, "batch": {"max_events": 5}}},
        "process": {"shutdown_timeout_secs": "${SECS}"},
    }
    assert not list(validator.iter_errors(good))
    for kind, id_, option, value in (
        ("sources", "r", "type", "nope"),
        ("sources", "r", "paht", "x"),
        ("transforms", "f", "inputs", "r"),
        ("sinks", "s", "format", "jsn"),
        ("sinks", "s", "buffer", {"when_full": "explode"}),
        ("sources", "r", "max_connections", "many"),
    ):
        bad = json.loads(json.dumps(good))
        bad[kind][id_][option] = value
        assert list(validator.iter_errors(bad)), (kind, option, value)
    assert list(validator.iter_errors({**good, "sink": {}}))


def test_list_shows_what_there_is_and_the_options_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Kinds may be named."""
    assert call(["list"]) == ExitCode.OK
    assert {"sources", "transforms", "sinks"} <= set(capsys.readouterr().out.splitlines())
    assert call(["list", "sinks"]) == ExitCode.OK
    assert "sources" not in capsys.readouterr().out
    assert call(["list", "stdout"]) == ExitCode.OK
    shown = capsys.readouterr().out
    assert 'format  `"line"`, `"raw"`, `"json"`, `"har"`, `"curl"`, `"pcapng"`, default "line"' in shown
    assert "buffer.when_full" in shown


def test_doctor_tells_each_point_with_a_remedy_and_fails_only_for_what_is_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bcc may be missing where libbpf works."""
    points = [
        Check("kernel", ok=True, detail="Linux 6"),
        Check("bcc", ok=False, detail="not there", remedy="apt", required=False),
    ]
    monkeypatch.setattr(host, "checks", lambda: points)
    monkeypatch.setattr(tls_host, "checks", list)
    monkeypatch.setattr(gate_host, "checks", list)
    assert call(["doctor"]) == ExitCode.OK
    assert "This host can capture." in capsys.readouterr().out
    points.append(Check("capabilities", ok=False, detail="user 5", remedy="setcap a\nsudo b"))
    assert call(["doctor"]) == ExitCode.UNAVAILABLE
    lines = capsys.readouterr().out.splitlines()
    assert lines[:6] == [
        "ok   kernel        Linux 6",
        "none bcc           not there",
        "                   apt",
        "FAIL capabilities  user 5",
        "                   setcap a",
        "                   sudo b",
    ]
    assert lines[7] == "httpipe cannot capture here as it is: capabilities. Mend it from the top."
    points.append(Check("program loads", ok=False, detail="no permission", remedy="setcap a\nsudo b"))
    assert call(["doctor"]) == ExitCode.UNAVAILABLE
    assert capsys.readouterr().out.splitlines()[6:8] == [
        "FAIL program loads  no permission",
        "                    as for capabilities, above",
    ]
    del points[-1]
    assert call(["doctor", "--json"]) == ExitCode.UNAVAILABLE
    assert [json.loads(line)["ok"] for line in capsys.readouterr().out.splitlines()] == [True, False, False]


def test_doctor_agrees_with_this_host(capsys: pytest.CaptureFixture[str]) -> None:
    """The real checks change nothing and never fail themselves."""
    code = call(["doctor", "--json"])
    points = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(point["remedy"] for point in points if not point["ok"])
    assert (code == ExitCode.OK) == all(point["ok"] for point in points if point["required"])


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigError([Problem("a.b", "is wrong")], file="p.toml"), ExitCode.BAD_CONFIG, "p.toml: a.b: is wrong"),
        (ConfigError([Problem("a", "x"), Problem("b", "y")]), ExitCode.BAD_CONFIG, "a: x\nb: y\n2 problems"),
        (CaptureError("no BPF", remedy="type this"), ExitCode.UNAVAILABLE, "httpipe: no BPF\n  type this"),
        (CaptureError("not allowed", denied=True), ExitCode.NO_PERMISSION, "httpipe: not allowed"),
        (InputError("cut short"), ExitCode.DAMAGED_INPUT, "httpipe: cut short"),
        (PermissionError(13, "Permission denied", "/x"), ExitCode.NO_PERMISSION, "httpipe: no permission for /x"),
        (PermissionError("not root"), ExitCode.NO_PERMISSION, "httpipe: not root"),
        (HttpipeError("a sink is gone"), ExitCode.UNDELIVERED, "httpipe: a sink is gone"),
        (UnhealthyError("out: not healthy"), ExitCode.UNAVAILABLE, "httpipe: out: not healthy"),
        (ExceptionGroup("", [ValueError("x"), ExceptionGroup("", [InputError("cut")])]), ExitCode.DAMAGED_INPUT, "httpipe: cut"),
        (OSError(24, "Too many open files", "/x"), ExitCode.NO_PERMISSION, "httpipe: too many open files\n  allow more: `ulimit"),
        (KeyError("x"), ExitCode.INTERNAL, "httpipe: internal error: KeyError: 'x'"),
    ],
)
def test_each_kind_of_error_has_its_exit_code_and_words(error: Exception, code: ExitCode, said: str) -> None:
    """Out of groups, too."""
    reported = failures.reported(error)
    assert reported[0] == code
    assert reported[1].startswith(said)


def test_an_internal_error_is_one_line_and_a_traceback_only_for_debug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The hint says how to get it."""

    def fail(**_: object) -> int:
        raise RuntimeError("boom\nsecond line")

    monkeypatch.setattr(cli, "get_command", lambda *_: click.Command("validate", callback=fail))
    assert call(["validate"]) == ExitCode.INTERNAL
    said = capsys.readouterr().err
    assert said.splitlines()[0] == "httpipe: internal error: RuntimeError: boom"
    assert "--debug" in said
    assert "Traceback" not in said
    assert call(["--debug", "validate"]) == ExitCode.INTERNAL
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "secs"), [("500ms", 0.5), ("10s", 10), ("10", 10), ("1.5m", 90), ("1h", 3600), ("2d", 172_800)])
def test_times(text: str, secs: float) -> None:
    """A number and a unit."""
    assert DURATION.convert(text, None, None) == secs


def test_progress_is_one_line_that_leaves_no_trace() -> None:
    """Ten times a second at most, and nothing where there is no terminal."""

    class Terminal:
        """Remembers what was written."""

        def __init__(self, *, tty: bool) -> None:
            """Empty."""
            self.written: list[str] = []
            self.tty = tty

        def isatty(self) -> bool:
            """As told."""
            return self.tty

        def write(self, text: str) -> None:
            """Keep it."""
            self.written.append(text)

        def flush(self) -> None:
            """Nothing to do."""

    now = [0.0]
    terminal = Terminal(tty=True)
    progress = Progress(terminal, enabled=True, clock=lambda: now[0])
    for done in (0, 50, 75):
        progress.show("cap", done, 100, 1)
        now[0] += 0.06
    progress.show("pipe", 5 << 20, 0, 12_345)
    assert progress.line() == "cap ██████████████████░░░░░░  75% of 100 B, 1 event  pipe 12,345 events, 5.0 MiB"
    progress.clear()
    assert len(terminal.written) == 3
    assert "cap ██████████████████░░░░░░  75% of 100 B" in terminal.written[1]
    assert terminal.written[-1] == "\r\x1b[K"
    silent = Terminal(tty=False)
    Progress(silent, enabled=True).show("cap", 1, 2, 3)
    assert silent.written == []


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (200 << 20, "200 MiB"), (5 << 40, "5.0 TiB")]
)
def test_sizes(count: int, text: str) -> None:
    """Three digits are enough."""
    assert size(count) == text
