"""A thousand reloads under load: nothing hangs, nothing is lost, memory is flat."""

import importlib.util
from pathlib import Path

import pytest

HOME = Path(__file__).parents[1] / "unit" / "runtime" / "test_reload.py"


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_thousand_reloads_under_load() -> None:
    """The unit test of the same, ten times as long."""
    spec = importlib.util.spec_from_file_location("reloads", HOME)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.forget_all()
    await module.reloads_under_load(1000)
