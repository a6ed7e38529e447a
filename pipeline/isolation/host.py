"""What a sink's process asks of the kernel: to end with its parent, and no privilege that it does not need. Linux only."""

import os
from contextlib import suppress

from pipeline import prctl


def end_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however it does."""
    prctl.die_with_parent()
    if os.getppid() != parent:  # it has ended before that
        os._exit(os.EX_UNAVAILABLE)


def forgo_privileges() -> None:
    """A sink captures nothing: the capabilities of a run without root go, and no program that is started can get any.

    Of root's process they stay, for its user id alone opens every file.
    """
    with suppress(OSError):  # some sandboxes know no ambient capabilities
        prctl.clear_ambient_capabilities()
    prctl.forbid_new_privileges()
    if os.geteuid() != 0:
        prctl.limit_capabilities(())
