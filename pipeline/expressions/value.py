"""Values: ``key``, ``value``, the right-hand sides of ``set``. Text in, out comes a function from an event to a value or None."""

from collections.abc import Callable, Mapping

from pipeline.codecs.timestamp import rfc3339
from pipeline.expressions.assembly import Misses, build, view_for
from pipeline.expressions.compiler import Compiler
from pipeline.expressions.condition import NO_EXTRA
from pipeline.expressions.grammar import parse
from pipeline.model.events.event import AttributeValue, Event
from pipeline.model.events.fields import FieldType

SOURCE = """
def value(event):
    x = {view}
    return {code}
"""


class Value:
    """A compiled value of type ``type``; ``of(event)`` gives it, or None where something it needs is missing.

    A time is given as RFC 3339 text, as the codecs write it. ``new_misses()`` as of a condition.
    """

    __slots__ = ("fields", "new_misses", "of", "source", "text", "type", "unit")

    def __init__(self, text: str, extra: Mapping[str, FieldType] = NO_EXTRA) -> None:
        compiler = Compiler(extra)
        term = compiler.value(parse(text))
        self.text = text
        self.type = term.type
        self.unit = term.unit
        self.source = term.code
        if term.leaf:
            guard, code = compiler.scope.bind(term)
            self.source = f"({code} if {guard} else None)" if guard else code
        self.fields = frozenset(compiler.scope.fields)
        code = f"rfc3339({self.source})" if term.type is FieldType.TIMESTAMP else self.source
        misses = Misses()
        self.new_misses = misses.new
        constants = {**compiler.scope.constants, "rfc3339": rfc3339}
        self.of: Callable[[Event], AttributeValue | None] = build(
            SOURCE.format(code=code, view=view_for(code)), constants, misses
        )["value"]


def compile_value(text: str, extra: Mapping[str, FieldType] = NO_EXTRA) -> Value:
    """A value; ``extra`` are the attributes known upstream. Raises ``ExpressionError``."""
    return Value(text, extra)
