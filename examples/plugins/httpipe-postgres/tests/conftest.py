"""One server for all tests."""

from collections.abc import Iterator

import pytest
from postgres_server import PostgresServer


@pytest.fixture(scope="session", autouse=True)
def server() -> Iterator[PostgresServer]:
    """Started once; each test has tables of its own."""
    with PostgresServer() as running:
        pytest.MonkeyPatch().setenv("PGHOST", str(running.folder))  # what the connection string leaves out
        yield running
