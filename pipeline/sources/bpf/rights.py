"""What this process may do, what it may allow itself, and the remedies that fit where it runs."""

import resource
import sys
from pathlib import Path

from pipeline.container import in_container
from pipeline.sources.bpf import kernel

CAP_DAC_READ_SEARCH, CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF = 2, 12, 13, 19, 21, 38, 39

PROC = Path("/proc")

PROBING_REMEDY = (
    "probes on other programs need root, or cap_bpf and cap_perfmon, and cap_sys_ptrace and cap_dac_read_search to find them; "
    "in a container also the host's process ids (docker run --pid host, Kubernetes: hostPID: true)"
)


def capabilities() -> set[int]:
    """Those in effect, by number (linux/capability.h)."""
    try:
        lines = (PROC / "self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return set()
    mask = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)
    return {number for number in range(64) if mask >> number & 1}


def may_load() -> bool:
    """Whether programs and maps may be made, as far as capabilities go."""
    return bool(capabilities() & {CAP_BPF, CAP_SYS_ADMIN})


def may_trace() -> bool:
    """Whether programs that read kernel structures may be loaded, as far as capabilities go."""
    there = capabilities()
    return CAP_SYS_ADMIN in there or {CAP_BPF, CAP_PERFMON} <= there


def may_look_into_processes() -> bool:
    """Whether programs of other users, and the files that they have mapped, can be looked at."""
    return {CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH} <= capabilities()


def tracing_remedy() -> str:
    """How this process may tell owners."""
    if in_container():
        return "needs cap_perfmon beside cap_bpf: docker run --cap-add PERFMON (older runtimes: SYS_ADMIN)"
    return f"needs cap_perfmon beside cap_bpf: run as root, or once: {setcap_line(',cap_perfmon')}"


def capabilities_remedy() -> str:
    """How this process gets the two capabilities: being root inside a container is not enough."""
    if in_container():
        return (
            "needs cap_net_raw and cap_bpf: docker run --cap-add NET_RAW --cap-add BPF (older runtimes: SYS_ADMIN for BPF); "
            'Kubernetes: securityContext: {capabilities: {add: ["NET_RAW", "BPF"]}}, as user 0 '
            "or in the image of contrib/Containerfile; for the host's own traffic also --network host (hostNetwork: true)"
        )
    return f"needs cap_net_raw and cap_bpf: run as root, or once: {setcap_line()}"


def setcap_line(more: str = "") -> str:
    """What gives this interpreter the capabilities; to all its programs, hence the word of warning."""
    interpreter = Path(sys.executable).resolve()
    line = f"setcap cap_net_raw,cap_bpf{more}+ep {interpreter}"
    if Path(sys.prefix).resolve() in interpreter.parents:
        return line
    return f"{line}   (every program of this interpreter gets them: better in a copy, python3 -m venv --copies)"


def raise_locked_memory() -> None:
    """As far as allowed, where it counts: without limit with CAP_SYS_RESOURCE, else up to the hard limit."""
    if not kernel.counts_locked_memory():
        return
    _, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    for limit, highest in ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), (hard, hard)):
        try:
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, highest))
        except (ValueError, OSError):
            continue
        return


def locked_memory() -> int | None:
    """Bytes that maps and programs may take; None for any number."""
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return limit if kernel.counts_locked_memory() and limit != resource.RLIM_INFINITY else None


def locked_memory_remedy() -> str:
    """How this process gets more."""
    if in_container():
        return "docker run --ulimit memlock=-1"
    return "ulimit -l unlimited as root before the start, or LimitMEMLOCK=infinity in the systemd unit"
