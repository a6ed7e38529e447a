"""Fixtures that every kind of test shares."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """httpipe runs on asyncio only (aiokafka does); so do its tests."""
    return "asyncio"
