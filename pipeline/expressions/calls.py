"""The functions and methods of the language: a closed table. What is not in it cannot be called."""

import ast
from collections.abc import Callable
from ipaddress import ip_network

import msgspec

from pipeline.errors import did_you_mean
from pipeline.expressions.errors import ExpressionError
from pipeline.expressions.helpers import cidr_test
from pipeline.expressions.patterns import glob_test, regex_test
from pipeline.expressions.term import Term, Translator, common_type, type_text
from pipeline.model.events.fields import FieldType

TEXT_TESTS = {"startswith": "{0}.startswith({1})", "endswith": "{0}.endswith({1})"}
TEXT_CHANGES = {"lower": "{0}.lower()", "upper": "{0}.upper()", "strip": "{0}.strip()"}
PATTERNS: dict[str, Callable[[str], Callable[[str], bool]]] = {"matches": regex_test, "glob": glob_test}
METHODS = (*TEXT_TESTS, *TEXT_CHANGES, *PATTERNS, "contains")


class Conversion(msgspec.Struct, frozen=True):
    """A function of one value. ``code`` may give None: then the result is missing."""

    code: str
    result: FieldType
    takes: tuple[FieldType, ...]


NUMBERS_AND_TEXT = (FieldType.STRING, FieldType.INT, FieldType.FLOAT)
CONVERSIONS = {
    "int": Conversion("to_int({0})", FieldType.INT, NUMBERS_AND_TEXT),
    "float": Conversion("to_float({0})", FieldType.FLOAT, NUMBERS_AND_TEXT),
    "str": Conversion("to_str({0})", FieldType.STRING, (*NUMBERS_AND_TEXT, FieldType.BOOL, FieldType.STRINGS)),
    "len": Conversion("len({0})", FieldType.INT, (FieldType.STRING, FieldType.STRINGS)),
}
FUNCTIONS = (*CONVERSIONS, "has", "coalesce")


def call(compiler: Translator, node: ast.Call) -> Term:
    """The term of a call."""
    match node.func:
        case ast.Name(id="has"):
            return _has(compiler, node)
        case ast.Name(id="coalesce"):
            return _coalesce(compiler, node)
        case ast.Name(id="cidr"):
            raise ExpressionError('cidr(…) stands after "in": client.address in cidr("10.0.0.0/8")')
        case ast.Name(id=name) if name in CONVERSIONS:
            return _convert(compiler, node, name)
        case ast.Name(id=name) if name in METHODS:
            raise ExpressionError(f'"{name}" is asked of a text: url.path.{name}(…)')
        case ast.Name(id=name):
            raise ExpressionError(f'unknown function "{name}"{did_you_mean(name, (*FUNCTIONS, "cidr"))}')
        case ast.Attribute(value=base, attr=name) if name in METHODS:
            return _method(compiler, base, name, node)
        case ast.Attribute(attr=name):
            raise ExpressionError(f'unknown method "{name}"{did_you_mean(name, METHODS)}')
    raise ExpressionError(f'"{ast.unparse(node)}" cannot be called')


def _has(compiler: Translator, node: ast.Call) -> Term:
    argument = _only(node, "has")
    if not isinstance(argument, ast.Name | ast.Attribute | ast.Subscript):
        raise ExpressionError("has(…) takes the name of a field")
    # Of an undeclared attribute any type will do, so presence is asked of the mapping itself.
    term = compiler.value(argument)
    if term.retype is not None:
        return Term(f"({term.text!r} in x.attributes)", FieldType.BOOL)
    if term.type is FieldType.STRINGS and not term.maybe:
        return Term(f"({term.code} != ())", FieldType.BOOL)
    return Term(f"({term.code} is not None)" if term.maybe else "True", FieldType.BOOL)


def _coalesce(compiler: Translator, node: ast.Call) -> Term:

    if len(node.args) < 2:
        raise ExpressionError("coalesce(…) takes two values or more: the first that is not missing is the result")
    terms = [compiler.value(argument) for argument in node.args]
    kind = common_type([term for term in terms if term.retype is None] or terms, "the values of coalesce(…)")
    terms = [term.retype(kind) if term.retype else term for term in terms]
    code = terms[-1].code
    for term in reversed(terms[:-1]):
        name = compiler.scope.local()
        code = f"({name} if ({name} := {term.code}) is not None else {code})"
    return Term(code, kind, maybe=all(term.maybe for term in terms), unit=terms[0].unit)


def _convert(compiler: Translator, node: ast.Call, name: str) -> Term:
    conversion = CONVERSIONS[name]
    term = compiler.value(_only(node, name))
    if term.type not in conversion.takes:
        raise ExpressionError(f"{name}(…) does not take {type_text(term)}")
    guard, code = compiler.scope.bind(term)
    code = conversion.code.format(code)
    fails = name in ("int", "float")
    return Term(f"({code} if {guard} else None)" if guard else code, conversion.result, maybe=bool(guard) or fails)


def _method(compiler: Translator, base: ast.expr, name: str, node: ast.Call) -> Term:
    term = compiler.value(base)
    if term.type is not FieldType.STRING:
        raise ExpressionError(f'"{ast.unparse(node)}": {name}() is asked of a text, this is {type_text(term)}')
    guard, code = compiler.scope.bind(term)
    if name in TEXT_CHANGES:
        _arguments(node, name, 0, 0)
        code = TEXT_CHANGES[name].format(code)
        return Term(f"({code} if {guard} else None)" if guard else code, FieldType.STRING, maybe=bool(guard))
    test = _text_test(compiler, name, code, node)
    return Term(f"({guard} and {test})" if guard else test, FieldType.BOOL)


def _text_test(compiler: Translator, name: str, code: str, node: ast.Call) -> str:
    texts = [literal_text(argument, f"{name}(…)") for argument in _arguments(node, name, 1, 1 if name in PATTERNS else 100)]
    if name in PATTERNS:
        return f"{compiler.scope.constant(PATTERNS[name](texts[0]))}({code})"
    if name == "contains":
        return "(" + " or ".join(f"{text!r} in {code}" for text in texts) + ")"
    return TEXT_TESTS[name].format(code, repr(texts[0]) if len(texts) == 1 else repr(tuple(texts)))


def cidr(arguments: list[ast.expr], text: str) -> Callable[[str], bool]:
    """Make the test that ``in`` with networks stands for."""
    if not arguments:
        raise ExpressionError(f'"{text}": cidr(…) takes networks such as "10.0.0.0/8"')
    networks = []
    for argument in arguments:
        network = literal_text(argument, "cidr(…)")
        try:
            networks.append(ip_network(network))
        except ValueError as error:
            raise ExpressionError(f"cidr: {error}") from None
    return cidr_test(networks)


def literal_text(node: ast.expr, what: str) -> str:
    """A constant text, as some functions want it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise ExpressionError(f'{what} takes constant texts in quotes, not "{ast.unparse(node)}"')


def _only(node: ast.Call, name: str) -> ast.expr:
    return _arguments(node, name, 1, 1)[0]


def _arguments(node: ast.Call, name: str, least: int, most: int) -> list[ast.expr]:
    if not least <= len(node.args) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise ExpressionError(f"{name}(…) takes {wanted} argument{'s' * (wanted != '1')}, not {len(node.args)}")
    return node.args
