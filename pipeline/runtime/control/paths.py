"""Where control sockets are: those a pipeline tries to listen on, and those of the pipelines that run here.

Unless a pipeline file names its socket, the first pipeline of a folder has ``httpipe.sock``, the next ``httpipe-2.sock``…
"""

import os
from collections.abc import Mapping, Sequence
from glob import glob

MOST_INSTANCES = 8
"""Pipelines of one user that find a socket by themselves; whoever runs more names theirs."""


def own_paths(environ: Mapping[str, str] = os.environ) -> Sequence[str]:
    """What a pipeline tries, in this order: in the folder that systemd made for it, or the user's. Empty where there is none."""
    folder = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0] or ("/run" if os.geteuid() == 0 else "")
    folder = folder or environ.get("XDG_RUNTIME_DIR", "")
    if not folder:
        return ()
    numbered = (f"{folder}/httpipe-{number}.sock" for number in range(2, MOST_INSTANCES + 1))
    return (f"{folder}/httpipe.sock", *numbered)


def sockets_here(environ: Mapping[str, str] = os.environ) -> Sequence[str]:
    """Sockets of pipelines that may run here, ours first; some may be left over from a crash. Root sees those of all users."""
    folders = [os.path.dirname(path) for path in own_paths(environ)[:1]]  # noqa: PTH120  text, as glob wants it
    folders += [environ.get("XDG_RUNTIME_DIR", ""), "/run/httpipe", "/run/httpipe-*", "/run"]
    if os.geteuid() == 0:
        folders.append("/run/user/*")
    found = [path for folder in folders if folder for path in _sorted(glob(f"{folder}/httpipe*.sock"))]  # noqa: PTH207  as above
    return tuple(dict.fromkeys(found))


def _sorted(paths: Sequence[str]) -> Sequence[str]:
    """``httpipe.sock`` before ``httpipe-2.sock``."""
    return sorted(paths, key=lambda path: (len(path), path))
