"""What a wrong option is told in, for every kind of wrongness that models can find."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, field_validator, model_validator

from pipeline.api import Config
from pipeline.codecs.options import EncodingOptions
from pipeline.config.models import check
from pipeline.config.reference import option_rows
from pipeline.config.words import shown, unknown
from pipeline.sinks.otlp.sink import OtlpSinkConfig


class Inner(Config):
    """A table in a table."""

    max_bytes: Annotated[int, Field(ge=1, le=10)] = 5
    kinds: tuple[Literal["a", "b"], ...] = ()


class Model(Config):
    """One option of each kind."""

    acks: Literal[0, 1, "all"] = "all"
    answer: Literal["403", "reset"] = "403"
    port: Annotated[int, Field(gt=0, lt=65536)] = 80
    ratio: float = 1.0
    enabled: bool = True
    names: tuple[str, ...] = ()
    path: Path | None = None
    inner: Inner = Inner()
    several: Mapping[str, Inner] = Field(default_factory=dict)
    name: Annotated[str, Field(pattern="^[a-z]+$", min_length=2, max_length=4)] = "abc"
    size: int | Literal["auto"] = 1
    api_token: int = 0
    even: int = 0

    @field_validator("even")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("must be even")
        return value

    @model_validator(mode="after")
    def _not_both(self) -> "Model":
        if not self.enabled and self.path:
            raise ValueError("path means nothing without enabled")
        return self


def said(table: Mapping[str, object]) -> list[str]:
    """The problems of a table, as they are printed."""
    made, problems = check(Model, table, "sinks.bus")
    assert (made is None) == bool(problems)
    return [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"acks": "al"}, 'acks: "al" is not one of 0, 1, "all"; did you mean "all"?'),
        ({"answer": 403}, 'answer: 403 is not one of "403", "reset"'),
        ({"port": 0}, "port: 0 is not more than 0"),
        ({"port": 70_000}, "port: 70000 is not less than 65536"),
        ({"port": "x"}, 'port: "x" is not a whole number'),
        ({"port": 1.5}, "port: 1.5 is not a whole number"),
        ({"ratio": "much"}, 'ratio: "much" is not a number'),
        ({"enabled": "perhaps"}, 'enabled: "perhaps" is not true or false'),
        ({"enabled": [1]}, "enabled: [1] is not true or false"),
        ({"names": "a"}, 'names: "a" is not a list; write [ … ]'),
        ({"names": ["a", 2]}, "names.1: 2 is not a string"),
        ({"path": 3}, "path: 3 is not a path"),
        ({"inner": 3}, "inner: 3 is not a table"),
        ({"inner": {"max_bytes": 11}}, "inner.max_bytes: 11 is not at most 10"),
        ({"inner": {"max_byte": 1}}, 'inner.max_byte: unknown option; did you mean "max_bytes"?'),
        ({"inner": {"kinds": ["c"]}}, 'inner.kinds.0: "c" is not one of "a", "b"'),
        ({"several": {"x": {"max_bytes": "y"}}}, 'several.x.max_bytes: "y" is not a whole number'),
        ({"name": "A1"}, 'name: "A1" does not match ^[a-z]+$'),
        ({"name": "a"}, 'name: "a" has fewer than 2 characters'),
        ({"name": "abcde"}, 'name: "abcde" has more than 4 characters'),
        ({"size": "aut"}, 'size: "aut" is not a whole number or "auto"; did you mean "auto"?'),
        ({"even": 3}, "even: 3: must be even"),
        ({"prot": 1}, 'prot: unknown option; did you mean "port"?'),
        ({"api_token": "hunter2"}, "api_token: the value is not a whole number"),
        ({"even": "http://me:hunter2@a/?key=hunter2"}, 'even: "http://…@a/?…" is not a whole number'),
    ],
)
def test_each_kind_of_wrong_value_has_a_sentence_of_ours(table: dict[str, object], message: str) -> None:
    """Path, value, what would be right; never pydantic's own words, never a secret."""
    assert said(table) == [f"sinks.bus.{message}"]


def test_options_that_contradict_each_other_are_told_without_the_whole_table() -> None:
    """A rule of the model over several options stands at the table."""
    assert said({"enabled": False, "path": "/x"}) == ["sinks.bus: path means nothing without enabled"]


def test_an_unknown_option_like_none_lists_all() -> None:
    """Where no name is near, all are named."""
    assert said({"zzz": 1})[0].startswith("sinks.bus.zzz: unknown option; known: acks, answer, api_token, enabled, even")


def test_every_problem_of_a_table_is_told() -> None:
    """Not just the first."""
    assert len(said({"acks": 2, "port": "x", "inner": {"a": 1, "max_bytes": 0}, "zzz": 1})) == 5


def test_a_flag_is_no_number() -> None:
    """Wherever it stands; TOML has numbers of its own."""
    table = {"port": True, "inner": {"max_bytes": True}, "several": {"x": {"max_bytes": True}}, "enabled": True}
    made, problems = check(Model, table, "out")
    assert made is None
    assert [problem.path for problem in problems] == ["out.port", "out.inner.max_bytes", "out.several.x.max_bytes"]


def test_strings_from_variables_become_numbers() -> None:
    """``port = "${PORT}"`` is a string in TOML."""
    made, _ = check(Model, {"port": "8080", "enabled": "true", "ratio": "0.5"}, "x")
    assert made is not None
    assert (made.port, made.enabled, made.ratio) == (8080, True, 0.5)


def test_long_values_are_shown_in_part() -> None:
    """A value never floods the terminal."""
    assert len(shown("x" * 10_000)) < 100


def test_credentials_of_a_url_are_not_shown() -> None:
    """Wherever it stands in a value; an at sign behind the host is none."""
    assert shown(["http://me:word@a/x", "https://b/y@z"]) == '["http://…@a/x", "https://b/y@z"]'


def test_an_unknown_word_names_the_nearest_and_all() -> None:
    """Upper and lower case do not matter."""
    assert (
        unknown("STDUOT", "sink", ["file", "stdout"])
        == '"STDUOT" is not a known sink; did you mean "stdout"? (known: file, stdout)'
    )
    assert unknown("x", "sink", []) == '"x" is not a known sink; there are none'


def test_the_reference_names_what_is_required_first_and_what_is_shared_last() -> None:
    """Whatever order models inherit their fields in."""
    names = [row.name for row in option_rows(OtlpSinkConfig)]
    assert names[:2] == ["endpoint", "protocol"]
    assert names[-1] == "timeout_secs"
    assert [row.name for row in option_rows(EncodingOptions)] == ["codec", "only_fields", "except_fields"]
