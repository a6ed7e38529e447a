"""The tests themselves: any folders of them run together, in any order."""

import re
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
GUESTS = HERE / "kernels" / "inside"
"""Collected by themselves, in machines of their own."""

MODULES = [path for path in HERE.rglob("*.py") if GUESTS not in path.parents and path.name != "conftest.py"]


def test_nothing_is_imported_from_a_conftest() -> None:
    """There are several, and which one Python finds depends on what runs beside it."""
    wrong = [path.name for path in MODULES if re.search(r"^\s*(from|import) conftest\b", path.read_text(), re.MULTILINE)]
    assert not wrong


def test_names_of_modules_are_unique() -> None:
    """The folders are no packages: of two modules with one name only one can be imported."""
    assert not [name for name, count in Counter(path.stem for path in MODULES).items() if count > 1]
