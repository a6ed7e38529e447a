"""What probes on TLS libraries need of this host: for ``httpipe doctor``. Changes nothing, raises nothing."""

from pipeline.sources.bpf import kernel, rights
from pipeline.sources.bpf.host import SYSFS, Check
from pipeline.sources.tls.attach import MULTI_SINCE, PERF_SINCE, PMU

REMEDY = (
    f"HTTPS by probes needs {kernel.words(PERF_SINCE)} or later with CONFIG_UPROBE_EVENTS and CONFIG_DEBUG_INFO_BTF; "
    "plain HTTP is captured without"
)


def checks() -> list[Check]:
    """One point; nothing of it is required for plain HTTP."""
    if kernel.release() < PERF_SINCE:
        return [_missing(f"this kernel is older than {kernel.words(PERF_SINCE)}")]
    if not (SYSFS / "kernel/btf/vmlinux").exists():
        return [_missing("the kernel does not describe its structures (no BTF)")]
    if not PMU.exists():
        return [_missing("the kernel has no uprobes")]
    if not rights.may_trace():
        return [Check("TLS probes", ok=False, detail="not permitted", remedy=rights.PROBING_REMEDY, required=False)]
    way = "attached in one step" if kernel.release() >= MULTI_SINCE else "attached one by one: stopping takes 0.1 s a probe"
    return [Check("TLS probes", ok=True, detail=f"{way} (httpipe doctor --tls lists processes)", required=False)]


def _missing(what: str) -> Check:
    return Check("TLS probes", ok=False, detail=what, remedy=REMEDY, required=False)
