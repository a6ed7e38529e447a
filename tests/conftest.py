"""What every kind of test shares: fixtures, time-outs, the seed of their order. CI skips nothing."""

import os
from collections.abc import Generator
from functools import cache
from pathlib import Path

import hypothesis
import pytest
from hypothesis import settings

settings.register_profile("httpipe", deadline=None)
settings.load_profile("httpipe")
"""A busy machine makes no test of a property fail."""

NEVER_SKIPPED_IN_CI = ("live", "tls", "kernels", "kafka", "sinks", "corpus", "postgres", "ui")

LONGER_SECS = {
    "kernels": 900,
    "kafka": 240,
    "sinks": 240,
    "crash": 240,
    "distribution": 300,
    "plugins": 300,
    "live": 240,
    "gate": 300,
    "tls": 240,
    "isolation": 120,
    "ui": 120,
    "replay": 240,
}
"""Time-outs of the tests in folders that boot machines, start brokers, build wheels, move gigabytes or read a whole corpus."""

# A slow example says something about the machine, which may have other things to do.
hypothesis.settings.register_profile("httpipe", deadline=None)
hypothesis.settings.load_profile("httpipe")


@cache
def _folder(path: Path) -> str:
    """Of ``tests``; empty for what lies elsewhere."""
    here = Path(__file__).parent
    return path.relative_to(here).parts[0] if here in path.parents else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Nothing may hang: a test that is stuck fails by itself, with a stack of every thread."""
    for item in items:
        secs = LONGER_SECS.get(_folder(item.path))
        if secs is not None and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(secs), append=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """How to have this order again; pytest-randomly tells it at the beginning, which ``-q`` leaves out."""
    seed = config.getoption("randomly_seed", None)
    if isinstance(seed, int) and config.getoption("randomly_reorganize"):
        terminalreporter.write_line(f"in random order; the same again: pytest --randomly-seed={seed}")


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
