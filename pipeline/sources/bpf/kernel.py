"""What depends on which kernel this is. Versions are compared where the kernel offers nothing to ask beforehand."""

import platform
from pathlib import Path

from pipeline.errors import CaptureError

Release = tuple[int, int]

MEMORY_BY_CGROUP = (5, 11)
"""Since then BPF's memory is charged to the memory cgroup; before, RLIMIT_MEMLOCK counted it (64 KiB by default)."""

MAPS_FOR_ALL = (5, 19)
"""Since then whoever holds the file descriptor of a map may use it. Before, ``kernel.unprivileged_bpf_disabled``, which Debian
and others set, refused every bpf(2) call to those without CAP_BPF."""

UNPRIVILEGED = Path("/proc/sys/kernel/unprivileged_bpf_disabled")


def release() -> Release:
    """Such as (6, 1)."""
    numbers = [int(part) for part in platform.release().split("-")[0].split(".")[:2] if part.isdigit()]
    return (*numbers, 0, 0)[0], (*numbers, 0, 0)[1]


def words(version: Release) -> str:
    """Such as ``Linux 5.10``."""
    return f"Linux {version[0]}.{version[1]}"


def refuse_older(program: str, oldest: Release) -> None:
    """Raise ``CaptureError`` where this kernel is older than those that the program is tested on.

    The verifier's own refusal would be a page of instructions that does not say so.
    """
    if release() < oldest:
        what = f"the BPF program {program} needs {words(oldest)} or later, and this is Linux {platform.release()}"
        raise CaptureError(what, remedy="run a newer kernel; capture files, replays and Kafka work on every one")


def counts_locked_memory() -> bool:
    """Whether maps and programs count against RLIMIT_MEMLOCK."""
    return release() < MEMORY_BY_CGROUP


def maps_need_cap_bpf() -> bool:
    """Whether using a map that is open already takes CAP_BPF on this host."""
    try:
        return release() < MAPS_FOR_ALL and UNPRIVILEGED.read_text(encoding="ascii").strip() != "0"
    except OSError:
        return False
