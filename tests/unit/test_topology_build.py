"""From a document to a plan: wiring, rules, defaults, and every problem at once."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import ClassVar

import pytest

from pipeline.api import (
    Config,
    ConfigError,
    Context,
    Emits,
    Event,
    EventBatch,
    FieldType,
    Outputs,
    RecordBatch,
    Sink,
    SinkDefaults,
    Source,
    Transform,
)
from pipeline.config.document import parse
from pipeline.config.options import SinkOptions
from pipeline.errors import Problem
from pipeline.plugins.discovery import Found, Kind, Plugin, discover
from pipeline.plugins.registry import BrokenPluginError, Component, Loaded, Registry, TrustNothing
from pipeline.sinks.file.sink import FileSink
from pipeline.topology import components
from pipeline.topology.build import build
from pipeline.topology.components import Mode
from pipeline.topology.plan import Plan


class Path(Config):
    """A source's options."""

    path: str


class File(Source):
    """Can wait."""

    Config = Path

    def __init__(self, config: Path, context: Context) -> None:
        """Keep nothing."""

    async def batches(self) -> AsyncIterator[RecordBatch | EventBatch]:
        """Nothing."""
        for batch in ():
            yield batch


class Live(File):
    """Cannot wait, and gives records."""

    Config = Config
    can_wait = False
    emits = Emits.RECORDS


class Recorded(Live):
    """Records or events, as its file has them."""

    emits = Emits.EITHER


class Adds(Config):
    """A transform's options."""

    adds: tuple[str, ...] = ()
    adds_headers: tuple[str, ...] = ()
    wants: str = ""
    outputs: tuple[str, ...] = ()
    table: str = ""
    reads: tuple[tuple[str, ...], ...] = ()


class Step(Transform):
    """Has the outputs and attributes that its options say."""

    Config = Adds

    def __init__(self, config: Adds, context: Context) -> None:
        """Check as an expression would."""
        self.outputs = config.outputs
        self.reads = config.reads
        self.adds = dict.fromkeys(config.adds, FieldType.STRING)
        self.adds_headers = config.adds_headers
        if config.wants and config.wants not in context.attributes:
            raise ConfigError([Problem("wants", f'unknown field "{config.wants}"')])
        if config.table:
            context.read_file(config.table)

    def process(self, batch: Sequence[Event]) -> Outputs:
        """All of it."""
        return {"": batch}


class Format(Config):
    """A sink's options."""

    raw: bool = False


class Print(Sink):
    """Wants heads when raw."""

    Config = Format

    def __init__(self, config: Format, context: Context) -> None:
        """Keep nothing."""

    @classmethod
    def wants_heads(cls, config: Format) -> bool:
        """Only raw."""
        return config.raw

    async def write(self, batch: Sequence[Event]) -> None:
        """Forget."""


class Declared(Print):
    """Says what suits it."""

    defaults = SinkDefaults(batch_max_events=100, batch_timeout_secs=2.0, write_timeout_secs=5.0)


class Fake(Registry):
    """A registry whose components are the classes above."""

    known: ClassVar[Mapping[tuple[Kind, str], Component]] = {
        (Kind.SOURCE, "file"): File,
        (Kind.SOURCE, "live"): Live,
        (Kind.SOURCE, "recorded"): Recorded,
        (Kind.TRANSFORM, "step"): Step,
        (Kind.SINK, "print"): Print,
        (Kind.SINK, "declared"): Declared,
        (Kind.SINK, "file"): FileSink,
    }

    def __init__(self) -> None:
        """Declare them as a distribution would."""
        plugins = [Plugin(kind, name, "httpipe", "1", f"pipeline.x:{name}", None) for kind, name in self.known]
        super().__init__(Found(tuple(plugins), ()), TrustNothing())

    def load(self, kind: Kind, name: str) -> Loaded:
        """As the real one, without importing."""
        return Loaded(self.find(kind, name), self.known[kind, name])


def plan(text: str, files: Mapping[str, bytes] | None = None) -> Plan:
    """The plan of a text."""

    def read(path: str) -> bytes:
        if path not in (files or {}):
            raise FileNotFoundError(2, "No such file or directory", path)
        return (files or {})[path]

    return build(parse(text.encode(), "p.toml", {}), Fake(), read)


def complaints(text: str) -> list[str]:
    """Every problem of a text."""
    with pytest.raises(ConfigError) as caught:
        plan(text)
    return [str(problem) for problem in caught.value.problems]


SOURCE = '[sources.a]\ntype = "file"\npath = "x"\n'
LIVE = '[sources.l]\ntype = "live"\n'
SINK = '[sinks.s]\ntype = "print"\ninputs = ["a"]\n'


def step(name: str, *inputs: str, **options: object) -> str:
    """A transform as text."""
    lines = [f"[transforms.{name}]", 'type = "step"', f"inputs = {list(inputs)}"]
    return "\n".join([*lines, *(f"{key} = {value!r}" for key, value in options.items())]) + "\n"


def sink(name: str, *inputs: str, **options: object) -> str:
    """A sink as text."""
    lines = [f"[sinks.{name}]", 'type = "print"', *([f"inputs = {list(inputs)}"] if inputs else [])]
    return "\n".join([*lines, *(f"{key} = {value!r}" for key, value in options.items())]) + "\n"


def test_a_plan_holds_everything_in_an_order_in_which_it_can_be_run() -> None:
    """Transforms stand after what feeds them, consumers in the order of the file."""
    made = plan(
        SOURCE
        + step("late", "early.x", "a")
        + step("early", "a", outputs=["x", "y"])
        + sink("s", "late", "early")
        + sink("t", "a")
    )
    assert list(made.transforms) == ["early", "late"]
    assert made.transforms["early"].outputs == ("x", "y")
    assert made.consumers == {"early.x": ("late",), "a": ("late", "early", "t"), "late": ("s",), "early": ("s",)}
    assert made.sinks["s"].inputs == ("late", "early")
    assert made.warnings == ()


@pytest.mark.parametrize(
    ("glob", "meant"),
    [
        ("*", ("a", "b1", "split", "other")),
        ("split.*", ("split.x", "split.y")),
        ("*.x", ("split.x",)),
        ("b?", ("b1",)),
        ("[ab]*", ("a", "b1")),
    ],
)
def test_globs_mean_outputs_and_never_reach_over_a_dot(glob: str, meant: tuple[str, ...]) -> None:
    """A star is every default output, ``id.*`` every named one of ``id``."""
    second = SOURCE.replace("sources.a", "sources.b1")
    made = plan(SOURCE + second + step("split", "a", outputs=["x", "y"]) + step("other", "a") + sink("s", glob))
    assert made.sinks["s"].inputs == meant


def test_a_glob_never_means_the_component_it_stands_in() -> None:
    """So that one star can tap everything."""
    assert plan(SOURCE + step("t", "*") + sink("s", "t")).transforms["t"].inputs == ("a",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SINK, "there is no source; a pipeline needs at least one [sources.ID]"),
        (SOURCE, "there is no sink; a pipeline needs at least one [sinks.ID]"),
        (SOURCE + sink("s"), 'sinks.s.inputs: is required: which components feed it; such as ["a"]'),
        (SOURCE + SINK.replace('["a"]', "[]"), 'sinks.s.inputs: is empty: nothing would ever come; such as ["a"]'),
        (SOURCE + SINK.replace('["a"]', '"a"'), 'sinks.s.inputs: "a" is not a list of strings; write ["a"]'),
        (SOURCE + SINK.replace('["a"]', "[1]"), 'sinks.s.inputs: [1] is not a list of strings, such as ["http"]'),
        (SOURCE + sink("s", "aa"), 'sinks.s.inputs.0: no component "aa"; did you mean "a"?'),
        (SOURCE + sink("s", "zzz"), 'sinks.s.inputs.0: no component "zzz"; there are: a'),
        (SOURCE + sink("s", "a", "q*"), 'sinks.s.inputs.1: "q*" matches no output; there are: a'),
        (SOURCE + sink("s", "a", "s"), 'sinks.s.inputs.1: "s" is this component itself'),
        (SOURCE + SINK + sink("t", "s"), 'sinks.t.inputs.0: "s" is a sink, and sinks give nothing out'),
        (SOURCE + sink("s", "a.x"), 'sinks.s.inputs.0: "a" has no named outputs, so no "x"; write "a"'),
        (
            SOURCE + step("t", "a", outputs=["errors"]) + sink("s", "t.erors"),
            'sinks.s.inputs.0: "t" has no output "erors"; did you mean "errors"? (it has: t, t.errors)',
        ),
        (SOURCE + step("t", "t") + sink("s", "t", "a"), 'transforms.t.inputs.0: "t" is this component itself'),
        (
            SOURCE + step("t", "v", "a") + step("u", "t") + step("v", "u") + sink("s", "v"),
            "transforms.t.inputs: events would go round for ever: t → u → v → t",
        ),
        (
            SOURCE + 'inputs = ["s"]\n' + SINK,
            "sources.a.inputs: a source has no inputs; the components that read it name it in theirs",
        ),
        (SOURCE + SINK + "raw = 1.5\n", "sinks.s.raw: 1.5 is not true or false"),
        (SOURCE + SINK + "[process]\nusr = 1", 'process.usr: unknown option; did you mean "user"?'),
        (
            SOURCE + SINK + '[telemetry]\nlog_format = "txt"',
            'telemetry.log_format: "txt" is not one of "text", "json"; did you mean "text"?',
        ),
        (
            SOURCE + SINK + '[telemetry]\nmetrics_address = "9598"',
            'telemetry.metrics_address: "9598" is not host:port, such as "127.0.0.1:9598"',
        ),
        (SOURCE + '[sinks.s]\ninputs = ["a"]', "sinks.s.type: is required; known: declared, file, print"),
        (SOURCE + '[sinks.s]\ntype = 1\ninputs = ["a"]', "sinks.s.type: 1 is not a string; known: declared, file, print"),
        (
            SOURCE + '[sinks.s]\ntype = "prnt"\ninputs = ["a"]',
            'sinks.s.type: "prnt" is not a known sink; did you mean "print"? (known: declared, file, print)',
        ),
        (
            SOURCE + SINK + 'dead_letter = "s"',
            'sinks.s.dead_letter: "s" is this sink itself: what it rejects, it would get again',
        ),
        (SOURCE + SINK + 'dead_letter = "a"', 'sinks.s.dead_letter: "a" is not a sink'),
        (SOURCE + SINK + 'dead_letter = "tt"\n' + sink("t", "a"), 'sinks.s.dead_letter: no sink "tt"; did you mean "t"?'),
        (
            SOURCE + SINK + 'buffer = {block_timeout_secs = 1, when_full = "drop_oldest"}',
            (
                'sinks.s.buffer.block_timeout_secs: 1.0 has no effect without when_full = "block"; '
                "set that, or leave block_timeout_secs out"
            ),
        ),
        (
            SOURCE + SINK + 'buffer.path = "/x"',
            'sinks.s.buffer.path: "/x" has no effect without type = "disk"; set that, or leave path out',
        ),
        (
            SOURCE + SINK + "retry.initial_backoff_secs = 60",
            "sinks.s.retry.initial_backoff_secs: 60 is more than retry.max_backoff_secs, which is 30",
        ),
        (
            SOURCE + "max_connections = 5\n" + SINK,
            'sources.a.max_connections: the source "file" gives whole events, so nothing is decoded: no such option',
        ),
        (LIVE + sink("s", "l") + 'batch.max_events = "many"', 'sinks.s.batch.max_events: "many" is not a whole number'),
        (SOURCE + step("t", "a", table="/no") + sink("s", "t"), "transforms.t: /no: No such file or directory"),
    ],
)
def test_each_mistake_is_told_with_its_place_and_what_would_be_right(text: str, said: str) -> None:
    """One mistake, one problem."""
    assert complaints(text) == [said]


def test_dead_letters_that_go_round_are_told_at_every_sink_of_the_circle() -> None:
    """A dead letter downstream of the sink that stalled would wait for itself."""
    found = complaints(SOURCE + sink("s", "a", dead_letter="t") + sink("t", dead_letter="u") + sink("u", dead_letter="s"))
    assert found == [
        "sinks.s.dead_letter: dead letters would go round for ever: s → t → u → s",
        "sinks.t.dead_letter: dead letters would go round for ever: t → u → s → t",
        "sinks.u.dead_letter: dead letters would go round for ever: u → s → t → u",
    ]


@pytest.mark.parametrize(
    ("first", "second", "common"),
    [
        ("/d/errors", "/d/{{host}}", "/d/errors"),
        ("/d/{{host}}.jsonl", "/d/{{host}}.jsonl", "/d/z.jsonl"),
        ("/d/{{host}}.jsonl", "/d//./e-{{method}}.jsonl", "/d/e-z.jsonl"),
        ("/d/{{host}}", "/d/log.%F", "/d/log.9999-99-99"),
        ("/d/h-{{host}}-%H", "/d/h-%Y-%d", "/d/h-9999-99"),
        ("/d/{{host}}/log", "/d/a/{{method}}", "/d/a/log"),
        ("/d/x", "/d/x", "/d/x"),
        ("/d/{{host}}", "/d/.hidden", None),
        ("/d/{{host}}.jsonl", "/d/{{host}}.json", None),
        ("/d/a-{{host}}", "/d/b-{{host}}", None),
        ("/d/{{host}}", "/d/a/{{host}}", None),
        ("/d/h-{{host}}-%F", "/d/h-%Y", None),
    ],
)
def test_files_of_two_sinks_that_strangers_could_make_one_are_refused(first: str, second: str, common: str | None) -> None:
    """The message has a name that both could give; sinks whose names can never meet are left alone."""
    text = SOURCE + "".join(
        f'[sinks.{name}]\ntype = "file"\ninputs = ["a"]\npath = "{path}"\n' for name, path in (("s", first), ("t", second))
    )
    if common is None:
        assert plan(text).sinks.keys() == {"s", "t"}
        return
    assert complaints(text) == [
        f'sinks.t.path: "{common}" may be a file of [sinks.s] as well: give each a folder or a name of its own'
    ]


def test_a_file_that_is_called_like_a_rotated_one_of_another_sink_is_refused() -> None:
    """What strangers choose is never called so; what the pipeline file says may be."""
    rotating = '[sinks.s]\ntype = "file"\ninputs = ["a"]\npath = "/d/x"\nrotate.keep = 1\nrotate.max_bytes = 4096\n'
    other = '[sinks.t]\ntype = "file"\ninputs = ["a"]\npath = "/d/x.{}"\n'
    assert "may be a file of [sinks.s]" in complaints(SOURCE + rotating + other.format("20260101T000000Z.gz"))[0]
    assert plan(SOURCE + rotating + other.format("{{host}}")).sinks.keys() == {"s", "t"}


def test_sinks_recordings_and_queues_do_not_meet_either() -> None:
    """Whatever httpipe writes by itself is a file of its own."""
    file_sink = '[sinks.s]\ntype = "file"\ninputs = ["a"]\npath = "{}"\n'
    recorded = '[sources.a]\ntype = "live"\nrecord.path = "/d/x.rec"\n'
    assert "may be a file of [sources.a]" in complaints(recorded + file_sink.format("/d/{{host}}"))[0]
    own = file_sink.format("/var/lib/httpipe/s/queue.{{host}}") + 'buffer.type = "disk"\n'
    assert "may be a file of [sinks.s]" in complaints(SOURCE + own)[0]
    other = sink("t", "a") + 'buffer = { type = "disk", path = "/d" }\n'
    assert "may be a file of [sinks.s]" in complaints(SOURCE + file_sink.format("/d/{{host}}") + other)[0]


def test_two_disk_queues_cannot_share_a_folder() -> None:
    """Each would take the other's events for its own."""
    disk = 'buffer = {type = "disk", path = "/q"}\n'
    assert complaints(SOURCE + SINK + disk + sink("t", "a") + disk) == [
        'sinks.t.buffer.path: "/q/queue." may be a file of [sinks.s] as well: give each a folder or a name of its own'
    ]


def test_a_wrong_component_causes_no_second_problem_elsewhere() -> None:
    """Nobody knows the outputs of a transform that could not name them, so nothing is said about who reads them."""
    text = SOURCE + step("t", "a", outputs=7) + sink("s", "t.x", "t.*")
    assert complaints(text) == ["transforms.t.outputs: 7 is not a list; write [ … ]"]


def test_outputs_that_a_wrong_component_has_named_are_known() -> None:
    """Its constructor failed later, and who reads them wrongly is told at once; an unknown option changes nothing about them."""
    for mistake in ("wants", "wnts"):
        text = SOURCE + step("t", "a", outputs=["x"], **{mistake: "nobody.adds"}) + sink("s", "t.x", "t.y")
        assert [each.partition(":")[0] for each in complaints(text)] == [f"transforms.t.{mistake}", "sinks.s.inputs.1"]


def test_problems_of_all_stages_come_together_in_the_order_of_the_file() -> None:
    """Syntax of tables, options, plugins, wiring: nothing hides anything else."""
    text = sink("s", "zzz") + "rwa = true\n" + '[sources.a]\ntype = "fil"\n[sinkz.x]\n'
    assert complaints(text) == [
        'sinks.s.inputs.0: no component "zzz"; there are: a',
        'sinks.s.rwa: unknown option; did you mean "raw"?',
        'sources.a.type: "fil" is not a known source; did you mean "file"? (known: file, live, recorded)',
        'sinkz: unknown table; did you mean "sinks"?',
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SOURCE + sink("s", "a"), "block"),
        (LIVE + sink("s", "l"), "drop_oldest"),
        (SOURCE + LIVE + sink("s", "a", "l"), "drop_oldest"),
        (SOURCE + LIVE + step("t", "l") + sink("s", "t") + sink("x", "a"), "drop_oldest"),
        (LIVE + sink("x", "l", dead_letter="s") + sink("s"), "drop_oldest"),
        (SOURCE + sink("x", "a", dead_letter="y") + sink("y", dead_letter="s") + sink("s"), "block"),
        (SOURCE + sink("s", "a") + 'buffer.when_full = "drop_newest"', "drop_newest"),
    ],
)
def test_what_gives_way_follows_the_sources_upstream(text: str, expected: str) -> None:
    """Files wait, the kernel does not; through transforms and dead letters."""
    assert plan(text).sinks["s"].when_full == expected


def test_heads_are_kept_where_a_sink_downstream_wants_them() -> None:
    """Through transforms and dead letters, and nowhere else."""
    made = plan(
        SOURCE
        + SOURCE.replace("sources.a", "sources.b")
        + LIVE
        + step("t", "a")
        + sink("s", "t", "b", dead_letter="raw")
        + sink("raw", raw=1)
        + sink("plain", "l")
    )
    assert {name: source.keep_heads for name, source in made.sources.items()} == {"a": True, "b": True, "l": False}


def test_decode_options_stand_in_the_table_of_a_source_of_records() -> None:
    """Beside its own; a source of events has none."""
    made = plan(SOURCE + LIVE + "max_connections = 7\n" + sink("s", "l", "a"))
    decode = made.sources["l"].decode
    assert decode is not None
    assert decode.max_connections == 7
    assert made.sources["a"].decode is None


def test_attributes_are_known_downstream_of_what_adds_them() -> None:
    """And nowhere else: not upstream, not in a branch beside."""
    chain = SOURCE + step("one", "a", adds=["geo"]) + step("two", "one", wants="geo", adds=["team"]) + sink("s", "two")
    made = plan(chain)
    assert set(made.transforms["two"].attributes) == {"geo"}
    assert set(made.sinks["s"].attributes) == {"geo", "team"}
    assert complaints(chain + step("beside", "a", wants="geo") + sink("t", "beside")) == [
        'transforms.beside.wants: unknown field "geo"'
    ]


def test_what_a_transform_that_cannot_be_made_would_add_is_no_second_problem() -> None:
    """Nor is what one adds that must not be imported yet."""
    chain = SOURCE + step("one", "a", adds=["geo"]) + step("two", "one", wants="geo") + sink("s", "two")
    assert [problem.partition(":")[0] for problem in complaints(chain + "bad = 1\n")] == ["sinks.s.bad"]
    broken = chain.replace("adds =", 'table = "gone"\nadds =')
    assert [problem.partition(":")[0] for problem in complaints(broken)] == ["transforms.one"]

    class Foreign(Fake):
        """Some transforms come from somebody else."""

        known: ClassVar[Mapping[tuple[Kind, str], Component]] = {**Fake.known, (Kind.TRANSFORM, "foreign"): Step}

        def find(self, kind: Kind, name: str) -> Plugin:
            """As before, of another distribution."""
            return Plugin(kind, name, "acme" if name == "foreign" else "httpipe", "1", "pipeline.x:y", None)

    document = parse(chain.replace('"step"', '"foreign"', 1).encode(), "p.toml", {})
    first = build(document, Foreign(), lambda _: b"", Mode.DEFERRED)
    assert first.complete is not None
    assert set(first.complete().transforms["two"].attributes) == {"geo"}


def test_what_will_surprise_is_a_warning() -> None:
    """Unread outputs, and a sink that makes a live capture wait."""
    made = plan(SOURCE + LIVE + step("t", "l") + sink("s", "l") + 'buffer.when_full = "block"')
    assert made.warnings == (
        "sources.a: nothing reads it; name it in the inputs of a transform or a sink",
        "transforms.t: nothing reads it; name it in the inputs of a transform or a sink",
        (
            'sinks.s.buffer.when_full: "block" behind the live source "l", which cannot wait: '
            "while this sink is slow, every sink behind it loses events"
        ),
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("batch = { max_events = 1000, timeout_secs = 0.5 }\nbuffer.max_events = 100", "batch.max_events to 50"),
        ("batch.timeout_secs = 0.5\nbuffer.max_events = 100", "batch.max_events to 50"),
        ("batch.max_events = 1000\nbuffer.max_events = 100", "batch.max_events to 100"),
        ("batch.max_bytes = 20000\nbuffer.max_bytes = 10000", "batch.max_bytes to 10000"),
        ("buffer.max_events = 100", None),
        ("batch.max_events = 100\nbuffer.max_events = 100", None),
    ],
)
def test_a_batch_that_its_queue_cannot_hold_is_a_warning(options: str, said: str | None) -> None:
    """It is never reached, which nobody would see; with a time to wait, half of the queue is the most."""
    warnings = plan(f"{SOURCE}{SINK}{options}\n").warnings
    assert [said is not None and said in line for line in warnings] == ([] if said is None else [True])


def test_a_sink_declares_what_holds_where_the_file_is_silent() -> None:
    """Batches and the time limit of a write; what the file says comes first, and all else is as ever."""
    declared = SOURCE + SINK.replace("print", "declared")
    silent = plan(declared).sinks["s"].options
    assert (silent.batch.max_events, silent.batch.timeout_secs, silent.write_timeout_secs) == (100, 2.0, 5.0)
    assert silent.batch.max_bytes == SinkOptions().batch.max_bytes
    said = plan(declared + "batch.max_events = 7\nwrite_timeout_secs = 9\nmax_in_flight = 2\n").sinks["s"].options
    assert (said.batch.max_events, said.batch.timeout_secs, said.write_timeout_secs, said.max_in_flight) == (7, 2.0, 9.0, 2)


def test_a_package_that_a_sink_needs_and_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is told before anything runs, with the extra that brings it."""
    monkeypatch.setattr(components, "find_spec", lambda _name: None)
    text = '[sources.a]\ntype = "pcap"\npath = "x"\n[sinks.b]\ntype = "loki"\ninputs = ["a"]\nurl = "http://x"\n'
    with pytest.raises(ConfigError) as caught:
        build(parse(text.encode(), "p.toml", {}), Registry(discover(), TrustNothing()), lambda _: b"")
    [problem] = map(str, caught.value.problems)
    assert problem == 'sinks.b.type: "loki" needs the package httpx; type: pip install "httpipe[loki]"'


def test_headers_that_no_source_reports_are_a_warning() -> None:
    """Of each group one is enough; what a transform sets or a file of events may have is there; what one reads is not."""

    def warned(sources: str, *inputs: str, before: str = "") -> tuple[str, ...]:
        reads = [["http.request.header.a", "http.request.header.b"], ["http.response.header.c"]]
        return plan(sources + before + step("t", *inputs, reads=reads) + sink("s", "t")).warnings

    a, c = 'request_headers = ["A"]\n', 'response_headers = ["c"]\n'
    one = 'transforms.t: reads one of these headers, none of which is reported; add request_headers = ["a", "b"] to [sources.l]'
    other = 'transforms.t: reads http.response.header.c, which is not reported; add response_headers = ["c"] to [sources.l]'
    assert warned(LIVE, "l") == (one, other)
    assert warned(LIVE + a, "l") == (other,)
    assert warned(LIVE + a + c, "l") == ()
    assert warned(LIVE + a + LIVE.replace(".l", ".m") + c, "l", "m") == ()
    assert warned(LIVE + a, "set", before=step("set", "l", adds_headers=["http.response.header.C"])) == ()
    reader = step("reader", "l", reads=[["http.response.header.c"]])
    assert warned(LIVE + a, "reader", before=reader) == (other.replace("transforms.t", "transforms.reader"), other)
    assert warned(SOURCE, "a") == ()
    assert warned(LIVE.replace('"live"', '"recorded"'), "l") == ()


def test_the_reload_key_tells_whether_a_table_changed() -> None:
    """Order and comments do not matter, values do."""
    first = plan(SOURCE + SINK)
    same = plan('[sources.a]\npath = "x" # so\ntype = "file"\n' + SINK)
    other = plan(SOURCE.replace('"x"', '"y"') + SINK)
    assert first.sources["a"].reload_key == same.sources["a"].reload_key != other.sources["a"].reload_key
    assert first.sinks["s"].reload_key == other.sinks["s"].reload_key


def test_before_privileges_are_given_up_only_built_in_sources_are_made() -> None:
    """The plugins of others are found and judged, and imported when the plan is completed."""

    class Foreign(Fake):
        """Sinks come from somebody else."""

        imported: ClassVar[list[str]] = []

        def find(self, kind: Kind, name: str) -> Plugin:
            """As before, of another distribution."""
            return Plugin(kind, name, "acme" if kind is Kind.SINK else "httpipe", "1", "pipeline.x:y", None)

        def load(self, kind: Kind, name: str) -> Loaded:
            """Remember it."""
            self.imported.append(name)
            return super().load(kind, name)

    document = parse((LIVE + step("t", "l") + sink("s", "t", raw=1)).encode(), "p.toml", {})
    first = build(document, Foreign(), lambda _: b"", Mode.DEFERRED)
    assert Foreign.imported == ["live", "step"]
    assert (list(first.sources), first.transforms, first.sinks) == (["l"], {}, {})
    assert first.sources["l"].keep_heads
    assert first.complete is not None
    whole = first.complete()
    assert "print" in Foreign.imported
    assert whole.complete is None
    assert list(whole.sinks) == ["s"]


@pytest.mark.parametrize("kind", [Kind.SOURCE, Kind.TRANSFORM, Kind.SINK])
def test_a_broken_plugin_is_a_problem_when_checking_and_a_stand_in_when_running(kind: Kind) -> None:
    """The rest of the pipeline runs, and a warning says what does not."""

    class Breaking(Fake):
        """One kind comes from somebody else and cannot be imported."""

        def find(self, wanted: Kind, name: str) -> Plugin:
            """As before, of another distribution."""
            return Plugin(wanted, name, "acme" if wanted is kind else "httpipe", "1", "pipeline.x:y", None)

        def load(self, wanted: Kind, name: str) -> Loaded:
            """Fails for that kind."""
            if wanted is kind:
                raise BrokenPluginError(f'"{name}" of acme 1 cannot be imported: ImportError: x')
            return Loaded(self.find(wanted, name), self.known[wanted, name])

    text = SOURCE + step("t", "a", outputs=["x"]) + sink("s", "t.x") + sink("u", "a")
    document = parse(text.encode(), "p.toml", {})
    with pytest.raises(ConfigError, match="cannot be imported"):
        build(document, Breaking(), lambda _: b"")
    plan = build(document, Breaking(), lambda _: b"", Mode.TOLERANT)
    assert [line for line in plan.warnings if line.endswith("it does nothing, the rest of the pipeline runs")]
    assert set(plan.sinks) == {"s", "u"}
    assert (plan.sinks["s"].component is Print) == (kind is not Kind.SINK)
    assert (plan.transforms["t"].component is Step) == (kind is not Kind.TRANSFORM)
    assert (plan.sources["a"].component is File) == (kind is not Kind.SOURCE)
