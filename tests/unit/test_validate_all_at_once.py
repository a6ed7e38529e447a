"""`httpipe validate` tells every mistake of a file in its first run, whatever stage finds it, with what would be right."""

from pathlib import Path

import pytest

from pipeline.cli.exit_codes import ExitCode
from pipeline.cli.main import call
from pipeline.expressions.condition import compile_condition
from pipeline.expressions.elsewhere import ELSEWHERE
from pipeline.expressions.errors import ExpressionError
from pipeline.expressions.template import compile_sanitised
from pipeline.expressions.value import compile_value
from pipeline.model.events.kinds import field_named

MISTAKES = """
[process]
user = "nobody_such"
usr = 1

[sources.http]
type = "bpf"
interfaces = ["any", "eth0"]
request_headers = ["x-tenant"]
ports = [0, 99999]

[transforms.a]
type = "filter"
inputs = ["http"]
where = 'http.respnse.status_code >= 500 and client.ip == "1.2.3.4" and not (nope < 1 or status > "x")'

[transforms.b]
type = "set"
inputs = ["http"]
values.x = "nothing + never"
values.y = "status + path"

[transforms.c]
type = "redact"
inputs = ["http"]
action = "hsh"
regexes = ["("]

[sinks.f]
type = "file"
inputs = ["b"]
path = "{{hst}}/{{clnt}}.jsonl"
rotate.max_bytes = "much"

[sinks.k]
type = "kafka"
inputs = ["http", "zzz"]
bootstrap_servers = "localhost"
topic = "{{host}}-x"
acks = "al"
key = "{{client.ip}}-{{hst}}"
dead_letter = "g"
buffer.path = "/x"

[[tests]]
name = "t"
evnt = {}
"""

SAID = (
    'process.user: there is no user "nobody_such" on this host',
    'process.usr: unknown option; did you mean "user"?',
    'sources.http.interfaces: ["any", "eth0"]: "any" includes all others',
    "sources.http.ports.0: 0 is not at least 1",
    "sources.http.ports.1: 99999 is not at most 65535",
    'transforms.a.where: unknown field "http.respnse.status_code"; did you mean "http.response.status_code"?',
    'transforms.a.where: unknown field "client.ip"; did you mean "client.address"?',
    'transforms.a.where: unknown field "nope"',
    "transforms.a.where: \"status > 'x'\" compares a number with the text",
    'transforms.b.values.x: unknown field "nothing"',
    'transforms.b.values.x: unknown field "never"',
    'transforms.b.values.y: "status + path": "+" takes two numbers or two texts',
    'transforms.c.action: "hsh" is not one of "mask", "hash", "remove"',
    'transforms.c.regexes: "(" is not an RE2 pattern',
    'sinks.f.path: "{{hst}}/{{clnt}}.jsonl" starts with a value from traffic',
    'sinks.f.rotate.max_bytes: "much" is not a whole number',
    'sinks.k.inputs.1: no component "zzz"',
    'sinks.k.topic: "{{host}}-x" starts with a value from traffic',
    'sinks.k.acks: "al" is not one of',
    'sinks.k.key: unknown field "client.ip"; did you mean "client.address"?',
    'sinks.k.key: unknown field "hst"; did you mean "host"?',
    'sinks.k.dead_letter: no sink "g"',
    'sinks.k.buffer.path: "/x" has no effect without type = "disk"; set that, or leave path out',
    "tests.0.evnt: unknown option",
)


def test_every_mistake_is_told_in_the_first_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also what only a constructor finds, in a table whose other options are wrong; each once, in the order of the file."""
    file = tmp_path / "p.toml"
    file.write_text(MISTAKES)
    assert call(["validate", str(file)]) == ExitCode.BAD_CONFIG
    told = [line.partition(": ")[2] for line in capsys.readouterr().err.splitlines() if line.startswith(str(file))]
    assert [said for said in SAID if not any(line.startswith(said) for line in told)] == []
    assert len(told) == len(set(told))


HIDDEN = """
log_level = "debug"

[process]
log_format = "json"

[sources.http]
type = "bpf"

[transforms.r]
type = "route"
inputs = ["http"]
routes.errors = "status >= nope"
request_headers = ["x"]

[sinks.f]
type = "file"
inputs = ["r.errors", "r.erors"]
max_events = 5
encoding.fields = ["nope"]

[sinks.k]
type = "kafka"
inputs = ["http"]
key = "{{nope}}"

[sinks.b]
type = "file"
path = 7
inputs = ["http"]
rotate.max_bytes = 1
compression = "zip"

[[tests]]
name = "a"
insert_at = "htp"
event = { status = "x" }
extract_from = "q.errors"
where = "status > 'x' and added.by.nobody.known == 1"
"""

HIDDEN_SAID = (
    "log_level: stands in no table; it belongs in [telemetry]",
    "process.log_format: unknown option; it belongs in [telemetry]",
    'transforms.r.routes.errors: unknown field "nope"',
    "transforms.r.request_headers: unknown option; it belongs in a source",
    "sinks.f.path: is required",
    'sinks.f.inputs.1: "r" has no output "erors"; did you mean "errors"?',
    'sinks.f.max_events: unknown option; did you mean "batch.max_events" or "buffer.max_events"?',
    "sinks.k.bootstrap_servers: is required",
    "sinks.k.topic: is required",
    'sinks.k.key: unknown field "nope"',
    "sinks.b.path: 7 is not",
    'tests.0.insert_at: no source or transform "htp"; did you mean "http"?',
    "tests.0.event: http.response.status_code: must be an integer",
    'tests.0.extract_from: no output "q.errors"',
    "tests.0.where: \"status > 'x'\" compares a number with the text",
)


def test_what_is_missing_or_misplaced_hides_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Required options, outputs of a transform that is wrong, tests of a pipeline that is; where a misplaced option belongs."""
    file = tmp_path / "p.toml"
    file.write_text(HIDDEN)
    assert call(["validate", str(file)]) == ExitCode.BAD_CONFIG
    told = [line.partition(": ")[2] for line in capsys.readouterr().err.splitlines() if line.startswith(str(file))]
    assert [said for said in HIDDEN_SAID if not any(line.startswith(said) for line in told)] == []
    assert not any("added" in line for line in told), told


def test_a_table_with_wrong_options_blames_no_right_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is left of it may look wrong only for what is missing: `redact` would have nothing to do."""
    file = tmp_path / "p.toml"
    file.write_text(
        '[sources.a]\ntype = "pcap"\npath = "-"\n[transforms.t]\ntype = "redact"\ninputs = ["a"]\nheaders = 7\n'
        '[sinks.s]\ntype = "null"\ninputs = ["t"]\n'
    )
    assert call(["validate", str(file)]) == ExitCode.BAD_CONFIG
    assert capsys.readouterr().err.count("\n") == 1


def test_a_wrong_option_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing of what stands in for it while the rest is looked at."""
    file = tmp_path / "p.toml"
    file.write_text(
        '[sources.a]\ntype = "pcap"\npath = "-"\n[transforms.t]\ntype = "geoip"\ninputs = ["a"]\nfiles = "x.mmdb"\n'
        '[sinks.s]\ntype = "null"\ninputs = ["t"]\n'
    )
    assert call(["validate", str(file)]) == ExitCode.BAD_CONFIG
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert told.startswith(f"{file}: transforms.t.files: ")


@pytest.mark.parametrize("mistake", ["", '[telemetry]\nlog_format = "x"\n'])
def test_a_header_that_is_misspelt_is_compared_with_those_reported(
    mistake: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether or not there are problems beside it."""
    file = tmp_path / "p.toml"
    file.write_text(
        '[sources.a]\ntype = "pcap"\npath = "-"\nrequest_headers = ["x-tenant"]\n[transforms.t]\ntype = "filter"\n'
        'inputs = ["a"]\nwhere = \'http.request.header["x-tennant"] == "a"\'\n'
        f'[sinks.s]\ntype = "null"\ninputs = ["t"]\n{mistake}'
    )
    assert call(["validate", "--strict", str(file)]) == ExitCode.BAD_CONFIG
    said = 'which is not reported; did you mean "x-tenant", which is? Else add request_headers = ["x-tennant"] to [sources.a]'
    assert said in capsys.readouterr().err


def test_a_source_with_wrong_options_reports_nothing_that_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which headers it reports cannot be said, so nothing is said about those that a transform reads."""
    file = tmp_path / "p.toml"
    file.write_text(
        '[sources.a]\ntype = "pcap"\npath = "-"\nbodies = { max_bytes = -1 }\n[transforms.t]\ntype = "filter"\n'
        'inputs = ["a"]\nwhere = \'http.request.header["x-tenant"] == "a"\'\n[sinks.s]\ntype = "null"\ninputs = ["t"]\n'
    )
    assert call(["validate", str(file)]) == ExitCode.BAD_CONFIG
    assert capsys.readouterr().err == f"{file}: sources.a.bodies.max_bytes: -1 is not at least 1\n"


def test_all_that_is_wrong_with_one_expression_is_told() -> None:
    """In both sides of operators, in lists, in choices, in templates."""
    for compiled, text, count in (
        (compile_condition, "a1 > 1 and a2 > 2 or not a3 == a4", 4),
        (compile_condition, "status in (a1, a2)", 2),
        (compile_value, "a1 + a2 * a3", 3),
        (compile_value, "a1 if status > 1 else a2", 2),
        (compile_sanitised, "{{a1}}-{{a2}}", 3),
    ):
        with pytest.raises(ExpressionError) as caught:
            compiled(text)
        assert len(caught.value.problems) == count, text


def test_names_from_elsewhere_are_none_of_ours_and_lead_to_ours() -> None:
    """Whoever knows another tool is told what the field is called here."""
    assert [name for name in ELSEWHERE if field_named(name)] == []
    assert [name for name in ELSEWHERE.values() if (field := field_named(name)) is None or field.name != name] == []
    assert list(ELSEWHERE) == [name.lower() for name in ELSEWHERE]


def test_what_is_empty_or_has_no_effect_is_said_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty list and an empty text, each once; handshakes asked of a source that sees none are a warning."""
    file = tmp_path / "p.toml"
    sink = '[sinks.out]\ntype = "stdout"\ninputs = ["*"]\n'
    file.write_text(f'[sources.a]\ntype = "tls"\nexecutables = []\n[sources.b]\ntype = "tls"\nexecutables = [""]\n{sink}')
    assert call(["validate", str(file)]) == ExitCode.BAD_CONFIG
    assert capsys.readouterr().err.splitlines() == [
        f"{file}: sources.a.executables: [] is empty",
        f'{file}: sources.b.executables.0: "" is empty',
        "2 problems",
    ]
    file.write_text(f'[sources.a]\ntype = "tls"\nexecutables = ["curl"]\ntls_handshakes = true\n{sink}')
    assert call(["validate", str(file)]) == ExitCode.OK
    assert "warning: sources.a.tls_handshakes: probes see no handshakes; set it on" in capsys.readouterr().err
