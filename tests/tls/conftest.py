"""Everything here attaches probes; what needs minutes or rare programs is for ``make test-tls``."""

import os
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from tls_hits import Hits, counting
from tls_servers import SERVERS, Server
from tls_servers import nginx as nginx_server
from tls_talker import Talker, own_libssl

from pipeline.sources.tls import program

NOBODY = 0xFFFF_FFFF
"""No process has this number; 0 has one, the ancestor of all others."""

ALL = bool(os.environ.get("HTTPIPE_TLS_ALL"))
"""Set by ``make test-tls``."""

Talk = Callable[..., Talker]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks, and which tests stay for ``make test-tls``: these are counted in the last line, not skipped."""
    here = Path(__file__).parent
    ours = [item for item in items if here in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.tls)
        if os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="probes need root"))
    later = [item for item in ours if item.get_closest_marker("thorough") and not ALL]
    if later:
        config.hook.pytest_deselected(items=later)
        items[:] = [item for item in items if item not in later]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of localhost and 127.0.0.1 in one file, for servers; clients trust it as their authority."""
    folder = tmp_path_factory.mktemp("certificate")
    made, key = folder / "both.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    made.write_text(made.read_text() + key.read_text())
    folder.chmod(0o755)
    return made


@pytest.fixture(autouse=True)
def _children_may_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The source leaves out its own process and its children, which here are what is looked at."""
    monkeypatch.setattr(program, "own_process", lambda _: NOBODY)


@pytest.fixture
def nginx(certificate: Path) -> Generator[Server, None, None]:
    """Two workers with TLS."""
    server = SERVERS["nginx"](Server(certificate))
    yield server
    server.stop()


@pytest.fixture
def nginx_http2(certificate: Path) -> Generator[Server, None, None]:
    """The same with HTTP/2."""
    server = nginx_server(Server(certificate), " http2")
    yield server
    server.stop()


@pytest.fixture
def hits() -> Generator[Hits, None, None]:
    """Counting by links of many uprobes."""
    with counting() as made:
        yield made


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A libssl that is only ours."""
    return own_libssl(tmp_path / "library")


@pytest.fixture
def talker(certificate: Path) -> Generator[Talk, None, None]:
    """``talker(library)`` starts one."""
    started: list[Talker] = []

    def start(library: Path, **options: object) -> Talker:
        started.append(Talker(certificate, library, **options))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.close()
