"""Tests that stand in a pipeline file, `httpipe explain` and `httpipe graph`: what they find and how they tell it."""

from pathlib import Path

import pytest

from pipeline.cli.exit_codes import ExitCode
from pipeline.cli.main import call

ROOT = Path(__file__).resolve().parents[2]

PIPELINE = """
[sources.http]
type = "pcap"
path = "none.pcap"

[transforms.errors]
type = "filter"
inputs = ["http"]
where = 'status >= 500 and path.startswith("/api/")'
drop_to = "fine"

[transforms.tag]
type = "set"
inputs = ["errors"]
texts.team = "payments"

[transforms.recorder]
type = "window"
inputs = ["tag"]
where = 'team == "nobody"'

[sinks.out]
type = "stdout"
inputs = ["tag", "errors.fine", "recorder"]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(tests: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run `httpipe test` on the pipeline with these tests."""
    Path("pipeline.toml").write_text(PIPELINE + tests)
    code = call(["test"])
    shown = capsys.readouterr()
    return code, shown.out + shown.err


CASE = '\n[[tests]]\nname = "it"\n'


def test_passing_tests(capsys: pytest.CaptureFixture[str]) -> None:
    """Events go from a source through all that reads it; nested tables and short names are understood."""
    code, shown = run(
        CASE
        + """insert_at = "http"
event = { status = 503, path = "/api/x", http.request.method = "GET", timestamp = 2026-01-01T00:00:00Z }
extract_from = "tag"
where = 'team == "payments" and timestamp == "2026-01-01T00:00:00Z"'
expect = { team = "payments", method = "GET" }
count = 1
no_outputs_from = ["errors.fine", "recorder"]
""",
        capsys,
    )
    assert (code, shown) == (ExitCode.OK, "ok    it\n1 test, all passed\n")


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (
            'event = { status = 503, path = "/x" }\nextract_from = "tag"\nwhere = "True"',
            ["tag gave out no event", '└─ path = "/x"', "1 by errors.fine"],
        ),
        (
            'event = { status = 503, path = "/api/" }\nextract_from = "tag"\nwhere = \'team == "x"\'',
            ["the condition does not hold", '└─ team = "payments"'],
        ),
        (
            'event = { status = 503, path = "/api/" }\nextract_from = "tag"\nexpect = { team = "x", a = 1 }',
            ['- team = "x"', '+ team = "payments"', "+ a is missing"],
        ),
        (
            'event = { status = 200, path = "/api/" }\nno_outputs_from = ["errors.fine"]',
            ["gave out 1 event, where none was expected", '"http.response.status_code":200'],
        ),
        (
            'events = [{ status = 200 }, { status = 503, path = "/api/" }]\nextract_from = "tag"\ncount = 2',
            ["gave out 1 event, not 2"],
        ),
    ],
)
def test_failing_tests_show_what_happened(case: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Where events went, how a condition evaluated, what differs; the exit code is 1."""
    code, shown = run(f'{CASE}insert_at = "http"\n{case}\n', capsys)
    assert code == ExitCode.TESTS_FAILED == 1
    assert [word for word in words if word not in shown] == []
    assert shown.endswith("1 test, 1 failed\n")


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (
            'insert_at = "htp"\nevent = {}\nno_outputs_from = ["tag"]',
            'tests.0.insert_at: no source or transform "htp"; did you mean "http"?',
        ),
        (
            'insert_at = "http"\nevent = {}\nno_outputs_from = ["errors.fin"]',
            'no output "errors.fin"; did you mean "errors.fine"?',
        ),
        ('insert_at = "http"\nevent = {}\nextract_from = "tag"\nwhere = "statu > 1"', 'tests.0.where: unknown field "statu"'),
        ('insert_at = "http"\nevent = {}\nwhere = "True"', "say of which component in extract_from"),
        ('insert_at = "http"\nevent = {}', "expects nothing"),
        ('insert_at = "http"\nextract_from = "tag"\ncount = 1', "needs exactly one of event, events, capture"),
        (
            'insert_at = "http"\nevent = { status = "many" }\nno_outputs_from = ["tag"]',
            "tests.0.event: http.response.status_code: must be an integer",
        ),
        ('insert_at = "http"\nevnt = {}\nno_outputs_from = ["tag"]', 'did you mean "event"?'),
        ('insert_at = "http"\ncapture = "none.pcap"\nno_outputs_from = ["tag"]', "tests.0.capture"),
    ],
)
def test_faulty_tests_are_told_as_faults_of_the_file(case: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With their place, and exit code 78."""
    code, shown = run(f"{CASE}{case}\n", capsys)
    assert (code, message in shown) == (ExitCode.BAD_CONFIG, True), shown


def test_validate_checks_tests_and_does_not_run_them(capsys: pytest.CaptureFixture[str]) -> None:
    """One that would fail is right in form; one that is wrong is told as by `httpipe test`."""
    fails = CASE + 'insert_at = "http"\nevent = { status = 200 }\nextract_from = "tag"\ncount = 9\n'
    assert run(fails, capsys)[0] == ExitCode.TESTS_FAILED
    assert call(["validate"]) == ExitCode.OK
    assert capsys.readouterr().out == "pipeline.toml: ok: 1 source, 3 transforms, 1 sink, 1 test\n"
    wrong = CASE + 'insert_at = "htp"\nevnt = {}\nextract_from = "tag"\nwhere = "statu > 1"\n'
    _, told = run(fails + wrong + CASE + 'insert_at = "htp"\nevent = {}\nextract_from = "tag"\nwhere = "statu > 1"\n', capsys)
    assert call(["validate"]) == ExitCode.BAD_CONFIG
    said = capsys.readouterr().err
    assert said == told
    assert 'tests.1.evnt: unknown option; did you mean "event"?' in said
    assert 'tests.2.insert_at: no source or transform "htp"; did you mean "http"?' in said
    assert 'tests.2.where: unknown field "statu"' in said


def test_events_from_a_capture_file(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """The path is relative to the pipeline file, and what is read is decoded as the source would."""
    (folder / "demo.pcap").write_bytes((ROOT / "examples/demo.pcap").read_bytes())
    case = (
        'insert_at = "http"\ncapture = "demo.pcap"\nextract_from = "http"\nwhere = "has(method) and httpipe.source == \'http\'"\n'
    )
    code, shown = run(CASE + case, capsys)
    assert code == ExitCode.OK, shown


def test_no_tests_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """And says so."""
    assert run("", capsys) == (ExitCode.OK, "no tests\n")


EVENT = '{"http.response.status_code": 503, "url.path": "/api/x", "team": "a\\u001b[2J"}'


@pytest.mark.parametrize(
    ("text", "arguments"), [(EVENT, []), ("{}\n" + EVENT + "\n{}\n", ["--line", "2"]), (EVENT.replace(", ", ",\n"), [])]
)
def test_explain(text: str, arguments: list[str], capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """One event, one of many lines, or one over several lines; nothing that a terminal obeys is shown."""
    (folder / "e.json").write_text(text)
    assert call(["explain", 'status >= 500 and team == "b"', "--event", "e.json", *arguments]) == ExitCode.OK
    shown = capsys.readouterr().out
    assert "true   status >= 500" in shown
    assert 'team = "a\\x1b[2J"' in shown


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["status >=", "--event", "e.json"], ExitCode.USAGE, "cannot be read"),
        (["status > 1", "--event", "none.json"], ExitCode.DAMAGED_INPUT, "none.json: no such file"),
        (["status > 1", "--event", "bad.json"], ExitCode.DAMAGED_INPUT, "bad.json: not JSON"),
        (["status > 1", "--event", "e.json", "--line", "9"], ExitCode.DAMAGED_INPUT, "has no line 9"),
    ],
)
def test_explain_tells_what_is_wrong(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    """Expression, file, line."""
    (folder / "e.json").write_text(EVENT)
    (folder / "bad.json").write_text("[")
    assert call(["explain", *arguments]) == code
    assert words in capsys.readouterr().err


def test_graph(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """As a tree, for Graphviz, for Markdown: every component and every edge with its output's name."""
    (folder / "pipeline.toml").write_text(PIPELINE)
    assert call(["graph"]) == ExitCode.OK
    assert capsys.readouterr().out.splitlines() == [
        "http (pcap)",
        "└─ errors (filter)",
        "   ├─ tag (set)",
        "   │  ├─ recorder (window)",
        "   │  │  └─ out (stdout)",
        "   │  └─ out (stdout)",
        "   └─ fine → out (stdout)",
    ]
    call(["graph", "--format", "dot"])
    assert '  errors -> out [label="fine"];' in capsys.readouterr().out.splitlines()
    call(["graph", "--format", "mermaid"])
    assert "  errors -->|fine| out" in capsys.readouterr().out.splitlines()
