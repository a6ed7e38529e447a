"""What a sink's process asks of the kernel: to end with its parent, and no privilege that it does not need. Linux only."""

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
CAPABILITY_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def end_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however it does (prctl(2), PR_SET_PDEATHSIG)."""
    _libc().prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it has ended before that
        os._exit(os.EX_UNAVAILABLE)


def forgo_privileges() -> None:
    """A sink captures nothing: the capabilities of a run without root go, and no program that is started can get any.

    Of root's process they stay, for its user id alone opens every file.
    """
    libc = _libc()
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.geteuid() != 0:
        none = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable, for 64 capabilities (capget(2))
        libc.capset(ctypes.byref(_Header(CAPABILITY_VERSION_3, 0)), none)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
