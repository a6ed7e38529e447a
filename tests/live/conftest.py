"""Namespaces, a server, and which loaders there are."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from live_namespace import Namespace, join
from live_nginx import Nginx, Serve
from live_run import Run, loaded

from pipeline.sources.bpf import bcc_loader
from pipeline.sources.bpf.config import BpfConfig


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is live, and says so where it cannot run."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.live)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="capturing needs root"))


@pytest.fixture
def namespace() -> Generator[Namespace, None, None]:
    """A network namespace with nothing but its loopback."""
    made = Namespace()
    yield made
    made.remove()


@pytest.fixture
def neighbour(namespace: Namespace) -> Generator[Namespace, None, None]:
    """Another one, joined to the first by a veth pair: 10.9.0.1 and fd09::1 here, 10.9.0.2 and fd09::2 there."""
    made = Namespace()
    join(namespace, made, [("10.9.0.1/24", "10.9.0.2/24"), ("fd09::1/64", "fd09::2/64")])
    yield made
    made.remove()


@pytest.fixture
def serve(tmp_path: Path) -> Generator[Serve, None, None]:
    """``serve(namespace, sockets)`` starts nginx."""
    started: list[Nginx] = []

    def start(namespace: Namespace, sockets: list[str]) -> Nginx:
        folder = tmp_path / f"nginx-{len(started)}"
        folder.mkdir()
        started.append(Nginx(folder, namespace, sockets))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture(params=["libbpf", "bcc"])
def loader(request: pytest.FixtureRequest) -> str:
    """Both loaders give the same."""
    name: str = request.param
    if name == "bcc":
        if bcc_loader.find() is None:
            pytest.skip(bcc_loader.INSTALL)
        if not Path(f"/lib/modules/{os.uname().release}/build").exists():
            pytest.skip("bcc finds no kernel headers (tools/setup.sh test links those of linux-headers-amd64)")
    return name


@pytest.fixture
def run(loader: str) -> Generator[Run, None, None]:
    """The program on our own frames, by either loader."""
    with loaded(BpfConfig(loader=loader)) as made:
        yield made


@pytest.fixture
def run_once() -> Generator[Run, None, None]:
    """By libbpf, where the loader makes no difference; port 80 only."""
    with loaded(BpfConfig(loader="libbpf", ports=(80,))) as made:
        yield made
