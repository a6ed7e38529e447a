"""The licence of the kernel's part is another than that of the rest, and says so wherever somebody may look."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BPF = ROOT / "pipeline/bpf"
EITHER = "BSD-2-Clause OR GPL-2.0-only"


@pytest.mark.parametrize("source", sorted(str(path.relative_to(BPF)) for path in BPF.rglob("*.[ch]")))
def test_every_c_source_names_its_licence(source: str) -> None:
    """In its first line, where tools look for it."""
    assert f"SPDX-License-Identifier: ({EITHER})" in (BPF / source).read_text().partition("\n")[0]


def test_the_package_and_the_folder_name_it_too() -> None:
    """What the kernel is told is the same."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == f"Apache-2.0 AND ({EITHER})"
    assert EITHER in (BPF / "LICENSE").read_text()
    assert all((ROOT / file).is_file() for file in project["license-files"])
    assert '"Dual BSD/GPL"' in (BPF / "loader.h").read_text()
