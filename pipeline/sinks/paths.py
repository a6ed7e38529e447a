"""The ``path`` of a file sink: literal text, time tokens and values of the event. Pure.

Time tokens are those of strftime(3) that Vector's users write, filled in with the event's own time in UTC, so that a path means
the same on every host. ``{{field}}`` is confined (``ConfinedTemplate``): it starts with literal text and cannot leave its folder.
"""

import re
import time
from collections.abc import Mapping
from functools import lru_cache

from pipeline.api import Event, FieldType
from pipeline.expressions import ConfinedTemplate, compile_confined

TOKENS = "YmdHMSjF"
_TOKEN = re.compile(r"%(.?)")
_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z


class FilePath:
    """A path whose ``problem`` is None. ``attributes`` are those that transforms add. Raises ``ExpressionError``."""

    def __init__(self, text: str, attributes: Mapping[str, FieldType]) -> None:
        self.text = text
        self._template: ConfinedTemplate = compile_confined(text, attributes)
        self._timed = bool(_TOKEN.search(text))

    @property
    def literal(self) -> str | None:
        """The one path, where it is the same for every event."""
        if not self._template.is_literal or any(match[1] != "%" for match in _TOKEN.finditer(self.text)):
            return None
        return self.text.replace("%%", "%")

    def of(self, event: Event) -> str:
        """The path for this event."""
        path = self._template.render(event)
        if not self._timed:
            return path
        # A confined value has no percent sign, so every token left here is the user's. A capture file may claim any time.
        return _at(path, min(max(event.timestamp_ns // 1_000_000_000, 0), _LAST_SECOND))

    def new_overflows(self) -> int:
        """How many events met too many different paths since this was last asked."""
        return self._template.new_overflows()


@lru_cache(maxsize=256)
def _at(path: str, seconds: int) -> str:
    return time.strftime(path, time.gmtime(seconds))


def problem(text: str) -> str | None:
    """What is wrong with a path, its expressions apart; or None."""
    if not text:
        return "must not be empty"
    if "\0" in text:
        return "must not contain a zero byte"
    if text.endswith("/"):
        return "must name a file, not a folder"
    for match in _TOKEN.finditer(text):
        if not match[1] or match[1] not in f"{TOKENS}%":
            known = " ".join(f"%{token}" for token in TOKENS)
            return f"unknown time token %{match[1]}; known are {known}, and %% for a percent sign"
    return None
