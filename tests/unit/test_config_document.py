"""What becomes of a pipeline file before any component is looked at."""

import pytest

from pipeline.config.document import Document, parse
from pipeline.config.interpolate import interpolate
from pipeline.errors import ConfigError, Problem


def document(text: str, **environment: str) -> Document:
    """Parse a text in an environment."""
    return parse(text.encode(), "p.toml", environment)


def complaint(data: bytes) -> str:
    """What is said about a file that cannot be parsed."""
    with pytest.raises(ConfigError) as caught:
        parse(data, "p.toml", {})
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "p.toml: the file is empty; a pipeline needs at least one [sources.ID] and one [sinks.ID]"),
        (b"# nothing\n", "p.toml: the file is empty; a pipeline needs at least one [sources.ID] and one [sinks.ID]"),
        (b"a = 1\nb = '\xff'", "p.toml: line 2: byte 0xff is not UTF-8, which TOML files are written in"),
        (
            b"[sources.a\ntype = 1",
            "p.toml: line 1, column 11: not valid TOML: expected ']' at the end of a table declaration: \"[sources.a\"",
        ),
        (b"[sinks.a]\nb = 1\n[sinks.a]", 'p.toml: line 3, column 9: not valid TOML: cannot declare [sinks.a] twice: "[sinks.a]"'),
        (b"a = ", "p.toml: end of file: not valid TOML: invalid value"),
        (b"a = " + b"[" * 100_000, "p.toml: values are nested too deeply"),
    ],
)
def test_a_file_that_is_no_toml_is_told_in_one_line_with_its_place(data: bytes, said: str) -> None:
    """Syntax and encoding errors name the place and show the line."""
    assert complaint(data) == said


def test_a_byte_order_mark_is_no_error() -> None:
    """Editors of other systems write one."""
    assert parse(b"\xef\xbb\xbf[sources.a]\n", "p.toml", {}).entries[0].id == "a"


def test_misspelt_and_misshapen_tables_are_all_told_at_once() -> None:
    """Unknown tables, tables that are values, lists in place of tables, bad ids and repeated ids."""
    found = document(
        """
        sinks = 3
        [source.http]
        [[transforms.x]]
        [sources]
        a = 1
        [sources.Big]
        [sources.same]
        [[tests]]
        name = "kept"
        [telemtry]
        """
    )
    assert [str(problem) for problem in found.problems] == [
        'source: unknown table; did you mean "sources"?',
        'telemtry: unknown table; did you mean "telemetry"?',
        "sinks: 3 is not a table; write [sinks.ID] and its options",
        "transforms.x: [{}] is not a table; write [transforms.ID], with a name of your choice for ID",
        "sources.a: 1 is not a table; write [sources.ID], with a name of your choice for ID",
        'sources.Big: "Big" is not an id; ids are of lower-case letters, digits and "_"',
    ]
    assert [entry.id for entry in found.entries] == ["same"]
    assert found.tests == ({"name": "kept"},)


def test_an_id_may_be_given_once_in_the_whole_file() -> None:
    """Inputs name ids alone, so a sink cannot have the id of a source."""
    found = document("[sources.a]\n[sinks.a]\n[sinks.b]")
    assert [str(each) for each in found.problems] == ['sinks.a: id "a" is taken by [sources.a]; every component needs its own']


def test_problems_come_in_the_order_of_the_file() -> None:
    """Whoever found them first."""
    found = document("[sinks.z]\nx = 1\ny = 1\n[sources.a]\nq = 1")
    mixed = [Problem(path, "wrong") for path in ("sources.a.q", "sinks.z.y.deep", "", "sinks.z.x", "sinks.z")]
    assert [each.path for each in found.in_order(mixed)] == ["", "sinks.z", "sinks.z.x", "sinks.z.y.deep", "sources.a.q"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${HOST}:${PORT}", "example:8080"),
        ("${EMPTY}", ""),
        ("${EMPTY:-default}", "default"),
        ("${UNSET:-}", ""),
        ("${UNSET:-a b/c}", "a b/c"),
        ("${HOST:?needed}", "example"),
        ("$${HOST} costs $5", "${HOST} costs $5"),
        ("$HOST", "$HOST"),
        ("${NESTED}", "${HOST}"),
    ],
)
def test_variables_are_filled_in(text: str, value: str) -> None:
    """Each form does what a shell does; what a variable holds is never looked into again."""
    environment = {"HOST": "example", "PORT": "8080", "EMPTY": "", "NESTED": "${HOST}"}
    assert interpolate({"a": [text]}, environment) == ({"a": [value]}, [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${HOTS}", 'environment variable HOTS is not set; did you mean "HOST"?'),
        ("${ZZZ:?say where Kafka is}", "environment variable ZZZ is not set: say where Kafka is"),
        ("${EMPTY:?say where}", "environment variable EMPTY is empty: say where"),
        ("${1}", '"${1}" is not a variable; write ${NAME}, ${NAME:-default} or ${NAME:?message}, and $${ for a literal ${'),
    ],
)
def test_a_variable_that_cannot_be_filled_in_is_a_problem_at_its_place(text: str, said: str) -> None:
    """The path says which value it stood in."""
    _, problems = interpolate({"sinks": {"bus": {"hosts": ["ok", text]}}}, {"HOST": "x", "EMPTY": ""})
    assert [str(each) for each in problems] == [f"sinks.bus.hosts.1: {said}"]


def test_keys_and_structure_never_change() -> None:
    """A variable in a key is just text, and one that looks like TOML adds nothing."""
    tree, problems = interpolate({"${HOST}": "${HOST}"}, {"HOST": 'x"\n[sinks.evil]\ntype = "file'})
    assert tree == {"${HOST}": 'x"\n[sinks.evil]\ntype = "file'}
    assert not problems
