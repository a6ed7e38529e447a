"""The ``path`` of a file sink: literal text, time tokens and values of the event. Pure.

``{{field}}`` is sanitised (``SanitisedTemplate``): it starts with literal text and cannot leave its folder.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from pipeline.api import Event, FieldType
from pipeline.model.file_names import DIGITS, FileNames, Place, spelled
from pipeline.sinks import time_tokens
from pipeline.sinks.file.rotation import apart
from pipeline.sinks.time_tokens import TOKENS

if TYPE_CHECKING:
    from pipeline.expressions.template import SanitisedTemplate

NAME_BYTES = 255
"""The longest name of a file or a folder (NAME_MAX of every common file system)."""


class FilePath:
    """A path whose ``problem`` is None. ``attributes`` are those that transforms add. Raises ``ExpressionError``."""

    def __init__(self, text: str, attributes: Mapping[str, FieldType]) -> None:
        self.text = text
        self._template = _template(text, attributes) if "{{" in text or "}}" in text else None
        self._timed = time_tokens.has_tokens(text)

    @property
    def literal(self) -> str | None:
        """The one path, where it is the same for every event."""
        if self.from_traffic or not time_tokens.is_timeless(self.text):
            return None
        return self.text.replace("%%", "%")

    @property
    def shortest(self) -> str:
        """A path as short as it can get."""
        return "".join(min(place.letters) for place in self.names().places if not place.repeated)

    @property
    def from_traffic(self) -> bool:
        """Whether traffic chooses part of it."""
        return self._template is not None

    def of(self, event: Event) -> str:
        """The path for this event; what traffic chose of it never makes it look like a rotated file."""
        path = self.text if self._template is None else self._template.render(event)
        if self._timed:
            # a sanitised value has no percent sign, so every token left here is the user's
            path = time_tokens.filled(path, event.timestamp_ns)
        return _apart(path) if self.from_traffic else path

    def names(self) -> FileNames:
        """Every path that it may give."""
        template = self._template
        first, *others = [self.text] if template is None else template.literals
        places = [*_places(_tidied(first))]
        letters = frozenset[str]() if template is None else template.letters
        for literal in others:
            places += [Place(letters - {"."}), Place(letters, repeated=True), *_places(literal)]
        return FileNames(tuple(places), from_traffic=self.from_traffic)

    def overflows(self, events: Iterable[Event]) -> int:
        """How many of these have a path with ``other``, since there were too many."""
        return 0 if self._template is None else self._template.overflows(events)


def _template(text: str, attributes: Mapping[str, FieldType]) -> "SanitisedTemplate":
    from pipeline.expressions.template import compile_sanitised  # noqa: PLC0415  start-up: most paths have no values

    return compile_sanitised(text, attributes)


def too_long(path: str, suffix_bytes: int) -> str | None:
    """What is wrong with the length of the path's names, the last of which gets so many bytes more; or None."""
    *folders, name = path.split("/")
    longest = max([len(name.encode()) + suffix_bytes, *(len(folder.encode()) for folder in folders)])
    return (
        None
        if longest <= NAME_BYTES
        else f"{path}: the file name is too long: {longest} bytes, of which {NAME_BYTES} are possible"
    )


def _places(text: str) -> Iterator[Place]:
    """A literal text with time tokens."""
    for at, piece in enumerate(re.split(r"%(.)", text)):
        if at % 2 and piece != "%":
            yield from (Place(DIGITS) if letter == "d" else Place(frozenset(letter)) for letter in TOKENS[piece])
        else:
            yield from spelled(piece)


def _tidied(text: str) -> str:
    """The beginning of a path without ``./`` and ``//``, so that two ways to write it are one."""
    folder, slash, name = text.rpartition("/")
    return posixpath.join(posixpath.normpath(folder or slash), name) if slash else name


_apart = lru_cache(maxsize=1024)(apart)


def problem(text: str) -> str | None:
    """What is wrong with a path, its expressions apart; or None."""
    if not text:
        return "must not be empty"
    if "\0" in text:
        return "must not contain a zero byte"
    if text.endswith("/"):
        return "must name a file, not a folder"
    return time_tokens.problem(text)
