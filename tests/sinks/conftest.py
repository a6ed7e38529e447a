"""Sinks against real servers; those that take minutes to fetch or build are for ``make test-sinks``."""

import os
from pathlib import Path

import pytest

ALL = bool(os.environ.get("HTTPIPE_SINKS_ALL"))
"""Set by ``make test-sinks``."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks, and which tests stay for ``make test-sinks``: these are counted in the last line, not skipped."""
    here = Path(__file__).parent
    ours = [item for item in items if here in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.sinks)
    later = [item for item in ours if item.get_closest_marker("all_sinks") and not ALL]
    if later:
        config.hook.pytest_deselected(items=later)
        items[:] = [item for item in items if item not in later]
