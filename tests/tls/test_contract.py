"""The ``tls`` source keeps the contract of every source."""

import subprocess
from collections.abc import Generator

import pytest
from tls_servers import Server

from httpipe import Context
from httpipe.testing import source_contract
from pipeline.sources.tls.config import TlsConfig
from pipeline.sources.tls.source import TlsSource

CURL = "/usr/bin/curl"

TestTlsSource = source_contract(lambda _folder: TlsSource(TlsConfig(executables=(CURL,)), Context("https")))


@pytest.fixture(autouse=True)
def _requests(nginx: Server) -> Generator[None, None, None]:
    """Something to see, for as long as a test takes."""
    urls = [f"https://127.0.0.1:{nginx.port}/{number}" for number in range(20)]
    repeated = f"while :; do {CURL} -sk --http1.1 {' '.join(urls)} >/dev/null; sleep 0.05; done"
    with subprocess.Popen(["sh", "-c", repeated]) as client:
        yield
        client.terminate()
