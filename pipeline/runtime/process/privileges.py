"""Giving up privileges once the capture is set up: programs are loaded and sockets made before, everything else comes after.

After it neither this process nor a child can get any privilege back: all ids change, the supplementary groups too, the
kernel then clears every capability (capabilities(7), "Effect of user ID changes on capabilities"), and ``no_new_privs``
makes set-user-ID programs powerless (prctl(2)). Only what a source cannot do without stays, and it is not inherited by
programs that are started.
"""

import ctypes
import errno
import os
import pwd
from pathlib import Path
from struct import Struct

import msgspec

import pipeline
from pipeline.errors import ConfigError, Problem

PR_SET_KEEPCAPS, PR_SET_NO_NEW_PRIVS = 8, 38

_CAPABILITIES = Struct("=" + 6 * "I")
"""``__user_cap_data_struct`` twice, for the lower and the upper 32: effective, permitted, inheritable."""
_HEADER = Struct("=Ii").pack(0x20080522, 0)
"""Version 3, this thread."""

_libc = ctypes.CDLL(None, use_errno=True)

INSTALLATION = (os, msgspec, pipeline)
"""Python, what we depend on, ourselves: where each lies, more is imported later."""


def find(user: str) -> pwd.struct_passwd:
    """The account; raises ``ConfigError`` when there is none, or when this process may not become it.

    Raises ``PermissionError`` where that user could not read the installation: imports would fail in the middle of the run.
    """
    if (problem := unknown(user)) is not None:
        raise ConfigError([problem])
    account = pwd.getpwnam(user)
    if os.geteuid() not in {0, account.pw_uid}:
        raise ConfigError([Problem("process.user", f'only root can become "{user}"; start httpipe as root or as that user')])
    if os.geteuid() == 0 and (place := _unreadable(account)):
        remedy = "install httpipe where it may be read, such as below /opt, or start it as that user (docs/capture.md)"
        raise PermissionError(errno.EACCES, f'[process] user "{user}" may not read {place}; {remedy}')
    return account


def unknown(user: str) -> Problem | None:
    """Set where there is no such account."""
    try:
        pwd.getpwnam(user)
    except KeyError:
        return Problem("process.user", f'there is no user "{user}" on this host')
    return None


def _unreadable(account: pwd.struct_passwd) -> Path | None:
    """The first folder of the installation that this account may not enter and read. We are root again afterwards."""
    places = [Path(module.__file__).parent for module in INSTALLATION if module.__file__]
    groups, group = os.getgroups(), os.getegid()
    try:
        os.initgroups(account.pw_name, account.pw_gid)
        os.setegid(account.pw_gid)
        os.seteuid(account.pw_uid)
        return next((place for place in places if not os.access(place, os.R_OK | os.X_OK, effective_ids=True)), None)
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def drop(account: pwd.struct_passwd, keep: frozenset[int] = frozenset()) -> None:
    """Become that user for good, with the capabilities of ``keep``. Raises ``OSError`` rather than go on with privileges."""
    if os.geteuid() == 0:
        if keep:
            _checked(_libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
        os.initgroups(account.pw_name, account.pw_gid)
        os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
        os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
        if keep:
            _keep_only(keep)
    if account.pw_uid and 0 in os.getresuid():
        raise PermissionError("root privileges could not be given up")
    _checked(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def _keep_only(capabilities: frozenset[int]) -> None:
    """PR_SET_KEEPCAPS left all of them permitted and none in effect. Threads that exist already have none."""
    mask = sum(1 << number for number in capabilities)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    _checked(_libc.capset(_HEADER, _CAPABILITIES.pack(low, low, 0, high, high, 0)))
    _checked(_libc.prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0))


def _checked(result: int) -> None:
    if result:
        error = ctypes.get_errno()
        raise OSError(error, f"privileges could not be given up as planned: {os.strerror(error)}")
