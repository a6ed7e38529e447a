"""A real container engine: Podman, which speaks Docker's API."""

import os
import shutil
from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from podman_engine import PROGRAMS, PodmanEngine


@pytest.fixture
def engine() -> Generator[PodmanEngine, None, None]:
    """One of this test's own, in a folder whose name is short enough for it."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs {', '.join(missing) or 'root'}")
    with TemporaryDirectory(prefix="pod", dir="/tmp") as folder, PodmanEngine(Path(folder)) as made:
        yield made
