"""A real kube-apiserver: building it takes half an hour of two processors, so these are for ``make test-kubernetes``."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from kube_server import KubeServer

ASKED = bool(os.environ.get("HTTPIPE_KUBERNETES"))
"""Set by ``make test-kubernetes``."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Counted in the last line where they are left out, not skipped."""
    here = Path(__file__).parent
    ours = [item for item in items if here in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.timeout(240))
    if ours and not ASKED:
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[KubeServer, None, None]:
    """One for all: etcd runs on, the API server is killed and started again."""
    made = KubeServer(tmp_path_factory.mktemp("kube"))
    try:
        made.start()
        yield made
    finally:
        made.stop()
