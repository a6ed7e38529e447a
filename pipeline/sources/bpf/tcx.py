"""Programs at TC by tcx links (Linux 6.6): what is attached goes when its file descriptor does, unless it is pinned.

Comes in: programs and interfaces by number. Goes out: file descriptors of links, and who stands in which order.
"""

import ctypes
import os
from pathlib import Path
from struct import Struct

from pipeline.sources.bpf.kernel import Release
from pipeline.sources.bpf.syscall import bpf, bpf_fd

SINCE: Release = (6, 6)

INGRESS, EGRESS = 46, 47
"""``BPF_TCX_INGRESS``, ``BPF_TCX_EGRESS`` of ``enum bpf_attach_type``."""

_OBJ_PIN, _OBJ_GET, _PROG_BY_ID, _INFO_BY_FD, _PROG_QUERY, _LINK_CREATE = 6, 7, 13, 15, 16, 28
_BEFORE = 8
"""``BPF_F_BEFORE``: without naming one, before all others."""

_LINK = Struct("=IIII48x")
_PIN = Struct("=QII8x")
_QUERY = Struct("=IIIIQI4xQQQQ")
"""``union bpf_attr`` for queries: target, attach_type, query_flags, attach_flags, prog_ids, count, prog_attach_flags, link_ids,
link_attach_flags, revision."""
_INFO = Struct("=IIQ")
_LINK_INFO = Struct("=III4xII40x")
"""``struct bpf_link_info`` of a tcx link: type, id, prog_id, padding, ifindex, attach_type."""

_PROGRAM_INFO = Struct("=II")
"""The beginning of ``struct bpf_prog_info``: type, id."""

_PROGRAM_NAME = Struct("=64x16s")
"""More of it."""

_BY_ID = Struct("=III")
"""``union bpf_attr`` to get a program: id, next id, flags."""

MOST = 64
"""Programs at one place (``BPF_MPROG_MAX``)."""


def attach(program_fd: int, interface: int, place: int, *, first: bool = True) -> int:
    """Before all that are there, or behind them. The file descriptor of the link."""
    return bpf_fd(_LINK_CREATE, _LINK.pack(program_fd, interface, place, _BEFORE if first else 0))


def order(interface: int, place: int) -> list[int]:
    """The ids of the programs that are there, first one first."""
    found = (ctypes.c_uint32 * MOST)()
    query = _QUERY.pack(interface, place, 0, 0, ctypes.addressof(found), MOST, 0, 0, 0, 0)
    return list(found[: _QUERY.unpack(bpf(_PROG_QUERY, query))[5]])


def program_of(link_fd: int) -> tuple[int, int, int]:
    """The program's id, the interface, and the place of a link; interface 0 where it has gone."""
    info = ctypes.create_string_buffer(_LINK_INFO.size)
    bpf(_INFO_BY_FD, _INFO.pack(link_fd, _LINK_INFO.size, ctypes.addressof(info)))
    _, _, program, interface, place = _LINK_INFO.unpack(info.raw)
    return program, interface, place


def program_id(program_fd: int) -> int:
    """Of a program, by which the kernel lists it."""
    info = ctypes.create_string_buffer(_PROGRAM_INFO.size)
    bpf(_INFO_BY_FD, _INFO.pack(program_fd, _PROGRAM_INFO.size, ctypes.addressof(info)))
    number: int = _PROGRAM_INFO.unpack(info.raw)[1]
    return number


def program_name(number: int) -> str:
    """As in its source, at most 15 characters."""
    fd = bpf_fd(_PROG_BY_ID, _BY_ID.pack(number, 0, 0))
    try:
        info = ctypes.create_string_buffer(_PROGRAM_NAME.size)
        bpf(_INFO_BY_FD, _INFO.pack(fd, _PROGRAM_NAME.size, ctypes.addressof(info)))
    finally:
        os.close(fd)
    name: bytes = _PROGRAM_NAME.unpack(info.raw)[0]
    return name.rstrip(b"\0").decode()


def pin(link_fd: int, path: Path) -> None:
    """Keep the link when its file descriptors are closed; ``path`` lies in a BPF file system."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    bpf(_OBJ_PIN, _PIN.pack(ctypes.addressof(name), link_fd, 0))


def pinned(path: Path) -> int:
    """The file descriptor of a link that is pinned."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    return bpf_fd(_OBJ_GET, _PIN.pack(ctypes.addressof(name), 0, 0))
