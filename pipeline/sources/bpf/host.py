"""What live capture needs of this host, looked at one by one: for ``httpipe doctor``. Changes nothing, raises nothing.

A check that is not ``required`` may fail on a host that captures well: bcc where libbpf works, for one.
"""

import os
import platform
import resource
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import CaptureError
from pipeline.sources.bpf import bcc_loader, libbpf_loader, program
from pipeline.sources.bpf.attach import interface_names

OLDEST_KERNEL = (5, 8)
"""Ring buffers for BPF, and CAP_BPF, came with Linux 5.8."""

CAP_NET_RAW, CAP_SYS_ADMIN, CAP_BPF = 13, 21, 39
NEEDED_MEMORY = 64 << 20

SYSFS = Path("/sys")
PROC = Path("/proc")
MODULES = Path("/lib/modules")


@dataclass(frozen=True, slots=True)
class Check:
    """One point. ``remedy`` says what to type where ``ok`` is false; ``required``: no capture without it."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    required: bool = True


def checks() -> list[Check]:
    """All points, in the order in which to mend them."""
    found = [_kernel(), _capabilities(), _packet_socket(), _memlock(), _lockdown(), _btf()]
    found += [_library(), _object(), _bcc(), _headers(), _loads(), _interfaces(), _namespaces()]
    return found


def _kernel() -> Check:
    release = platform.release()
    remedy = "live capture needs Linux 5.8 or later; capture files work everywhere"
    return Check("kernel", _release() >= OLDEST_KERNEL, f"Linux {release}, {platform.machine()}", remedy)


def capabilities() -> set[int]:
    """Those in effect, by number (linux/capability.h)."""
    try:
        lines = (PROC / "self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return set()
    mask = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)
    return {number for number in range(64) if mask >> number & 1}


def setcap_line() -> str:
    """What gives this interpreter the capabilities; to all its programs, hence the word of warning."""
    interpreter = Path(sys.executable).resolve()
    line = f"setcap cap_net_raw,cap_bpf+ep {interpreter}"
    if Path(sys.prefix).resolve() in interpreter.parents:
        return line
    return f"{line}   (every program of this interpreter gets them: better in a copy, python3 -m venv --copies)"


def _capabilities() -> Check:
    have = capabilities()
    missing = [
        name
        for name, there in (("cap_net_raw", CAP_NET_RAW in have), ("cap_bpf", CAP_BPF in have or CAP_SYS_ADMIN in have))
        if not there
    ]
    who = "root" if os.geteuid() == 0 else f"user {os.geteuid()}"
    detail = f"{who}, {'without ' + ' and '.join(missing) if missing else 'with cap_net_raw and cap_bpf'}"
    remedy = f"run as root, or once: {setcap_line()}"
    return Check("capabilities", not missing, detail, remedy)


def _packet_socket() -> Check:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0).close()
    except PermissionError:
        return Check("packet sockets", False, "not permitted", "needs cap_net_raw, and a container runtime that allows it")
    except OSError as error:
        return Check("packet sockets", False, error.strerror or str(error), "the kernel needs CONFIG_PACKET")
    return Check("packet sockets", True, "can be opened")


def _memlock() -> Check:
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    text = "unlimited" if limit == resource.RLIM_INFINITY else f"{limit // 1024} KiB"
    counted = _release() < (5, 11)
    enough = limit == resource.RLIM_INFINITY or limit >= NEEDED_MEMORY or not counted
    detail = text if counted else f"{text} (does not count since Linux 5.11)"
    return Check("locked memory", enough, detail, "ulimit -l unlimited, or LimitMEMLOCK=infinity in the systemd unit")


def _lockdown() -> Check:
    mode = _read(SYSFS / "kernel/security/lockdown")
    active = mode[mode.find("[") + 1 : mode.find("]")] if "[" in mode else "none"
    return Check("lockdown", True, f"{active} (socket filters are allowed in every mode)", required=False)


def _btf() -> Check:
    there = (SYSFS / "kernel/btf/vmlinux").exists()
    detail = "there" if there else "not there (the program does without: it reads packets, no kernel structures)"
    return Check("BTF", True, detail, required=False)


def _library() -> Check:
    try:
        return Check("libbpf", True, f"{libbpf_loader.LIBRARY} {libbpf_loader.version()}", required=False)
    except (OSError, AttributeError) as error:
        return Check("libbpf", False, str(error), libbpf_loader.INSTALL, required=False)


def _object() -> Check:
    path = program.OBJECT
    if path.is_file():
        return Check("prebuilt program", True, f"{path.name}, {path.stat().st_size // 1024} KiB", required=False)
    remedy = "reinstall httpipe without HTTPIPE_NO_BPF; in a clone: python hatch_build.py (needs clang and libbpf-dev)"
    return Check("prebuilt program", False, "was left out when httpipe was installed", remedy, required=False)


def _bcc() -> Check:
    folder = bcc_loader.find()
    if folder is None:
        detail = 'not installed (only needed for loader = "bcc")'
        return Check("bcc", False, detail, bcc_loader.INSTALL, required=False)
    try:
        version = getattr(bcc_loader.module(), "__version__", "of unknown version")
    except CaptureError as error:
        return Check("bcc", False, str(error), error.remedy, required=False)
    return Check("bcc", True, f"{version} in {folder}", required=False)


def _headers() -> Check:
    build = MODULES / platform.release() / "build"
    if build.exists():
        return Check("kernel headers", True, str(build), required=False)
    if (SYSFS / "kernel/kheaders.tar.xz").exists():
        return Check("kernel headers", True, "in the kernel (kheaders)", required=False)
    remedy = "apt install linux-headers-$(uname -r) (Debian, Ubuntu), dnf install kernel-devel (Fedora)"
    return Check("kernel headers", False, f'not at {build} (only needed for loader = "bcc")', remedy, required=False)


def _loads() -> Check:
    """The one that counts: the kernel takes the program. Nothing is attached."""
    sizes = program.Sizes(ring_bytes=1 << 18, max_connections=64)
    try:
        libbpf_loader.load(sizes).close()
    except CaptureError as error:
        if not error.denied and bcc_loader.find() is not None and _headers().ok:
            return Check("program loads", True, f"not by libbpf ({_first_line(error)}); bcc can compile it")
        return Check("program loads", False, _first_line(error), error.remedy)
    return Check("program loads", True, "by libbpf")


def _interfaces() -> Check:
    names = interface_names()
    return Check("interfaces", bool(names), ", ".join(names) or "none", "this network namespace is empty")


def _namespaces() -> Check:
    """Loopback of other network namespaces is the one thing that no counter can show."""
    others = _other_namespaces()
    detail = f"{others} others on this host: traffic inside of them is not seen" if others else "no others are visible"
    return Check("network namespaces", True, detail, required=False)


def _other_namespaces() -> int:
    """As far as /proc shows them."""
    found = set()
    for process in PROC.glob("[0-9]*/ns/net"):
        try:
            found.add(process.readlink())
        except OSError:
            continue  # it ended, or is not ours to look at
    return max(0, len(found) - 1)


def _release() -> tuple[int, ...]:
    return tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2] if part.isdigit())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
