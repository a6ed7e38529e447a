"""Network namespaces of our own: traffic in them is ours alone, ports are free, and nothing outside is disturbed."""

import ctypes
import itertools
import os
import subprocess
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

_numbers = itertools.count()


def ip(*arguments: str) -> None:
    """The ip command."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class Namespace:
    """One network namespace with its loopback up."""

    def __init__(self) -> None:
        self.name = f"httpipe-{os.getpid()}-{next(_numbers)}"
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "set", "lo", "up")

    def command(self, *arguments: str) -> list[str]:
        """A command that runs in here."""
        return ["ip", "netns", "exec", self.name, *arguments]

    @contextmanager
    def entered(self) -> Generator[None, None, None]:
        """This thread is in here; sockets that it makes stay here."""
        libc = ctypes.CDLL(None, use_errno=True)
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        here = os.open(Path("/run/netns") / self.name, os.O_RDONLY)
        try:
            if libc.setns(here, 0):
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                libc.setns(home, 0)
        finally:
            os.close(here)
            os.close(home)

    def remove(self) -> None:
        """Gone, with its interfaces."""
        ip("netns", "delete", self.name)


def join(left: Namespace, right: Namespace, addresses: Iterable[tuple[str, str]]) -> None:
    """A veth pair, ``wire`` at both ends, with pairs of addresses such as ``("10.9.0.1/24", "10.9.0.2/24")``."""
    ip("link", "add", "wire", "netns", left.name, "type", "veth", "peer", "name", "wire", "netns", right.name)
    for here, there in addresses:
        ip("-n", left.name, "address", "add", here, "dev", "wire", *(["nodad"] if ":" in here else []))
        ip("-n", right.name, "address", "add", there, "dev", "wire", *(["nodad"] if ":" in there else []))
    for namespace in (left, right):
        ip("-n", namespace.name, "link", "set", "wire", "up")
