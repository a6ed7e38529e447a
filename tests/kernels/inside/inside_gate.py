"""The firewall on this kernel: by links or by filters, on devices with and without a link header."""

import socket
import subprocess
from collections.abc import Generator, Iterable
from contextlib import contextmanager

from live_namespace import Namespace

from pipeline.lists.entry import parse_entry
from pipeline.lists.kernel import compile_lists
from pipeline.lists.urls import UrlList
from pipeline.sources.bpf import clsact, tcx
from pipeline.sources.gate import abi
from pipeline.sources.gate.gate import Gate
from pipeline.sources.gate.place import by_links
from pipeline.sources.gate.settings import Settings


@contextmanager
def gated(namespace: Namespace, interfaces: Iterable[str], denied: Iterable[str]) -> Generator[Gate, None, None]:
    """It refuses these entries at port 80 of the namespace's interfaces."""
    gate = Gate()
    try:
        gate.configure(Settings((80,), abi.Mode.ENFORCE))
        gate.install(gate.prepare(compile_lists(UrlList(map(parse_entry, denied)), None)))
        with namespace.entered():
            for interface in interfaces:
                gate.attach(interface)
        yield gate
    finally:
        with namespace.entered():
            gate.close()


def status(namespace: Namespace, url: str) -> str:
    """Of the answer; 000 for none."""
    command = namespace.command("curl", "-s", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", "--path-as-is", url)
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def attached(namespace: Namespace, interfaces: Iterable[str]) -> int:
    """Programs at TC there, both directions together."""
    with namespace.entered():
        indexes = [socket.if_nametoindex(name) for name in interfaces]
        if by_links():
            return sum(len(tcx.order(index, place)) for index in indexes for place in (tcx.INGRESS, tcx.EGRESS))
        return sum(bool(clsact.program(index, place)) for index in indexes for place in (clsact.INGRESS, clsact.EGRESS))
