"""httpipe on the kernels that its users have: each is booted, and the tests of ``inside/`` run there.

A test here is one test of ``inside/test_inside.py`` on one kernel, and fails with what the guest said.
"""

import ast
import re
from pathlib import Path

import pytest
from kernel_machine import Reports
from kernel_root import ROOT
from kernel_suites import HAS_HEADERS, NEWEST, SUITES

INSIDE = Path(__file__).parent / "inside" / "test_inside.py"
TESTS = [
    node.name
    for node in ast.parse(INSIDE.read_text(encoding="utf-8")).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
]
CASES = [(suite, name) for suite in SUITES for name in TESTS if name != "test_bcc" or suite == HAS_HEADERS]


@pytest.mark.parametrize(("suite", "name"), CASES)
def test_kernel(reports: Reports, suite: str, name: str) -> None:
    """The guest ran it, and it passed there."""
    report = reports(suite)
    evidence = "\n".join((report.release, report.console, report.notes.get("kernel.log", "")[-2000:]))
    assert name in report.cases, f"{name} did not run ({report.skipped.get(name, 'not reached')}) on {evidence}"
    assert not any(report.cases[name].values()), f"on Linux {report.release}:\n" + "\n".join(report.cases[name].values())


@pytest.mark.parametrize(("suite", "name"), [(suite, TESTS[0]) for suite in SUITES if suite != NEWEST])
def test_the_documentation_names_it(reports: Reports, suite: str, name: str) -> None:
    """README.md and docs/capture.md list the kernels that ran; the newest moves by itself."""
    report = reports(suite)
    assert name in report.cases, report.console
    version = ".".join(report.release.split(".")[:2])
    for page in ("README.md", "docs/capture.md"):
        assert re.search(rf"\b{re.escape(version)}\b", (ROOT / page).read_text(encoding="utf-8")), (
            f"{page} does not name {version}"
        )
