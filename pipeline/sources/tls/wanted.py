"""Which executables are wanted: globs of paths, compiled once."""

import re
from collections.abc import Iterable
from fnmatch import translate

from pipeline.sources.tls.config import ANY

DELETED = " (deleted)"
"""What the kernel appends to the path of a file that is gone, such as a program that was upgraded while it runs."""


class Wanted:
    """``Wanted(executables, exclude)(path)``. A glob without ``/`` is one of file names."""

    def __init__(self, executables: Iterable[str], exclude: Iterable[str] = ()) -> None:
        self._wanted = _compiled(executables)
        self._excluded = _compiled(exclude)

    def __call__(self, path: str) -> bool:
        """``path`` as the kernel names it, also of a deleted file."""
        path = path.removesuffix(DELETED)
        return self._wanted(path) and not self._excluded(path)


class _compiled:  # noqa: N801  stands for a function
    def __init__(self, patterns: Iterable[str]) -> None:
        names: list[str] = []
        paths: list[str] = []
        for pattern in patterns:
            (paths if "/" in pattern else names).append(translate("*" if pattern == ANY else pattern))
        self._names = re.compile("|".join(names)) if names else None
        self._paths = re.compile("|".join(paths)) if paths else None

    def __call__(self, path: str) -> bool:
        if self._paths is not None and self._paths.match(path):
            return True
        return self._names is not None and self._names.match(path.rpartition("/")[2]) is not None
