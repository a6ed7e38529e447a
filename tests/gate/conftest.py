"""The firewall with the real programs, in network namespaces of our own: never on an interface of this host."""

import os
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "live"))

from gate_run import Running, started  # noqa: E402  what they import lies in tests/live
from live_namespace import Namespace, join  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is live, and says so where it cannot run."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.live)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="the firewall needs root"))


@pytest.fixture(scope="module")
def server_side() -> Generator[Namespace, None, None]:
    """Where servers and the firewall are."""
    made = Namespace()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def client_side(server_side: Namespace) -> Generator[Namespace, None, None]:
    """Joined to it by a veth pair: 10.25.0.1 and fd25::1 here, 10.25.0.2 and fd25::2 there."""
    made = Namespace()
    join(made, server_side, [("10.25.0.1/24", "10.25.0.2/24"), ("fd25::1/64", "fd25::2/64")])
    yield made
    made.remove()


Start = Callable[..., Running]


@pytest.fixture
def start(server_side: Namespace) -> Generator[Start, None, None]:
    """``start(interface, …, **settings)`` attaches a gate in the servers' namespace, for as long as the test runs."""
    with ExitStack() as stack:
        yield lambda *interfaces, **settings: stack.enter_context(started(server_side, *interfaces, **settings))
