"""From text to a syntax tree in which only allowed nodes stand. Nothing is looked up or evaluated here.

Python's own parser reads the text; every node is then held against an allow-list. Length and depth are bounded first, so that
no text, however made, can exhaust the parser or this process.
"""

import ast
import re

from pipeline.expressions.errors import ExpressionError

LONGEST_TEXT = 65_536
"""Characters: room for an ``in`` with some thousand members."""

DEEPEST = 50
"""Levels of nesting: far more than people write, far less than Python's own stack."""

ALLOWED = (
    ast.Expression,
    ast.BoolOp,
    ast.And,
    ast.Or,
    ast.UnaryOp,
    ast.Not,
    ast.USub,
    ast.BinOp,
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.Div,
    ast.FloorDiv,
    ast.Mod,
    ast.Compare,
    ast.Eq,
    ast.NotEq,
    ast.Lt,
    ast.LtE,
    ast.Gt,
    ast.GtE,
    ast.In,
    ast.NotIn,
    ast.IfExp,
    ast.Call,
    ast.Constant,
    ast.Name,
    ast.Attribute,
    ast.Subscript,
    ast.List,
    ast.Tuple,
    ast.Set,
    ast.Load,
)

FOREIGN = {
    ast.Is: '"is" is not part of the language; write == or has(field)',
    ast.IsNot: '"is not" is not part of the language; write != or has(field)',
    ast.Pow: '"**" is not part of the language',
    ast.BitAnd: '"&" is not part of the language; write "and"',
    ast.BitOr: '"|" is not part of the language; write "or"',
    ast.Lambda: '"lambda" is not part of the language',
    ast.JoinedStr: "f-strings are not part of the language; join texts with +",
    ast.NamedExpr: '":=" is not part of the language; write == to compare',
    ast.keyword: "arguments have no names here",
}
"""What people try first, with what to write instead."""


def parse(text: str) -> ast.expr:
    """The tree of an expression. Raises ``ExpressionError``."""
    if len(text) > LONGEST_TEXT:
        raise ExpressionError(f"an expression has at most {LONGEST_TEXT} characters, this one {len(text)}")
    if not text.strip():
        raise ExpressionError("an expression is wanted here, this text is empty")
    try:
        tree = ast.parse(_source(text), mode="eval").body
    except SyntaxError as error:
        raise ExpressionError(_syntax_message(text, error)) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(f"this cannot be read as an expression: {error or 'nested too deeply'}") from None
    _check(tree, 0)
    return tree


def _source(text: str) -> str:
    """Parentheses let an expression run over several lines of a TOML string."""
    text = text.strip()
    return f"({text}\n)" if "\n" in text else text


_ASSIGNMENT = re.compile(r"(?<![=!<>])=(?!=)")


def _syntax_message(text: str, error: SyntaxError) -> str:
    line = error.lineno or 1
    column = (error.offset or 1) - (line == 1 and "\n" in text.strip())
    hint = ""
    if "&&" in text or "||" in text:
        hint = '; write "and", "or"'
    elif _ASSIGNMENT.search(text):
        hint = '; write "==" to compare'
    where = f"column {max(column, 1)}" if "\n" not in text else f"line {line}, column {max(column, 1)}"
    return f"cannot be read at {where}: {error.msg.partition('.')[0]}{hint}"


def _check(node: ast.AST, depth: int) -> None:
    if depth > DEEPEST:
        raise ExpressionError(f"nested deeper than {DEEPEST} levels")
    if not isinstance(node, ALLOWED):
        name = type(node).__name__
        raise ExpressionError(FOREIGN.get(type(node), f"{name} is not part of the language"))
    for child in ast.iter_child_nodes(node):
        # `a + b + c + …` leans to the left: depth counts there too, and a long sum is nobody's filter.
        _check(child, depth + 1)
