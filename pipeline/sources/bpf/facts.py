"""What the kernel tells of a process → ``Process``: a mirror of ``pipeline/bpf/process/facts.h``. Pure.

Comes in: ``struct process_facts`` up to the end of its text. The same process comes again with each of its connections, so the
latest are remembered.
"""

import re
from functools import lru_cache

from pipeline.model.command_lines import command_line
from pipeline.model.records import Process
from pipeline.sources.bpf import abi

_CONTAINER = re.compile(r"(?:^|[-:])([0-9a-f]{64})(?:\.scope)?$")
"""The identifier in the name of a container's cgroup. Forms: it alone (cgroupfs, LXD), ``docker-ID.scope``,
``cri-containerd-ID.scope``, ``crio-ID.scope``, ``libpod-ID.scope``, and with a colon before it (containerd under systemd: slice:
prefix: name, where the name may be cut)."""


@lru_cache(maxsize=4096)  # about 4 MB when full; a busy host has some hundred processes with connections
def process(facts: bytes) -> Process:
    """The process that these facts are of."""
    pid, _, components, groups, command, *_ = abi.FACTS.unpack_from(facts)
    strings = facts[abi.FACTS.size : len(facts) - command].split(b"\0")
    names = [each.decode(errors="replace") for each in strings[: components + groups]]
    path = names[:components]
    return Process(
        pid,
        path[0] if path else "",
        container_of(names[components:]),
        "/" + "/".join(reversed(path)) if path else "",
        command_line(facts[len(facts) - command :]) if command else "",
    )


def container_of(groups: list[str]) -> str:
    """The container's identifier, from the names of a cgroup and of those above it; empty for none."""
    return next((found[1] for name in groups if (found := _CONTAINER.search(name))), "")
