"""Whatever stands in a pipeline file: a plan, or problems with their places; never another error."""

from contextlib import suppress
from string import ascii_lowercase

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config.document import parse
from pipeline.config.elsewhere import names
from pipeline.config.options import DecodeOptions, SinkOptions
from pipeline.errors import ConfigError
from pipeline.plugins.discovery import Kind, discover
from pipeline.plugins.registry import Registry, TrustNothing
from pipeline.topology.build import build

REGISTRY = Registry(discover(), TrustNothing())

TYPES = sorted({plugin.name for plugin in REGISTRY.found.plugins if plugin.builtin})

OPTIONS = ["type", "inputs", "where", "path", "key", "value", "format", "topic", *names(SinkOptions), *names(DecodeOptions)]

IDS = st.sampled_from(["a", "b", "c", "d", "a.x", "*", "b.*", "A-1", ""])

SCALARS = (
    st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=True)
    | st.booleans()
    | st.text(max_size=8)
    | st.sampled_from([*TYPES, "status > 1", "${A}", "${B:-x}", "${", "{{x}}", "[", "(" * 50, "\x1b[2J", "%Y"])
)

VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(ascii_lowercase, max_size=4), inner, max_size=3)
)

TABLE = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(TYPES) | SCALARS,
        "inputs": st.lists(IDS, max_size=3) | VALUES,
        "dead_letter": IDS,
        "buffer": st.dictionaries(st.sampled_from(["type", "when_full", "path", "max_events"]), SCALARS, max_size=3) | VALUES,
    },
).flatmap(lambda table: st.dictionaries(st.sampled_from(OPTIONS), VALUES, max_size=3).map(lambda more: {**more, **table}))

TREES = st.dictionaries(
    st.sampled_from(["sources", "transforms", "sinks", "process", "telemetry", "tests", "sink"]),
    st.dictionaries(IDS, TABLE | VALUES, max_size=4) | VALUES,
    max_size=5,
)


def nothing_there(path: str) -> bytes:
    """There are no files."""
    raise FileNotFoundError(2, "No such file or directory", path)


def problems_of(text: str) -> list[str]:
    """What is wrong with a file; nothing where it has a plan. Any other error fails the test."""
    try:
        build(parse(text.encode(), "p.toml", {"A": "1"}), REGISTRY, nothing_there)
    except ConfigError as error:
        return [problem.message for problem in error.problems] or ["an error without a problem"]
    return []


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(TREES)
def test_any_tree_gives_a_plan_or_problems(tree: dict[str, object]) -> None:
    """Each problem has words, and the same file gives the same problems again."""
    text = tomlkit.dumps(tree)
    found = problems_of(text)
    assert all(found)
    assert "an error without a problem" not in found
    assert found == problems_of(text)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_document_or_problems(data: bytes) -> None:
    """Not even TOML."""
    with suppress(ConfigError):
        parse(data, "p.toml", {})


def test_every_built_in_is_tried() -> None:
    """The strategy above knows their names from their metadata."""
    assert {"bpf", "pcap", "filter", "stdout"} <= set(TYPES)
    assert all(REGISTRY.plugins(kind) for kind in Kind)
