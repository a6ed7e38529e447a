"""A server for tests in a process of its own: started and killed as often as a test likes, on the same port each time."""

import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from socket import create_server
from typing import ClassVar, Self, TypeVar

import pytest

from tests.maven_jars import NotAvailable


def free_port() -> int:
    """One of 127.0.0.1."""
    with create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


class ServerProcess(ABC):
    """Subclasses say how it starts: ``start`` sets ``process`` and returns when the server answers."""

    LONGEST_END: ClassVar[float] = 60.0
    """Seconds that ``wait`` waits."""

    def __init__(self) -> None:
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def base(self) -> str:
        """The beginning of its addresses."""
        return f"http://127.0.0.1:{self.port}"

    @abstractmethod
    def start(self) -> None:
        """Returns when it answers."""

    def wait(self) -> None:
        """Until it has killed itself."""
        assert self.process is not None
        self.process.communicate(timeout=self.LONGEST_END)

    def kill(self) -> None:
        """As a crash or the kernel would."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


AnyServer = TypeVar("AnyServer", bound=ServerProcess)


@contextmanager
def available(server: AnyServer) -> Iterator[AnyServer]:
    """Started, and killed behind the block. Skips where it cannot be had."""
    with ExitStack() as stack:
        try:
            stack.enter_context(server)
        except NotAvailable as reason:
            pytest.skip(f"no {type(server).__name__} here: {reason}")
        yield server
