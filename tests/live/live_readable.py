"""Programs that become nobody, wherever the clone lies: CI may put it where only root may enter, such as below /root.

``readable(command)`` is the command in a mount namespace of its own, in which the checkout and the interpreter stand at their own
paths and every folder above them may be entered by anybody. Where that is so anyway it is the command as it is.
"""

import ctypes
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NEEDED = (ROOT, Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve())

MS_BIND, MS_REC = 0x1000, 0x4000


def readable(command: Sequence[str]) -> list[str]:
    """What to start instead, as root."""
    if not any(map(_closed, NEEDED)):
        return list(command)
    return ["unshare", "--mount", sys.executable, __file__, *command]


def _closed(place: Path) -> Path | None:
    """The topmost folder on the way to a place, itself included, that others may not enter."""
    way = reversed([place, *place.parents])
    return next((folder for folder in way if not folder.stat().st_mode & stat.S_IXOTH), None)


def _open_up() -> None:
    """Put an empty folder over what is closed, and into it only the way to what is needed and that itself, as it was."""
    os.umask(0o022)
    held = {place: os.open(place, os.O_PATH | os.O_DIRECTORY) for place in NEEDED}
    for place, descriptor in held.items():
        hidden = not place.exists()  # by the empty folder for another place
        closed = None if hidden else _closed(place)
        if closed:
            _mount("none", closed, "tmpfs", 0, "mode=755")
        if hidden or closed:
            place.mkdir(parents=True, exist_ok=True)
            _fill(place, Path(f"/proc/self/fd/{descriptor}"))


def _fill(place: Path, was: Path) -> None:
    for child in was.iterdir():
        new = place / child.name
        if child.is_dir():
            new.mkdir()
        else:
            new.touch()
        _mount(str(child), new, None, MS_BIND | MS_REC)


def _mount(source: str, target: Path, kind: str | None, flags: int, data: str | None = None) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    texts = [text.encode() if text is not None else None for text in (source, str(target), kind, data)]
    if libc.mount(*texts[:3], ctypes.c_ulong(flags), texts[3]):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), str(target))


if __name__ == "__main__":
    _open_up()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  the command as it is, without a shell
