"""Fixtures that every kind of test shares; CI skips nothing; tests of real servers and kernels have a second try."""

import os
from collections.abc import Generator

import pytest

NEVER_SKIPPED_IN_CI = ("live", "kafka", "corpus", "postgres")
SECOND_TRY = ("live", "kafka", "postgres", "wheel", "slow")
"""Tests that share a small machine with real brokers, servers and compilers. The summary lists what needed the second try."""


@pytest.fixture
def anyio_backend() -> str:
    """httpipe runs on asyncio only (aiokafka does); so do its tests."""
    return "asyncio"


@pytest.hookimpl(trylast=True)  # after those that mark whole folders
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test of the real thing fails when it fails twice."""
    for item in items:
        if any(item.get_closest_marker(name) for name in SECOND_TRY):
            item.add_marker(pytest.mark.flaky(reruns=1, reruns_delay=2))


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
