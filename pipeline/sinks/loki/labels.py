"""To which stream of Loki an event belongs: its label set, made by templates. Pure.

Untrusted peers choose what templates insert, and each label set is a stream that Loki keeps in memory and indexes: their number
is bounded, and the rest goes to ``other``.
"""

import re
from collections.abc import Iterable, Mapping

from pipeline.api import Event, FieldType
from pipeline.errors import Problem
from pipeline.expressions.errors import ExpressionError
from pipeline.expressions.template import MISSING, OTHER, Template, compile_template

LONGEST_VALUE = 500
"""Characters of a label's value. Loki takes 2048 bytes (``max_label_value_length``)."""

_NOT_TAKEN = re.compile("[\ud800-\udfff\ufffd]")
"""In the value of a label, Loki takes no sign for a byte that is no text; halves of surrogate pairs become such signs in JSON."""

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

LabelSet = tuple[str, ...]
"""The values of the labels, in the order of the table."""


def compiled(option: str, texts: Mapping[str, str], extra: Mapping[str, FieldType]) -> tuple[dict[str, Template], list[Problem]]:
    """Templates by the name of the label, and everything that is wrong with names and templates."""
    problems: list[Problem] = []
    templates: dict[str, Template] = {}
    for name, text in texts.items():
        if not _NAME.fullmatch(name):
            problems.append(Problem(f"{option}.{name}", "is not a name of a label: letters, digits and _, no digit first"))
        try:
            templates[name] = compile_template(text, extra)
        except ExpressionError as error:
            problems += error.at(f"{option}.{name}")
    return templates, problems


class Labels:
    """The label set of each event; at most ``most`` different ones."""

    def __init__(self, templates: Mapping[str, Template], most: int) -> None:
        self._names = tuple(templates)
        self._templates = tuple(templates.values())
        self._known: set[LabelSet] = set()
        self._most = most
        self._other = tuple(each.text if each.is_literal else OTHER for each in self._templates)
        self._alike = self._other if all(each.is_literal for each in self._templates) else None

    def of(self, event: Event) -> LabelSet:
        """Of this event. A value that is missing is ``unknown``: Loki drops empty ones."""
        if self._alike is not None:
            return self._alike
        found = tuple([_NOT_TAKEN.sub("?", each.render(event)[:LONGEST_VALUE]) or MISSING for each in self._templates])
        if found in self._known:
            return found
        if len(self._known) >= self._most:
            return self._other
        self._known.add(found)
        return found

    def named(self, values: LabelSet) -> dict[str, str]:
        """The labels of a set by their names."""
        return dict(zip(self._names, values, strict=True))

    def overflows(self, sets: Iterable[LabelSet]) -> int:
        """How many of these, which ``of`` gave, stand for label sets that were too many."""
        # by identity: traffic may say "other", too
        return 0 if self._alike is not None else sum(values is self._other for values in sets)


def grouped(sets: Iterable[LabelSet]) -> dict[LabelSet, list[int]]:
    """The places of events by their label set."""
    groups: dict[LabelSet, list[int]] = {}
    for place, values in enumerate(sets):
        groups.setdefault(values, []).append(place)
    return groups
