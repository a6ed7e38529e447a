"""A term: one part of an expression, checked and translated to Python source."""

import ast
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from pipeline.expressions.errors import ExpressionError
from pipeline.model.events.fields import FieldType

Literal = str | int | float | bool


class Term(msgspec.Struct, frozen=True):
    """``code`` evaluates to a value of ``type``, or to None where ``maybe`` and something it needs is missing.

    ``leaf``   it reads a field itself: when it is missing, that is counted here and not further up.
    ``unit``   of a number: what a literal such as "10KiB" means beside it.
    ``literal``  the value of a constant, so that it can be adapted to what it is compared with.
    ``text``   how it is written, for messages.
    ``retype``  gives the term with the type that its context asks for: of an attribute that nobody upstream has declared.
    """

    code: str
    type: FieldType
    maybe: bool = False
    leaf: bool = False
    unit: str = ""
    literal: Literal | None = None
    text: str = ""
    retype: Callable[[FieldType], "Term"] | None = None

    @property
    def is_number(self) -> bool:
        """An int or a float."""
        return self.type in (FieldType.INT, FieldType.FLOAT)


class Scope(msgspec.Struct):
    """What one compilation collects: constants by name, names of local variables, fields that are read."""

    constants: dict[str, Any] = msgspec.field(default_factory=dict)
    fields: set[str] = msgspec.field(default_factory=set)
    locals: int = 0
    products: int = 0

    def constant(self, value: object) -> str:
        """The name under which the code finds an object."""
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name

    def local(self) -> str:
        """A fresh local variable."""
        self.locals += 1
        return f"v{self.locals}"

    def bind(self, term: Term) -> tuple[str, str]:
        """The guard under which the term has a value (empty: always), and the code of that value."""
        if not term.maybe:
            return "", term.code
        name = self.local()
        missing = " or miss()" if term.leaf else ""
        return f"(({name} := {term.code}) is not None{missing})", name


class Translator(Protocol):
    """What a function of the language asks of the compiler: the terms of its arguments, and where to put what the code needs."""

    scope: Scope

    def value(self, node: ast.expr) -> Term:
        """The term of any part of the tree."""
        ...


def type_text(term: Term) -> str:
    """A term's type in a sentence."""
    return {
        FieldType.STRING: "text",
        FieldType.INT: "a number",
        FieldType.FLOAT: "a number",
        FieldType.BOOL: "true or false",
        FieldType.STRINGS: "a list of texts",
        FieldType.TIMESTAMP: "a time",
    }[term.type]


def common_type(terms: list[Term], what: str) -> FieldType:
    """The one type of several values; ints and floats give float."""
    kinds = {term.type for term in terms}
    if len(kinds) == 1:
        return terms[0].type
    if all(term.is_number for term in terms):
        return FieldType.FLOAT
    raise ExpressionError(f"{what} must have the same type, these are " + " and ".join(type_text(term) for term in terms))
