"""What every test of a run shares."""

import pytest

from pipeline.runtime.units import source_runner


@pytest.fixture(autouse=True)
def _quick_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that failed is started again at once; none of the tests here is about how long that takes."""
    monkeypatch.setattr(source_runner, "RESTART_BACKOFF_SECS", (0.001, 0.01))
