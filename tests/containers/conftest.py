"""Real container engines: Podman, and Docker itself."""

import os
from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from real_engines import Docker, Podman, RealEngine, missing

from tests.debian_packages import NotAvailable


@pytest.fixture(scope="session")
def _docker() -> Generator[None, None, None]:
    with TemporaryDirectory(prefix="docker") as folder:
        try:
            Docker.fetch(Path(folder))
        except NotAvailable as reason:
            pytest.skip(f"no Docker here: {reason}")
        yield


@pytest.fixture(params=[Podman, Docker])
def engine(request: pytest.FixtureRequest) -> Generator[RealEngine, None, None]:
    """One of this test's own, in a folder whose name is short enough for it."""
    lacking = missing(request.param)
    if lacking or os.geteuid() != 0:
        pytest.skip(f"needs {', '.join(lacking) or 'root'}")
    if request.param is Docker:
        request.getfixturevalue("_docker")
    with TemporaryDirectory(prefix="eng", dir="/tmp") as folder, request.param(Path(folder)) as made:
        yield made
