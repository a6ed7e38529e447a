"""Fixtures that every kind of test shares; CI skips nothing."""

import os
from collections.abc import Generator

import pytest

NEVER_SKIPPED_IN_CI = ("live", "kernels", "kafka", "corpus", "postgres")


@pytest.fixture
def anyio_backend() -> str:
    """httpipe runs on asyncio only (aiokafka does); so do its tests."""
    return "asyncio"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true, a test of the real thing that is skipped has failed: its reason says what the machine lacks."""
    report = yield
    in_ci = os.environ.get("CI") == "true"
    if in_ci and report.skipped and any(item.get_closest_marker(name) for name in NEVER_SKIPPED_IN_CI):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {reason}"
    return report
