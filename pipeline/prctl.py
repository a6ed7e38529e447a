"""prctl(2), capget(2), capset(2), unshare(2), for which Python has no functions: what a process may do, how it ends. Linux only.

They concern the thread that calls, and what it starts. Each function raises ``OSError`` where the kernel refuses.
"""

import ctypes
import os
import signal
from collections.abc import Iterable
from struct import Struct

_CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4

_HEADER = Struct("=Ii").pack(0x20080522, 0)
"""``__user_cap_header_struct``: version 3, this thread (capget(2))."""
_DATA = Struct("=" + 6 * "I")
"""``__user_cap_data_struct`` twice, for the lower and the upper 32: effective, permitted, inheritable."""

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """The kernel kills this process when the thread that started it ends, however it ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def keep_capabilities(*, keep: bool) -> None:
    """Whether the permitted capabilities outlive the change from root to another user."""
    _prctl(PR_SET_KEEPCAPS, int(keep))


def forbid_new_privileges() -> None:
    """Neither this process nor what it starts gets any privilege from the programs that it executes, for good."""
    _prctl(PR_SET_NO_NEW_PRIVS, 1)


def clear_ambient_capabilities() -> None:
    """Programs that are started inherit none."""
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)


def limit_capabilities(numbers: Iterable[int]) -> None:
    """These are in effect and permitted from now on, and no others; none is inheritable."""
    mask = sum(1 << number for number in numbers)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    _checked(_libc.capset(_HEADER, _DATA.pack(low, low, 0, high, high, 0)))


def raise_permitted_capabilities() -> None:
    """Every permitted one is in effect from now on. A file that gives them with ``=p`` (setcap) leaves that to the program."""
    data = ctypes.create_string_buffer(_DATA.size)
    _checked(_libc.capget(_HEADER, data))
    _, low, low_inheritable, _, high, high_inheritable = _DATA.unpack(data.raw)
    _checked(_libc.capset(_HEADER, _DATA.pack(low, low, low_inheritable, high, high, high_inheritable)))


def enter_new_network() -> None:
    """This thread is in a network namespace of its own from now on, which goes with it."""
    _checked(_libc.unshare(_CLONE_NEWNET))


def _prctl(option: int, argument: int) -> None:
    _checked(_libc.prctl(option, argument, 0, 0, 0))


def _checked(result: int) -> None:
    if result:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
