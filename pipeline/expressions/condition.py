"""Conditions: ``where``, routes, tests. Text in, out come compiled functions over one event or a batch."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from pipeline.expressions.assembly import Misses, build, view_for
from pipeline.expressions.compiler import Compiler
from pipeline.expressions.grammar import parse
from pipeline.model.events.event import Event
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


class Condition:
    """A compiled condition.

    ``test(event)`` one event; ``select(events)`` those for which it holds, in order; ``split(events)`` those and the others.
    ``fields`` are the names it reads; ``new_misses()`` says how often it met a missing one since this was last asked.
    """

    __slots__ = ("fields", "new_misses", "select", "source", "split", "test", "text")

    def __init__(self, text: str, extra: Mapping[str, FieldType] = NO_EXTRA) -> None:
        compiler = Compiler(extra)
        self.text = text
        self.source = compiler.condition(parse(text))
        self.fields = frozenset(compiler.scope.fields)
        misses = Misses()
        self.new_misses = misses.new
        functions = build(SOURCE.format(condition=self.source, view=view_for(self.source)), compiler.scope.constants, misses)
        self.test: Callable[[Event], bool] = functions["test"]
        self.select: Callable[[Sequence[Event]], list[Event]] = functions["select"]
        self.split: Callable[[Sequence[Event]], tuple[list[Event], list[Event]]] = functions["split"]


def compile_condition(text: str, extra: Mapping[str, FieldType] = NO_EXTRA) -> Condition:
    """A condition; ``extra`` are the attributes known upstream. Raises ``ExpressionError``."""
    return Condition(text, extra)


def compile_filter(text: str, extra: Mapping[str, FieldType] = NO_EXTRA) -> Callable[[Event], bool]:
    """The test of one event. Raises ``ExpressionError``."""
    return Condition(text, extra).test
