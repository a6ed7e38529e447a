"""How an expression evaluates on one event, part by part: for people who wonder why it does not hold. Pure."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.expressions.condition import NO_EXTRA, Condition
from pipeline.expressions.errors import ExpressionError
from pipeline.expressions.grammar import parse
from pipeline.expressions.value import Value
from pipeline.model.events.event import AttributeValue, Event
from pipeline.model.events.fields import FieldType


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an expression: its text, its value (None: missing), the parts of which it is made.

    ``is_field`` marks a leaf that reads a field, a header or an attribute.
    """

    text: str
    value: AttributeValue | None
    parts: tuple["Part", ...] = ()
    is_field: bool = False


def explain(text: str, event: Event, extra: Mapping[str, FieldType] = NO_EXTRA) -> Part:
    """The expression as a tree of parts, each evaluated by itself. Raises ``ExpressionError`` as compiling does."""
    return _part(parse(text), event, extra)


def lines(part: Part) -> Iterator[str]:
    """The tree as text, one part a line."""
    yield f"{_shown(part.value)}  {part.text}"
    yield from _below(part, "")


def _below(part: Part, indent: str) -> Iterator[str]:
    for index, each in enumerate(part.parts):
        last = index == len(part.parts) - 1
        branch, rest = ("└─ ", "   ") if last else ("├─ ", "│  ")
        shown = f"{each.text} = {_shown(each.value)}" if each.is_field else f"{_shown(each.value)}  {each.text}"
        yield f"{indent}{branch}{shown}"
        yield from _below(each, indent + rest)


def _part(node: ast.expr, event: Event, extra: Mapping[str, FieldType]) -> Part:
    text = ast.unparse(node)
    match node:
        case ast.BoolOp(values=values):
            return Part(text, Condition(text, extra).test(event), tuple(_part(value, event, extra) for value in values))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return Part(text, Condition(text, extra).test(event), (_part(operand, event, extra),))
    fields = tuple(Part(name, Value(name, extra).of(event), is_field=True) for name in dict.fromkeys(_reads(node, extra)))
    return Part(text, Value(text, extra).of(event), fields)


def _reads(node: ast.AST, extra: Mapping[str, FieldType]) -> Iterator[str]:
    """The outermost names and subscripts that are values by themselves."""
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        text = ast.unparse(node)
        try:
            Value(text, extra)
        except ExpressionError:
            pass  # the name of a function or a method, or the front half of a longer name
        else:
            yield text
            return
    for child in ast.iter_child_nodes(node):
        yield from _reads(child, extra)


def _shown(value: AttributeValue | None) -> str:
    match value:
        case None:
            return "missing"
        case bool():
            return "true " if value else "false"
        case str():
            # repr escapes what a terminal would obey: the value came off the wire.
            return f'"{value[:200].encode("unicode_escape").decode()}"' + ("…" if len(value) > 200 else "")
        case _:
            return str(value)[:200]
