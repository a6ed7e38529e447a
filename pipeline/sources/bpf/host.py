"""What live capture needs of this host, looked at one by one: for ``httpipe doctor``. Changes nothing, raises nothing.

A check that is not ``required`` may fail on a host that captures well: bcc where libbpf works, for one.
"""

import os
import platform
import socket
from contextlib import closing
from pathlib import Path

import msgspec

from pipeline import native
from pipeline.container import in_container
from pipeline.errors import CaptureError
from pipeline.sources.bpf import bcc_loader, cgroup, kernel, libbpf_loader, owners, program, rights
from pipeline.sources.bpf.attach import SO_ATTACH_BPF, interface_names

NEEDED_MEMORY = 64 << 20

SYSFS = Path("/sys")
PROC = Path("/proc")
MODULES = Path("/lib/modules")


class Check(msgspec.Struct, frozen=True):
    """One point. ``remedy`` says what to type where ``ok`` is false; ``required``: no capture without it."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    required: bool = True


def checks() -> list[Check]:
    """All points, in the order in which to mend them."""
    found = [_kernel(), _capabilities(), _packet_socket(), _memlock(), _map_access(), _lockdown(), _btf()]
    found += [_library(), _object(), _bcc(), _headers(), _loads(), _processes(), _interfaces(), _namespaces(), _lane()]
    return found


def _kernel() -> Check:
    release = platform.release()
    remedy = f"live capture needs {kernel.words(program.OLDEST_KERNEL)} or later; capture files work everywhere"
    return Check("kernel", kernel.release() >= program.OLDEST_KERNEL, f"Linux {release}, {platform.machine()}", remedy)


def _capabilities() -> Check:
    there = {"cap_net_raw": rights.CAP_NET_RAW in rights.capabilities(), "cap_bpf": rights.may_load()}
    missing = [name for name, has in there.items() if not has]
    who = "root" if os.geteuid() == 0 else f"user {os.geteuid()}"
    where = " in a container" if in_container() else ""
    detail = f"{who}{where}, {'without ' + ' and '.join(missing) if missing else 'with cap_net_raw and cap_bpf'}"
    return Check("capabilities", not missing, detail, rights.capabilities_remedy())


def _packet_socket() -> Check:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0).close()
    except PermissionError:
        return Check("packet sockets", False, "not permitted", rights.capabilities_remedy())
    except OSError as error:
        return Check("packet sockets", False, error.strerror or str(error), "the kernel needs CONFIG_PACKET")
    return Check("packet sockets", True, "can be opened")


def _memlock() -> Check:
    """Tried, as a capture would: raising it changes nothing but what this process may do."""
    if not kernel.counts_locked_memory():
        return Check("locked memory", True, f"does not count since {kernel.words(kernel.MEMORY_BY_CGROUP)}")
    rights.raise_locked_memory()
    limit = rights.locked_memory()
    detail = "unlimited, or can be raised" if limit is None else f"{limit >> 10} KiB, and cannot be raised (no cap_sys_resource)"
    return Check("locked memory", limit is None or limit >= NEEDED_MEMORY, detail, rights.locked_memory_remedy())


def _map_access() -> Check:
    """Matters where ``[process] user`` is set."""
    if kernel.maps_need_cap_bpf():
        detail = "takes cap_bpf on this kernel: it is kept where [process] user gives up all others"
    else:
        detail = "takes no capability once they are open"
    return Check("reading maps", True, detail, required=False)


def _lockdown() -> Check:
    mode = _read(SYSFS / "kernel/security/lockdown")
    active = mode[mode.find("[") + 1 : mode.find("]")] if "[" in mode else "none"
    return Check("lockdown", True, f"{active} (socket filters are allowed in every mode)", required=False)


def _btf() -> Check:
    there = (SYSFS / "kernel/btf/vmlinux").exists()
    detail = "there" if there else "not there (packets are captured without; processes and TLS cannot be told)"
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
    """The one that counts: the kernel takes the program, also onto a socket. Through that one nothing ever passes."""
    sizes = program.Sizes(ring_bytes=1 << 18, max_connections=64)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as idle, closing(libbpf_loader.load(sizes)) as loaded:
            idle.setsockopt(socket.SOL_SOCKET, SO_ATTACH_BPF, loaded.fd)
    except OSError as error:
        return Check("program loads", False, f"but cannot be attached: {error.strerror}", "please report this")
    except CaptureError as error:
        if not error.denied and bcc_loader.find() is not None and _headers().ok:
            return Check("program loads", True, f"not by libbpf ({_first_line(error)}); bcc can compile it")
        return Check("program loads", False, _first_line(error), error.remedy)
    return Check("program loads", True, "by libbpf")


def _processes() -> Check:
    """Whether exchanges can say whose they are. Tried like the program itself; nothing is attached."""
    sizes = program.Sizes(ring_bytes=1 << 18, max_connections=64)
    try:
        with closing(libbpf_loader.load(sizes)) as loaded, closing(owners.Owners(loaded)):
            return Check("processes", True, "can be told", required=False)
    except CaptureError as error:
        return Check("processes", False, f"not told: {_first_line(error)}", error.remedy, required=False)


def _lane() -> Check:
    """Who decodes plain HTTP/1 and HTTP/2."""
    detail = native.missing or "decodes plain HTTP/1 and HTTP/2"
    return Check("compiled lane", native.lane is not None, detail, native.REMEDY, required=False)


def _interfaces() -> Check:
    names = interface_names()
    return Check("interfaces", bool(names), ", ".join(names) or "none", "this network namespace is empty")


def _namespaces() -> Check:
    """Loopback of other network namespaces is the one thing that no counter can show."""
    others = _other_namespaces()
    detail = f"{others} other{'s' * (others > 1)} on this host: {_inside()}" if others else "no others are visible"
    return Check("network namespaces", True, detail, required=False)


def _inside() -> str:
    """What of the traffic inside of other namespaces can be seen."""
    try:
        cgroup.find()
    except CaptureError:
        return "traffic inside is not seen"
    return 'traffic inside is seen with at = "sockets" only'


def _other_namespaces() -> int:
    """As far as /proc shows them."""
    found = set()
    for process in PROC.glob("[0-9]*/ns/net"):
        try:
            found.add(process.readlink())
        except OSError:
            continue  # it ended, or is not ours to look at
    return max(0, len(found) - 1)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
