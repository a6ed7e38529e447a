"""Conditions: ``where``, routes, tests. Text in, out come compiled functions over one event or a batch."""

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from pipeline import native
from pipeline.expressions.assembly import Misses, build, view_for
from pipeline.expressions.compiler import Compiler
from pipeline.expressions.grammar import parse
from pipeline.model.events.event import Event
from pipeline.model.events.exchange import FIELDS
from pipeline.model.events.fields import FieldType

NO_EXTRA: Mapping[str, FieldType] = MappingProxyType({})

SOURCE = """
def test(event):
    x = {view}
    return {condition}

def select(events):
    kept = []
    keep = kept.append
    for event in events:
        x = {view}
        if {condition}:
            keep(event)
    return kept

def split(events):
    kept, rest = [], []
    keep, leave = kept.append, rest.append
    for event in events:
        x = {view}
        if {condition}:
            keep(event)
        else:
            leave(event)
    return kept, rest
"""
"""The loops stand inside the code object: a call per event would double the cost of a short filter."""

OF_ROWS = """
def places(rows):
    kept = []
    keep = kept.append
    for place, ({names},) in enumerate(rows):
        if {condition}:
            keep(place)
    return kept
"""
"""The same for exchanges in native memory, of which nothing but the values that the condition reads is made."""
COLUMNS = frozenset(field.attribute for field in FIELDS)
READ = re.compile(r"\bx\.(\w+)")


class Condition:
    """A compiled condition.

    ``test(event)`` one event; ``select(events)`` those for which it holds, in order; ``split(events)`` those and the others.
    ``fields`` are the names it reads; ``new_misses()`` says how often it met a missing one since this was last asked.
    """

    __slots__ = ("_columns", "_places", "_select", "fields", "new_misses", "source", "split", "test", "text")

    def __init__(self, text: str, extra: Mapping[str, FieldType] = NO_EXTRA) -> None:
        compiler = Compiler(extra)
        self.text = text
        self.source = compiler.condition(parse(text))
        self.fields = frozenset(compiler.scope.fields)
        misses = Misses()
        self.new_misses = misses.new
        columns = self._columns = list(dict.fromkeys(READ.findall(self.source)))
        by_rows = bool(columns) and COLUMNS.issuperset(columns) and "event." not in self.source
        source = SOURCE.format(condition=self.source, view=view_for(self.source))
        if by_rows:
            source += OF_ROWS.format(condition=READ.sub(r"x_\1", self.source), names=", ".join(f"x_{name}" for name in columns))
        functions = build(source, {**compiler.scope.constants, "enumerate": enumerate}, misses)
        self._places: Callable[[list[tuple[object, ...]]], list[int]] | None = functions["places"] if by_rows else None
        self.test: Callable[[Event], bool] = functions["test"]
        self._select: Callable[[Sequence[Event]], list[Event]] = functions["select"]
        self.split: Callable[[Sequence[Event]], tuple[list[Event], list[Event]]] = functions["split"]

    def select(self, events: Sequence[Event]) -> Sequence[Event]:
        """Those for which it holds, in order. What lies in native memory stays there."""
        if self._places is not None and isinstance(events, native.EVENTS):
            rows = events.columns(self._columns)
            if rows is not None:
                return events.picked(self._places(rows))
        return self._select(events)


def compile_condition(text: str, extra: Mapping[str, FieldType] = NO_EXTRA) -> Condition:
    """A condition; ``extra`` are the attributes known upstream. Raises ``ExpressionError``."""
    return Condition(text, extra)


def compile_filter(text: str, extra: Mapping[str, FieldType] = NO_EXTRA) -> Callable[[Event], bool]:
    """The test of one event. Raises ``ExpressionError``."""
    return Condition(text, extra).test
