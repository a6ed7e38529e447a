"""Templates: text with ``{{expression}}`` in it. ``Template`` for values and keys, ``SanitisedTemplate`` for topics and paths.

What a template interpolates is chosen by untrusted peers. A sanitised one therefore starts with literal text, keeps only harmless
characters of a value, never lets a value climb out of that text, and gives a bounded number of different results.
"""

import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final

from pipeline.expressions.condition import NO_EXTRA
from pipeline.expressions.errors import ExpressionError, each
from pipeline.expressions.helpers import to_str
from pipeline.expressions.value import Value
from pipeline.model.events.event import AttributeValue, Event
from pipeline.model.events.fields import FieldType

MISSING: Final = "unknown"
"""What stands in a sanitised text for a missing value."""

OTHER: Final = "other"
"""What stands for every value once there are too many different ones."""

LONGEST_VALUE: Final = 100
"""Characters of a value in a sanitised text: a Kafka topic has 249, a file name 255."""

MOST_RESULTS: Final = 1000
"""Different results of one sanitised template. Each is a topic or an open file, and clients choose them by their Host header."""

_VALUE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_HARMFUL = re.compile(r"[^A-Za-z0-9._-]|(?<![^.])\.|\.(?=\.)")
"""Everything but letters, digits, ``_`` and ``-``; and a dot that starts a value or stands beside another."""


class Template:
    """Literal texts and values in turn; ``render(event)`` puts them together. A missing value is the empty text."""

    __slots__ = ("_first", "_rest", "fields", "is_literal", "text")

    def __init__(self, text: str, extra: Mapping[str, FieldType] = NO_EXTRA) -> None:
        self.text = text
        pieces = _VALUE.split(text)
        if any("{{" in piece or "}}" in piece for piece in pieces[::2]):
            raise ExpressionError(f'"{text}": "{{{{" and "}}}}" do not match')
        values = each(lambda piece: Value(piece.strip(), extra), pieces[1::2])
        self.fields: frozenset[str] = frozenset().union(*(value.fields for value in values))
        self.is_literal = not values
        self._first = pieces[0]
        self._rest = [(value.of, literal) for value, literal in zip(values, pieces[2::2], strict=True)]

    @property
    def literals(self) -> list[str]:
        """The literal texts before, between and after the values."""
        return [self._first, *(literal for _, literal in self._rest)]

    def render(self, event: Event) -> str:
        """The text for one event."""
        return self._first + "".join([_text(of(event)) + literal for of, literal in self._rest])


class SanitisedTemplate(Template):
    """For names of topics and files; ``render(event)`` gives one.

    ``overflows(events)`` tells how many of those that it was rendered for got ``other``. A value consists of ``letters``, and
    never begins with a dot.
    """

    __slots__ = ("_limit", "_results")
    letters = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")

    def __init__(self, text: str, extra: Mapping[str, FieldType] = NO_EXTRA, *, most_results: int = MOST_RESULTS) -> None:
        each(lambda check: check(), (partial(super().__init__, text, extra), partial(_starts_with_text, text)))
        self._results: dict[tuple[str, ...], str] = {}
        self._limit = most_results

    def render(self, event: Event) -> str:
        """The text for one event."""
        if self.is_literal:
            return self.text
        values = self._values(event)
        found = self._results.get(values)
        if found is not None:
            return found
        if len(self._results) >= self._limit:
            return self._joined([OTHER] * len(values))
        result = self._results[values] = self._joined([sanitised(value) for value in values])
        return result

    def overflows(self, events: Iterable[Event]) -> int:
        """How many of these met a full table. It stays full, so they are those that are not in it."""
        if len(self._results) < self._limit:
            return 0
        return sum(self._values(event) not in self._results for event in events)

    def _values(self, event: Event) -> tuple[str, ...]:
        return tuple([_text(of(event))[:LONGEST_VALUE] for of, _ in self._rest])

    def _joined(self, values: list[str]) -> str:
        return self._first + "".join(value + literal for value, (_, literal) in zip(values, self._rest, strict=True))


def _starts_with_text(text: str) -> None:
    if _VALUE.match(text):
        raise ExpressionError(f'"{text}" starts with a value from traffic; start with literal text, such as "http-{text}"')


def sanitised(value: str) -> str:
    """A value as it may stand in the name of a topic or a file: no separators, no ``..``, bounded."""
    return _HARMFUL.sub("_", value[:LONGEST_VALUE]) or MISSING


def compile_template(text: str, extra: Mapping[str, FieldType] = NO_EXTRA) -> Template:
    """A template whose values are not sanitised, for values and keys. Raises ``ExpressionError``."""
    return Template(text, extra)


def compile_sanitised(
    text: str, extra: Mapping[str, FieldType] = NO_EXTRA, *, most_results: int = MOST_RESULTS
) -> SanitisedTemplate:
    """A template for names of topics and files. Raises ``ExpressionError``."""
    return SanitisedTemplate(text, extra, most_results=most_results)


def _text(value: AttributeValue | None) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else to_str(value)
