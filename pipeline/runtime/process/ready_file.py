"""The file that stands while httpipe captures, for scripts that wait for it. In: a path or none.

That it cannot be created is an error before capturing begins. Once it has begun nothing here ends the run: the capture is worth
more than the file that announces it.
"""

import errno
import os
from pathlib import Path
from typing import Self

from pipeline.telemetry.logs import ComponentLog


class ReadyFile:
    """``with ReadyFile(path) as file``: what an earlier run left is removed first, and ours at the end."""

    def __init__(self, path: str | None) -> None:
        self._path = Path(path).absolute() if path is not None else None
        self._log = ComponentLog("")

    def __enter__(self) -> Self:
        """With the privileges of the start: a file of root's would be in the way of the user that we become."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        return self

    def check(self, user: str | None) -> None:
        """Raises ``PermissionError`` where we, as the user that we have become, could not create it."""
        if self._path is None or os.access(self._path.parent, os.W_OK | os.X_OK):
            return
        who = f'[process] user "{user}"' if user else "this user"
        message = f"{who} may not create the --ready-file {self._path}; put it into a folder where that user may write"
        raise PermissionError(errno.EACCES, message)

    def create(self) -> None:
        """Capturing has begun."""
        if self._path is not None:
            try:
                self._path.touch()
            except OSError as error:
                self._log.error("cannot create the --ready-file; capturing goes on", extra={"error": str(error)})

    def __exit__(self, *_: object) -> None:
        """Capturing has ended."""
        if self._path is not None:
            try:
                self._path.unlink(missing_ok=True)
            except OSError as error:
                self._log.warning("cannot remove the --ready-file", extra={"error": str(error)})
