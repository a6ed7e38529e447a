"""The bpf(2) calls that both loaders leave to us: looking into maps and test runs of the program.

Comes in: file descriptors of maps and programs, whichever loader made them. Goes out: bytes, or ``OSError``. By the
system call itself, so that nothing depends on which library loaded the program.
"""

import ctypes
import os
import platform
from pathlib import Path
from struct import Struct

_NUMBERS = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}

_MAP_LOOKUP_ELEM, _MAP_UPDATE_ELEM, _MAP_DELETE_ELEM, _MAP_GET_NEXT_KEY, _PROG_TEST_RUN = 1, 2, 3, 4, 10

_ELEMENT = Struct("=IIQQQ")
"""``union bpf_attr`` for map elements: map_fd, padding, key, value or next_key, flags."""

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


def _bpf(command: int, attributes: bytes) -> bytes:
    """One bpf(2) call; returns the attributes, which some commands write to."""
    number = _NUMBERS.get(platform.machine())
    if number is None:
        raise OSError(f"the number of bpf(2) on {platform.machine()} is not known to httpipe")
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    if _libc.syscall(number, command, buffer, len(attributes)) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return buffer.raw


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
            _bpf(_MAP_LOOKUP_ELEM, self._attributes(self._value))
        except FileNotFoundError:
            return None
        return self._value.raw

    def update(self, key: bytes, value: bytes) -> None:
        """Write one value."""
        self._key.raw = key
        self._value.raw = value
        _bpf(_MAP_UPDATE_ELEM, self._attributes(self._value))

    def delete(self, key: bytes) -> None:
        """Delete one entry; one that is not there is not an error."""
        self._key.raw = key
        try:
            _bpf(_MAP_DELETE_ELEM, self._attributes(None))
        except FileNotFoundError:
            return

    def first_key(self) -> bytes | None:
        """Some key, or None where the map is empty."""
        try:
            _bpf(_MAP_GET_NEXT_KEY, _ELEMENT.pack(self.fd, 0, 0, ctypes.addressof(self._next), 0))
        except FileNotFoundError:
            return None
        return self._next.raw

    def _attributes(self, value: ctypes.Array[ctypes.c_char] | None) -> bytes:
        return _ELEMENT.pack(self.fd, 0, ctypes.addressof(self._key), ctypes.addressof(value) if value is not None else 0, 0)


def run_on_frame(program_fd: int, frame: bytes, repeat: int = 1) -> int:
    """Run the program on an Ethernet frame (BPF_PROG_TEST_RUN); returns nanoseconds a run, averaged by the kernel."""
    data = ctypes.create_string_buffer(frame, len(frame))
    attributes = _TEST_RUN.pack(program_fd, 0, len(frame), 0, ctypes.addressof(data), 0, repeat, 0, 0, 0, 0, 0)
    duration: int = _TEST_RUN.unpack(_bpf(_PROG_TEST_RUN, attributes))[7]
    return duration
