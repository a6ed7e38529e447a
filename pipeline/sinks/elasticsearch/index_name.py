"""Into which index an event goes: literal text, time tokens and values of the event. Pure.

Untrusted peers choose the values, and each index costs the cluster memory for ever: a name begins with literal text, a value
keeps harmless characters only, and after some different ones the rest goes to ``other``.
"""

import re
from collections.abc import Iterable, Mapping

from pipeline.api import ConfigError, Event, FieldType
from pipeline.errors import Problem
from pipeline.expressions.errors import ExpressionError
from pipeline.expressions.template import compile_sanitised
from pipeline.sinks import time_tokens

MOST_NAMES = 100
"""Different results of a template, days apart: a node holds a thousand shards (``cluster.max_shards_per_node``)."""
LONGEST = 255
"""Bytes of a name (Elasticsearch and OpenSearch, API "create index")."""

_INSERTED = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_LITERAL = re.compile(r"[a-z0-9._-]+")


class IndexName:
    """The name for each event. Raises ``ConfigError``."""

    def __init__(self, text: str, attributes: Mapping[str, FieldType]) -> None:
        try:
            self._template = compile_sanitised(text, attributes, most_results=MOST_NAMES)
        except ExpressionError as error:
            raise ConfigError(error.at("index")) from error
        if (wrong := _wrong(text)) is not None:
            raise ConfigError([Problem("index", wrong)])
        self._text = text
        self._timed = time_tokens.has_tokens(text)
        self._literal = self._template.is_literal and not self._timed

    @property
    def pattern(self) -> str:
        """What matches every name that it may give: ``*`` for a value, and for a time token."""
        return time_tokens.TOKEN.sub("*", _INSERTED.sub("*", self._text))

    def of(self, event: Event) -> str:
        """The name for this event."""
        if self._literal:
            return self._text
        name = self._template.render(event)
        if self._timed:  # a sanitised value has no percent sign
            name = time_tokens.filled(name, event.timestamp_ns)
        return name[:LONGEST].lower()

    def overflows(self, events: Iterable[Event]) -> int:
        """How many of these have a name with ``other``, since there were too many."""
        return self._template.overflows(events)


def _wrong(text: str) -> str | None:
    if (problem := time_tokens.problem(text)) is not None:
        return problem
    fixed = time_tokens.TOKEN.sub("0", _INSERTED.sub("x", text))
    if "%%" in text or not _LITERAL.fullmatch(fixed) or text[0] in "-_" or fixed in (".", "..") or len(fixed) > LONGEST:
        return f'"{text}" is not the name of an index: small letters, digits, ".", "_" and "-", which do not begin it'
    return None
