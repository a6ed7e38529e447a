"""Files that transforms look things up in: read when made, read again when changed, kept as they were when the new one is bad.

The engine does the reading (``Context.read_file``); what stands here only understands bytes.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from pipeline.api import ConfigError, Context
from pipeline.errors import Problem

T = TypeVar("T")

CHECK_EVERY_NS = 1_000_000_000
"""A file is looked at once a second: a `stat` each."""


class FileError(Exception):
    """A file that cannot be understood, said to its author."""


class WatchedFile(Generic[T]):
    """``content`` is what ``understand`` made of the newest good version of the file.

    A file that cannot be read or understood at the start is an error of the configuration; later it is logged and counted
    (``reload_failed``), and the last good version stays. Counter of good ones: ``reloaded``.
    """

    def __init__(self, path: str, understand: Callable[[bytes], T], empty: T, context: Context, option: str = "file") -> None:
        self.path = path
        self.content = empty
        self._understand = understand
        self._context = context
        self._checked_ns = 0
        try:
            data = context.read_file(path)
            if data is not None:
                self.content = understand(data)
        except OSError as error:
            raise ConfigError([Problem(option, f'"{path}" cannot be read: {error.strerror or error}')]) from error
        except FileError as error:
            raise ConfigError([Problem(option, f'"{path}": {error}')]) from error

    def refresh(self, now_ns: int) -> None:
        """Take a new version, if there is one; at most once a second."""
        if now_ns - self._checked_ns < CHECK_EVERY_NS:
            return
        self._checked_ns = now_ns
        try:
            data = self._context.read_file(self.path)
            if data is None:
                return
            self.content = self._understand(data)
        except (OSError, FileError) as error:
            self._context.count("reload_failed", 1)
            self._context.log.warning(
                "the file cannot be used; its last good version stays", extra={"path": self.path, "error": str(error)}
            )
        else:
            self._context.count("reloaded", 1)
            self._context.log.info("the file was read again", extra={"path": self.path})
