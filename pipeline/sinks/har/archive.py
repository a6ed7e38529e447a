"""One HTTP Archive on disk: a whole JSON document after every batch.

::

    {"log":{"version":"1.2","creator":{…},"pages":[],"entries":[     the beginning
    {"startedDateTime":…},                                           an entry a line
    {"startedDateTime":…}
    ]}}                                                              the end
"""

import json
import mmap
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from pipeline.api import Event
from pipeline.codecs import har
from pipeline.sinks.file.whole_file import WholeFile


class Archive(WholeFile[Sequence[Event]]):
    """Appends exchanges."""

    END = har.END
    KIND = "an archive"

    def __init__(self, path: Path, *, mode: int, max_bytes: int, show_secrets: bool, now_ns: Callable[[], int]) -> None:
        super().__init__(path, mode=mode, max_bytes=max_bytes, now_ns=now_ns)
        self._show_secrets = show_secrets

    def _beginning(self) -> bytes:
        return har.beginning(version("httpipe"))

    def _text(self, items: Sequence[Event]) -> bytes:
        return har.entries(items, first=self._empty, show_secrets=self._show_secrets)

    def _is_ours(self, content: mmap.mmap) -> bool:
        return content[: len(har.OURS)] == har.OURS[: len(content)]

    def _behind_last_part(self, content: mmap.mmap) -> int:
        """Found at once where the end is there; else line by line, from behind."""
        whole = content[-len(har.END) :] == har.END
        end = len(content) - len(har.END) if whole else _behind_last_entry(content)
        self._empty = content[end - 1 : end] == b"["
        return end


def _behind_last_entry(content: mmap.mmap) -> int:
    """Where the last line ends that is a whole entry, or else the beginning; 0 where not even that is whole."""
    end = len(content)
    while (before := content.rfind(b"\n", 0, end)) >= 0:
        line = content[before + 1 : end].rstrip(b",\n")
        with suppress(json.JSONDecodeError):
            if isinstance(json.loads(line), dict):
                return before + 1 + len(line)
        end = before
    return end if content[max(0, end - len(har.ENTRIES)) : end] == har.ENTRIES else 0
