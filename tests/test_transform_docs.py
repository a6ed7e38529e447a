"""The pages on transforms and the language are true: generated ones are fresh, every example passes its own tests."""

import re
from pathlib import Path

import pytest

from pipeline.cli.test import run_file
from pipeline.expressions.value import compile_value
from pipeline.model.events.exchange import BY_ALIAS
from tools.transform_docs import ROOT, pages, transforms

EXAMPLES = sorted((*ROOT.glob("examples/transforms/*.toml"), *ROOT.glob("examples/cookbook/*.toml")))
LANGUAGE = (ROOT / "docs/expressions.md").read_text()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_example_passes_its_own_tests(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `httpipe test` runs them; each has at least one."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("REDACT_KEY", "a key for tests only")
    outcomes = run_file(str(path))
    assert outcomes
    assert [outcome for outcome in outcomes if outcome.failures] == []


def test_generated_pages_are_fresh() -> None:
    """`python -m tools.transform_docs` after a change to a model, its docstrings or an example."""
    assert [path.name for path, text in pages().items() if not path.exists() or path.read_text() != text] == []


def test_every_transform_has_an_example_and_every_task_a_place() -> None:
    """Nothing is left out, nothing left over."""
    assert {path.stem for path in EXAMPLES if path.parent.name == "transforms"} == {name for name, _ in transforms()}
    numbers = [int(path.name[:2]) for path in EXAMPLES if path.parent.name == "cookbook"]
    assert len(numbers) == len(set(numbers)) >= 11


@pytest.mark.parametrize(
    "text", [line for block in re.findall(r"```expression\n(.*?)```", LANGUAGE, re.DOTALL) for line in block.splitlines()]
)
def test_every_expression_of_the_page_compiles(text: str) -> None:
    """Conditions and values."""
    assert compile_value(text)


def test_the_page_names_every_short_form() -> None:
    """And no other."""
    (listed,) = re.findall(r"for the commonest: (.*?)\.\n", LANGUAGE, re.DOTALL)
    assert set(re.findall(r"`(\w+)`", listed)) == set(BY_ALIAS)
