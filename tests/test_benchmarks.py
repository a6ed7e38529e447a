"""The benchmarks are programs of ours like any other: a rename must not break them unseen until somebody measures."""

from importlib import import_module
from pathlib import Path

import pytest

NAMES = sorted(path.stem for path in (Path(__file__).resolve().parents[1] / "benchmarks").glob("[a-z]*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_can_be_imported(name: str) -> None:
    """With everything that it names; running it is for `make bench`."""
    assert import_module(f"benchmarks.{name}")
