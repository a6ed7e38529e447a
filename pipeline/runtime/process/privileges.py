"""Giving up privileges once the capture is set up: programs are loaded and sockets made before, everything else comes after.

After it neither this process nor a child can get any privilege back: all ids change, the supplementary groups too, the
kernel then clears every capability (capabilities(7), "Effect of user ID changes on capabilities"), and ``no_new_privs``
makes set-user-ID programs powerless (prctl(2)). Only what a source cannot do without stays, and it is not inherited by
programs that are started.
"""

import errno
import os
import pwd
from pathlib import Path

import msgspec

import pipeline
from pipeline import prctl
from pipeline.errors import ConfigError, Problem

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
    try:
        _drop(account, keep)
    except OSError as error:
        raise OSError(error.errno, f"privileges could not be given up as planned: {error.strerror}") from error


def _drop(account: pwd.struct_passwd, keep: frozenset[int]) -> None:
    if os.geteuid() == 0:
        prctl.keep_capabilities(keep=bool(keep))
        os.initgroups(account.pw_name, account.pw_gid)
        os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
        os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
        if keep:  # all of them are still permitted and none is in effect; threads that exist already have none
            prctl.limit_capabilities(keep)
            prctl.keep_capabilities(keep=False)
    if account.pw_uid and 0 in os.getresuid():
        raise PermissionError(errno.EPERM, "root is still among the user ids")
    prctl.forbid_new_privileges()
