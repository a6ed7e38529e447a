"""Maps made and filled by user space, to be put into a map of maps.

Comes in: entries. Goes out: a file descriptor, or ``OSError``. Nothing else knows of such a map until it is put somewhere.
"""

import ctypes
import os
from collections.abc import Mapping
from enum import IntEnum
from struct import Struct

from pipeline.sources.bpf.syscall import bpf, bpf_fd

_MAP_CREATE, _MAP_UPDATE_BATCH = 0, 26
_NO_PREALLOC, _INNER_MAP = 1, 1 << 12

_CREATE = Struct("=IIIIIII16s4x")
"""``union bpf_attr`` for making a map: type, key and value bytes, entries, flags, inner map, NUMA node, name."""
_BATCH = Struct("=QQQQIIQQ")
"""``union bpf_attr`` for many entries at once: in_batch, out_batch, keys, values, count, map_fd, elem_flags, flags."""

AT_ONCE = 4096
"""Entries in one call, for which keys and values are copied together."""


class Kind(IntEnum):
    """``enum bpf_map_type``."""

    HASH = 1
    ARRAY = 2
    LPM_TRIE = 11


def make(kind: Kind, name: str, key_bytes: int, value_bytes: int, entries: Mapping[bytes, bytes]) -> int:
    """A map that has these entries, and room for no others."""
    flags = _INNER_MAP if kind is Kind.ARRAY else _NO_PREALLOC
    fd = bpf_fd(_MAP_CREATE, _CREATE.pack(kind, key_bytes, value_bytes, max(len(entries), 1), flags, 0, 0, name.encode()))
    try:
        keys, values = list(entries), list(entries.values())
        for start in range(0, len(keys), AT_ONCE):
            _put(fd, keys[start : start + AT_ONCE], values[start : start + AT_ONCE])
    except BaseException:
        os.close(fd)
        raise
    return fd


def _put(fd: int, keys: list[bytes], values: list[bytes]) -> None:
    """Linux 5.6; 5.13 for an LPM trie."""
    key_buffer = ctypes.create_string_buffer(b"".join(keys))
    value_buffer = ctypes.create_string_buffer(b"".join(values))
    bpf(_MAP_UPDATE_BATCH, _BATCH.pack(0, 0, ctypes.addressof(key_buffer), ctypes.addressof(value_buffer), len(keys), fd, 0, 0))
