"""A batch as objects: which events go together, under which key. Pure.

The name of an object is made of its content: what is written again as it was has the same key and takes its own place.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

from pipeline.api import Event, FieldType
from pipeline.sinks.file.paths import FilePath, problem
from pipeline.sinks.time_tokens import filled

LONGEST_KEY = 1024
"""Bytes of a key (Amazon S3, "Object key names")."""
LONGEST_NAME = 64
"""Bytes of the part of it that ``name_of`` and a suffix make."""


def wrong_prefix(text: str) -> str | None:
    """What is wrong with the beginning of keys; None where nothing is."""
    if text.startswith("/") or "//" in text:
        return "must not begin with a slash, nor have two in a row: stores take them for folders without a name"
    if any(piece in {".", ".."} for piece in text.split("/")):
        return 'must not have "." or ".." as a folder'
    if len(text.encode()) > LONGEST_KEY - LONGEST_NAME:
        return f"is too long: a key has {LONGEST_KEY} bytes at the most"
    return problem(text.rstrip("/"))


class Keys:
    """The folders of a bucket that events go to. Raises ``ExpressionError``."""

    def __init__(self, prefix: str, attributes: Mapping[str, FieldType]) -> None:
        self._path = FilePath(prefix.rstrip("/"), attributes)

    def by_folder(self, batch: Sequence[Event]) -> Mapping[str, Sequence[int]]:
        """The places of the batch by the folder that their events go to, in order."""
        if self._path.literal is not None:
            return {self._path.literal: range(len(batch))}
        places: defaultdict[str, list[int]] = defaultdict(list)
        for place, event in enumerate(batch):
            places[self._path.of(event)].append(place)
        return places

    def overflows(self, events: Iterable[Event]) -> int:
        """How many of these have a folder with ``other``, since there were too many."""
        return self._path.overflows(events)


def name_of(first: Event, content: bytes | bytearray) -> str:
    """``20260102T030405Z-`` of the first event, and a digest of all of them: names sort by time and never meet by chance."""
    return f"{filled('%Y%m%dT%H%M%SZ', first.timestamp_ns)}-{blake2b(content, digest_size=12).hexdigest()}"
