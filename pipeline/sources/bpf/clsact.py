"""Programs at TC by filters of clsact, for kernels before 6.6: what is attached stays when we die.

Comes in: programs and interfaces by number. Goes out: ``OSError``. By libbpf, which speaks netlink.
"""

import ctypes
import os
from contextlib import suppress

from pipeline.sources.bpf.libbpf_loader import library

INGRESS, EGRESS = 1, 2
"""``BPF_TC_INGRESS``, ``BPF_TC_EGRESS``."""

PRIORITY = 1
"""The first one runs first."""

_EXISTS = 17
_REPLACE = 1


class _Hook(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_size_t),
        ("interface", ctypes.c_int),
        ("place", ctypes.c_int),
        ("parent", ctypes.c_uint32),
        ("pad", ctypes.c_uint32),
    )


class _Options(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_size_t),
        ("program_fd", ctypes.c_int),
        ("flags", ctypes.c_uint32),
        ("program_id", ctypes.c_uint32),
        ("handle", ctypes.c_uint32),
        ("priority", ctypes.c_uint32),
        ("pad", ctypes.c_uint32),
    )


HANDLE = 0x68747470
"""Ours, by which it is found again: "http"."""


def attach(program_fd: int, interface: int, place: int) -> None:
    """In place of one of ours that was left behind."""
    lib = library()
    hook = _hook(interface, place)
    code = lib.bpf_tc_hook_create(ctypes.byref(hook))
    if code not in {0, -_EXISTS}:
        raise OSError(-code, os.strerror(-code))
    options = _Options(ctypes.sizeof(_Options), program_fd, _REPLACE, 0, HANDLE, PRIORITY, 0)
    if code := lib.bpf_tc_attach(ctypes.byref(hook), ctypes.byref(options)):
        raise OSError(-code, os.strerror(-code))


def detach(interface: int, place: int) -> None:
    """Ours; clsact itself may serve others and stays. Raises ``OSError`` where there is none."""
    hook = _hook(interface, place)
    options = _Options(ctypes.sizeof(_Options), 0, 0, 0, HANDLE, PRIORITY, 0)
    if code := library().bpf_tc_detach(ctypes.byref(hook), ctypes.byref(options)):
        raise OSError(-code, os.strerror(-code))


def program(interface: int, place: int) -> int:
    """The id of ours that is attached, 0 for none."""
    hook = _hook(interface, place)
    options = _Options(ctypes.sizeof(_Options), 0, 0, 0, HANDLE, PRIORITY, 0)
    with suppress(OSError):
        if not library().bpf_tc_query(ctypes.byref(hook), ctypes.byref(options)):
            return int(options.program_id)
    return 0


def _hook(interface: int, place: int) -> _Hook:
    return _Hook(ctypes.sizeof(_Hook), interface, place, 0, 0)
