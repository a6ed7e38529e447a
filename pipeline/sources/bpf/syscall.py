"""The bpf(2) and perf_event_open(2) calls that both loaders leave to us: maps, test runs, links of uprobes.

Comes in: file descriptors of maps and programs, whichever loader made them. Goes out: bytes, or ``OSError``. By the
system call itself, so that nothing depends on which library loaded the program.
"""

import ctypes
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from struct import Struct

_NUMBERS = {
    "bpf": {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351},
    "perf_event_open": {"x86_64": 298, "aarch64": 241, "riscv64": 241, "ppc64le": 319, "s390x": 331},
}

_MAP_LOOKUP_ELEM, _MAP_UPDATE_ELEM, _MAP_DELETE_ELEM, _MAP_GET_NEXT_KEY, _PROG_TEST_RUN = 1, 2, 3, 4, 10

_ELEMENT = Struct("=IIQQQ")
"""``union bpf_attr`` for map elements: map_fd, padding, key, value or next_key, flags."""

_RAW_TRACEPOINT_OPEN = 17
_RAW_TRACEPOINT = Struct("=QII")
"""``union bpf_attr`` for raw tracepoints: name, prog_fd, padding."""

_LINK_CREATE = 28
_LINK_PERF_EVENT, _LINK_UPROBE_MULTI = 41, 48
_MULTI_RETURN = 1

_UPROBE_MULTI = Struct("=IIIIQQQQIII4x")
"""``union bpf_attr`` for a link of many uprobes: prog_fd, target_fd, attach_type, flags; path, offsets, ref_ctr_offsets, cookies;
count, flags, pid."""

_PERF_LINK = Struct("=IIIIQ")
"""``union bpf_attr`` for a link to a perf event: prog_fd, target_fd, attach_type, flags; cookie."""

_CGROUP_LINK = Struct("=IIII")
"""``union bpf_attr`` for a link to a cgroup: prog_fd, target_fd, attach_type, flags."""

_PERF_HEAD, _PERF_PLACE = Struct("=IIQ"), Struct("=QQ")
"""``struct perf_event_attr``: type, size, config; from byte 56 on: uprobe_path, probe_offset."""
_PERF_PATH_AT, _PERF_ATTRIBUTES_BYTES = 56, 128
_PERF_FLAG_FD_CLOEXEC = 8

_TEST_RUN = Struct("=IIIIQQIIIIQQ")
"""``union bpf_attr`` for test runs: prog_fd, retval, sizes in and out, data in and out, repeat, duration, ctx sizes,
ctx in and out."""

_libc = ctypes.CDLL(None, use_errno=True)


POSSIBLE = Path("/sys/devices/system/cpu/possible")
STATUS = Path("/proc/self/status")


def possible_cpus() -> int:
    """CPUs that may ever be there, or more: so many values the kernel writes for an entry of a per-CPU map."""
    try:
        return int(POSSIBLE.read_text(encoding="ascii").strip().replace(",", "-").split("-")[-1]) + 1
    except OSError:
        return _cpus_in_masks()


def _cpus_in_masks() -> int:
    """Without /sys, as some containers are: masks of CPUs are as wide as the highest number needs, 4 in each digit."""
    lines = STATUS.read_text(encoding="ascii").splitlines()
    mask = next(line for line in lines if line.startswith("Cpus_allowed:")).split()[1]
    return 4 * len(mask.replace(",", ""))


def bpf(command: int, attributes: bytes) -> bytes:
    """Make one call; returns the attributes, which some commands write to."""
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    _call("bpf", command, buffer, len(attributes))
    return buffer.raw


def bpf_fd(command: int, attributes: bytes) -> int:
    """One bpf(2) call that makes a file descriptor."""
    return _call("bpf", command, ctypes.create_string_buffer(attributes, len(attributes)), len(attributes))


def _call(name: str, *arguments: object) -> int:
    """A system call that the C library has no function for."""
    number = _NUMBERS[name].get(platform.machine())
    if number is None:
        raise OSError(f"the number of {name}(2) on {platform.machine()} is not known to httpipe")
    result: int = _libc.syscall(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


class Map:
    """A map by its file descriptor; ``value_bytes`` over all CPUs for a per-CPU map."""

    def __init__(self, fd: int, key_bytes: int, value_bytes: int) -> None:
        self.fd = fd
        self._key = ctypes.create_string_buffer(key_bytes)
        self._next = ctypes.create_string_buffer(key_bytes)
        self._value = ctypes.create_string_buffer(value_bytes)

    def lookup(self, key: bytes) -> bytes | None:
        """The value, or None."""
        self._key.raw = key
        try:
            bpf(_MAP_LOOKUP_ELEM, self._attributes(self._value))
        except FileNotFoundError:
            return None
        return self._value.raw

    def update(self, key: bytes, value: bytes) -> None:
        """Write one value."""
        self._key.raw = key
        self._value.raw = value
        bpf(_MAP_UPDATE_ELEM, self._attributes(self._value))

    def delete(self, key: bytes) -> None:
        """Delete one entry; one that is not there is not an error."""
        self._key.raw = key
        try:
            bpf(_MAP_DELETE_ELEM, self._attributes(None))
        except FileNotFoundError:
            return

    def first_key(self) -> bytes | None:
        """Some key, or None where the map is empty."""
        try:
            bpf(_MAP_GET_NEXT_KEY, _ELEMENT.pack(self.fd, 0, 0, ctypes.addressof(self._next), 0))
        except FileNotFoundError:
            return None
        return self._next.raw

    def _attributes(self, value: ctypes.Array[ctypes.c_char] | None) -> bytes:
        return _ELEMENT.pack(self.fd, 0, ctypes.addressof(self._key), ctypes.addressof(value) if value is not None else 0, 0)


def run_on_frame(program_fd: int, frame: bytes, repeat: int = 1) -> int:
    """Run the program on an Ethernet frame (BPF_PROG_TEST_RUN); returns nanoseconds a run, averaged by the kernel."""
    data = ctypes.create_string_buffer(frame, len(frame))
    attributes = _TEST_RUN.pack(program_fd, 0, len(frame), 0, ctypes.addressof(data), 0, repeat, 0, 0, 0, 0, 0)
    duration: int = _TEST_RUN.unpack(bpf(_PROG_TEST_RUN, attributes))[7]
    return duration


def run_here(program_fd: int) -> int:
    """Run a raw tracepoint's program once, in the calling thread (BPF_PROG_TEST_RUN, Linux 5.10); returns what it returns."""
    attributes = _TEST_RUN.pack(program_fd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    returned: int = _TEST_RUN.unpack(bpf(_PROG_TEST_RUN, attributes))[1]
    return returned


def link_uprobes(program_fd: int, path: str, places: Mapping[int, int], *, at_return: bool) -> int:
    """Attach a program to places of a file, offsets with their cookies (Linux 6.6); closing the result detaches all of them."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    count = len(places)
    offsets, cookies = (ctypes.c_uint64 * count)(*places), (ctypes.c_uint64 * count)(*places.values())
    pointers = (ctypes.addressof(name), ctypes.addressof(offsets), 0, ctypes.addressof(cookies))
    flags = _MULTI_RETURN if at_return else 0
    return bpf_fd(_LINK_CREATE, _UPROBE_MULTI.pack(program_fd, 0, _LINK_UPROBE_MULTI, 0, *pointers, count, flags, 0))


def link_cgroup(program_fd: int, cgroup_fd: int, attach_type: int) -> int:
    """Attach a program to a cgroup, beside those of others; closing the result detaches it."""
    return bpf_fd(_LINK_CREATE, _CGROUP_LINK.pack(program_fd, cgroup_fd, attach_type, 0))


def link_perf_event(program_fd: int, event_fd: int, cookie: int) -> int:
    """Attach a program to a perf event (cookies: Linux 5.15)."""
    return bpf_fd(_LINK_CREATE, _PERF_LINK.pack(program_fd, event_fd, _LINK_PERF_EVENT, 0, cookie))


def open_raw_tracepoint(program_fd: int, name: str) -> int:
    """Run the program at a tracepoint of the kernel's, until the file descriptor is closed; ``FileNotFoundError`` for none."""
    text = ctypes.create_string_buffer(name.encode())
    return bpf_fd(_RAW_TRACEPOINT_OPEN, _RAW_TRACEPOINT.pack(ctypes.addressof(text), program_fd, 0))


def open_perf_event(attributes: bytes, *, pid: int = -1, cpu: int = 0) -> int:
    """A file descriptor for ``struct perf_event_attr``, closed on exec."""
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    return _call("perf_event_open", buffer, pid, cpu, -1, _PERF_FLAG_FD_CLOEXEC)


def open_uprobe_event(kind: int, path: str, offset: int, *, at_return: bool) -> int:
    """A perf event of a place in a file; ``kind`` is the number of the uprobe PMU."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    head = _PERF_HEAD.pack(kind, _PERF_ATTRIBUTES_BYTES, int(at_return))
    return open_perf_event(head.ljust(_PERF_PATH_AT, b"\0") + _PERF_PLACE.pack(ctypes.addressof(name), offset).ljust(72, b"\0"))


OVERLAYFS = 0x794C7630
"""``OVERLAYFS_SUPER_MAGIC``."""


def file_system(fd: int) -> int:
    """The magic number of the file system that an open file lies in (fstatfs(2)): the first word of ``struct statfs``."""
    buffer = ctypes.create_string_buffer(256)
    if _libc.fstatfs(fd, buffer) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int.from_bytes(buffer.raw[:4], "little")
