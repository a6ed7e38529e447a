"""Which executables are wanted: globs of paths, compiled once."""

import os
import re
from collections.abc import Iterable, Sequence
from fnmatch import translate
from glob import escape, has_magic

from pipeline.sources.tls.config import ANY

DELETED = " (deleted)"
"""What the kernel appends to the path of a file that is gone, such as a program that was upgraded while it runs."""


class Wanted:
    """``Wanted(executables, exclude)(path)``. A glob without ``/`` is one of file names.

    The kernel names the file that runs, so a path that is a symbolic link also stands for the file that it leads to.
    """

    def __init__(self, executables: Iterable[str], exclude: Iterable[str] = ()) -> None:
        self._executables = tuple(executables)
        self._wanted = _compiled(self._executables)
        self._excluded = _compiled(exclude)

    def __call__(self, path: str) -> bool:
        """``path`` as the kernel names it, also of a deleted file."""
        path = path.removesuffix(DELETED)
        return self._wanted(path) and not self._excluded(path)

    def without(self, paths: Iterable[str]) -> Sequence[str]:
        """Which of the globs in ``executables`` fit none of these paths, as they were written."""
        paths = [path.removesuffix(DELETED) for path in paths]
        return [pattern for pattern in self._executables if not any(map(_compiled([pattern]), paths))]


class _compiled:  # noqa: N801  stands for a function
    def __init__(self, patterns: Iterable[str]) -> None:
        names: list[str] = []
        paths: list[str] = []
        for pattern in patterns:
            (paths if "/" in pattern else names).append(translate("*" if pattern == ANY else pattern))
            if "/" in pattern and not has_magic(pattern):
                paths.append(translate(escape(os.path.realpath(pattern))))
        self._names = re.compile("|".join(names)) if names else None
        self._paths = re.compile("|".join(paths)) if paths else None

    def __call__(self, path: str) -> bool:
        if self._paths is not None and self._paths.match(path):
            return True
        return self._names is not None and self._names.match(path.rpartition("/")[2]) is not None
