"""From a checked syntax tree to typed Python source. Names and types are resolved here; nothing is evaluated.

The rule for what is missing: **a comparison that touches a missing field is false**, and ``not`` negates what it finds, so
``status >= 500`` and ``status < 500`` are both false without a response and ``not status >= 500`` is true. Arithmetic and
functions on a missing value are missing; a division by zero is missing too. Every miss of a field is counted.
"""

import ast
from collections.abc import Mapping

from pipeline.errors import did_you_mean
from pipeline.expressions.calls import FUNCTIONS, call, cidr
from pipeline.expressions.errors import ExpressionError, each
from pipeline.expressions.literals import parse_quantity, parse_time
from pipeline.expressions.names import QUERY, Names
from pipeline.expressions.term import Scope, Term, common_type, type_text
from pipeline.model.events.fields import FieldType
from pipeline.model.events.kinds import is_held

LARGEST_INT = 1 << 63
"""Integers are those of 64 bits, as in JSON codecs and in Kafka."""

MOST_PRODUCTS = 8
"""Multiplications in one expression: products of 64-bit numbers then stay far below what a float can hold."""

ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%"}
ORDER = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


class Compiler:
    """Translates one tree; ``scope`` holds what the code needs beside its text."""

    def __init__(self, extra: Mapping[str, FieldType]) -> None:
        self.scope = Scope()
        self.names = Names(self.scope, extra)

    # -- conditions: always true or false, never missing

    def condition(self, node: ast.expr) -> str:
        """Code that is true or false for every event."""
        match node:
            case ast.BoolOp(op=op, values=values):
                word = " and " if isinstance(op, ast.And) else " or "
                return "(" + word.join(each(self.condition, values)) + ")"
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return f"(not {self.condition(operand)})"
            case ast.Compare():
                return self.comparison(node)
        term = self.value(node)
        if term.retype is not None:
            term = term.retype(FieldType.BOOL)
        if term.type is not FieldType.BOOL:
            raise ExpressionError(f'"{ast.unparse(node)}" is {type_text(term)}, where true or false is wanted{_test_hint(term)}')
        guard, code = self.scope.bind(term)
        return f"({guard} and {code})" if guard else code

    def comparison(self, node: ast.Compare) -> str:
        """``a < b <= c``: every operand once, all guards first."""
        if isinstance(node.ops[0], ast.In | ast.NotIn):
            return self.membership(node)
        terms = each(self.value, (node.left, *node.comparators))
        terms = self.reconciled(terms, node)
        guards, codes = [], []
        for term in terms:
            guard, code = self.scope.bind(term)
            guards += [guard] if guard else []
            codes.append(code)
        chain = codes[0]
        for operator, code in zip(node.ops, codes[1:], strict=True):
            if type(operator) not in ORDER:
                raise ExpressionError(f'"{ast.unparse(node)}": "in" does not stand in a chain of comparisons')
            chain += f" {ORDER[type(operator)]} {code}"
        return "(" + " and ".join([*guards, chain]) + ")"

    def reconciled(self, terms: list[Term], node: ast.Compare) -> list[Term]:
        """The operands with literals and undeclared attributes adapted to what they are compared with."""
        text = ast.unparse(node)
        guide = next((term for term in terms if term.literal is None and term.retype is None), None)
        guide = guide or next((term for term in terms if term.literal is not None), terms[0])
        adapted = [self.adapt(term, guide, text) for term in terms]
        kinds = {FieldType.FLOAT if term.is_number else term.type for term in adapted}
        if FieldType.STRINGS in kinds:
            raise ExpressionError(f'"{text}": ask a list of texts with "in", such as "gap" in httpipe.marks')
        if len(kinds) > 1:
            first, second = adapted[0], next(term for term in adapted if term.type is not adapted[0].type)
            raise ExpressionError(f'"{text}" compares {type_text(first)} with {type_text(second)}{_conversion_hint(adapted)}')
        ordered = any(not isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops)
        if FieldType.BOOL in kinds and ordered:
            raise ExpressionError(f'"{text}": true and false have no order')
        return adapted

    def adapt(self, term: Term, guide: Term, text: str) -> Term:
        """One operand, adapted to the type and unit of the operand that decides."""
        if term.retype is not None and term is not guide:
            return term.retype(guide.type)
        if not isinstance(term.literal, str) or guide.type is FieldType.STRING:
            return term
        if guide.type is FieldType.TIMESTAMP:
            moment = parse_time(term.literal)
            if moment is None:
                raise ExpressionError(f'"{text}": "{term.literal}" is not a time such as "2026-01-31T12:00:00Z"')
            return Term(str(moment), FieldType.TIMESTAMP)
        if guide.is_number:
            number = parse_quantity(term.literal, guide.unit)
            if number is None:
                wanted = {"bytes": '"10KiB"', "ms": '"250ms"', "secs": '"30s"', "ns": '"5us"'}.get(guide.unit)
                hint = f"a text such as {wanted} or a plain number" if wanted else "a plain number"
                raise ExpressionError(f'"{text}" compares a number with the text "{term.literal}"; write {hint}')
            return Term(repr(number), guide.type)
        return term

    def membership(self, node: ast.Compare) -> str:
        """``x in (…)``, ``"part" in text``, ``"mark" in list``, ``address in cidr(…)``, and their ``not in``."""
        text = ast.unparse(node)
        if len(node.ops) > 1:
            raise ExpressionError(f'"{text}": "in" does not stand in a chain of comparisons')
        negated = isinstance(node.ops[0], ast.NotIn)
        left, right = self.value(node.left), node.comparators[0]
        match right:
            case ast.Call(func=ast.Name(id="cidr"), args=arguments):
                left = left.retype(FieldType.STRING) if left.retype else left
                if left.type is not FieldType.STRING:
                    raise ExpressionError(f'"{text}": only an address (text) can be in cidr(…)')
                guard, code = self.scope.bind(left)
                test = f"{self.scope.constant(cidr(arguments, text))}({code})"
            case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
                members = self.members(left, elements, text)
                left = left.retype(members[0].type) if left.retype else left
                guard, code = self.scope.bind(left)
                values = frozenset(ast.literal_eval(member.code) for member in members)
                test = f"{code} in {self.scope.constant(values)}"
            case _:
                container = self.value(right)
                container = container.retype(FieldType.STRING) if container.retype else container
                left = left.retype(FieldType.STRING) if left.retype else left
                if left.type is not FieldType.STRING or container.type not in (FieldType.STRING, FieldType.STRINGS):
                    raise ExpressionError(f'"{text}": "in" looks for text in text, in a list, or in cidr(…)')
                guard, code = self.scope.bind(left)
                outer, inner = self.scope.bind(container)
                guard = " and ".join(part for part in (guard, outer) if part)
                test = f"{code} in {inner}"
        test = f"not ({test})" if negated else test
        return f"({guard} and {test})" if guard else f"({test})"

    def members(self, left: Term, elements: list[ast.expr], text: str) -> list[Term]:
        """The members of a list of constants, each adapted to the left operand."""
        terms = each(self.value, elements)
        if not terms or any(term.literal is None for term in terms):
            raise ExpressionError(f'"{text}": a list after "in" holds constants, and at least one')
        guide = terms[0] if left.retype else left
        adapted = [self.adapt(term, guide, text) for term in terms]
        for term in adapted:
            if term.type is not guide.type and not (term.is_number and guide.is_number):
                raise ExpressionError(f'"{text}" compares {type_text(guide)} with {type_text(term)}')
        return adapted

    # -- values: may be missing

    def value(self, node: ast.expr) -> Term:  # noqa: PLR0911  one return per kind of node
        """The term of any part of the tree."""
        match node:
            case ast.Constant(value=value):
                return self.constant(value)
            case ast.Name() | ast.Attribute():
                return self.name(node)
            case ast.Subscript(value=base, slice=ast.Constant(value=str(key))):
                return self.subscript(base, key, node)
            case ast.Call():
                return call(self, node)
            case ast.BinOp():
                return self.arithmetic(node)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.negative(operand)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.choice(test, body, orelse)
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp():
                return Term(self.condition(node), FieldType.BOOL)
        raise ExpressionError(f'"{ast.unparse(node)}" has no meaning here')

    def constant(self, value: object) -> Term:
        """A literal."""
        match value:
            case bool():
                return Term(repr(value), FieldType.BOOL, literal=value)
            case int() if value < LARGEST_INT:
                return Term(repr(value), FieldType.INT, literal=value)
            case float() if value < 1e300:
                return Term(repr(value), FieldType.FLOAT, literal=value)
            case str():
                return Term(repr(value), FieldType.STRING, literal=value)
            case None:
                raise ExpressionError("there is no None here; write has(field) or not has(field)")
        raise ExpressionError(f'"{value!r}" is not a number, a text, True or False')

    def name(self, node: ast.expr) -> Term:
        """A dotted name."""
        dotted = _dotted(node)
        if dotted is None:
            raise ExpressionError(f'"{ast.unparse(node)}" has no meaning here: names are those of fields')
        if dotted in FUNCTIONS or dotted == "cidr":
            raise ExpressionError(f'"{dotted}" is a function; write {dotted}(…)')
        if dotted in ("true", "false"):
            raise ExpressionError(f'write {dotted.capitalize()} for "{dotted}"')
        return self.names.term(dotted)

    def subscript(self, base: ast.expr, key: str, node: ast.expr) -> Term:
        """``http.request.header["x-id"]``, ``url.query["page"]``, ``attributes["my.name"]``."""
        match _dotted(base):
            case "http.request.header" | "http.response.header" as prefix:
                return self.names.header(prefix, key)
            case name if name in QUERY:
                return self.names.parameter(key)
            case "attributes" if not is_held(key):
                return self.names.attribute(key)
            case "attributes":
                raise ExpressionError(f'"{key}" is a field, not an attribute; write {key}')
        known = ("http.request.header", "http.response.header", "url.query", "attributes")
        hint = did_you_mean(_dotted(base) or "", known)
        raise ExpressionError(f'"{ast.unparse(node)}": only headers, url.query and attributes take [...]{hint}')

    def arithmetic(self, node: ast.BinOp) -> Term:
        """``+ - * / // %`` on numbers; ``+`` on texts."""
        text = ast.unparse(node)
        self.refuse_header_dash(node)
        left, right = map(self.numeric, each(self.value, (node.left, node.right)))
        symbol = ARITHMETIC[type(node.op)]
        texts = left.type is right.type is FieldType.STRING and symbol == "+"
        if not texts and not (left.is_number and right.is_number):
            raise ExpressionError(f'"{text}": "{symbol}" takes two numbers{" or two texts" if symbol == "+" else ""}')
        self.scope.products += symbol == "*"
        if self.scope.products > MOST_PRODUCTS:
            raise ExpressionError(f"more than {MOST_PRODUCTS} multiplications in one expression")
        guard_left, code_left = self.scope.bind(left)
        guard_right, code_right = self.scope.bind(right)
        guards = [guard for guard in (guard_left, guard_right) if guard]
        if symbol in ("/", "//", "%"):
            divisor = self.scope.local()
            guards.append(f"({divisor} := {code_right}) != 0")
            code_right = divisor
        code = f"({code_left} {symbol} {code_right})"
        kind = (
            left.type
            if texts
            else FieldType.FLOAT
            if symbol == "/" or FieldType.FLOAT in (left.type, right.type)
            else FieldType.INT
        )
        return _guarded(code, kind, guards, _unit(left, symbol, right))

    def numeric(self, term: Term) -> Term:
        """An undeclared attribute in arithmetic is a number."""
        return term.retype(FieldType.FLOAT) if term.retype else term

    def refuse_header_dash(self, node: ast.BinOp) -> None:
        """A header's name with a dash parses as a subtraction: say what to write."""
        dotted = _dotted(node.left) or ""
        prefix, _, key = dotted.rpartition("header.")
        if prefix in ("http.request.", "http.response.") and isinstance(node.op, ast.Sub):
            rest = ast.unparse(node.right).replace(" ", "")
            raise ExpressionError(f'write {prefix}header["{key}-{rest}"] for a header with a dash in its name')

    def negative(self, operand: ast.expr) -> Term:
        """``-x``."""
        term = self.numeric(self.value(operand))
        if not term.is_number:
            raise ExpressionError(f'"-{ast.unparse(operand)}": "-" takes a number')
        if isinstance(term.literal, int | float):
            return Term(repr(-term.literal), term.type, literal=-term.literal)
        guard, code = self.scope.bind(term)
        return _guarded(f"(-{code})", term.type, [guard] if guard else [], term.unit)

    def choice(self, test: ast.expr, body: ast.expr, orelse: ast.expr) -> Term:
        """``a if condition else b``."""
        condition = self.condition(test)
        yes, no = each(self.value, (body, orelse))
        kind = common_type([yes, no], "both sides of if … else")
        code = f"({yes.code} if {condition} else {no.code})"
        return Term(code, kind, maybe=yes.maybe or no.maybe, unit=yes.unit if yes.unit == no.unit else "")


def _guarded(code: str, kind: FieldType, guards: list[str], unit: str = "") -> Term:
    if not guards:
        return Term(code, kind, unit=unit)
    return Term(f"({code} if {' and '.join(guards)} else None)", kind, maybe=True, unit=unit)


def _unit(left: Term, symbol: str, right: Term) -> str:
    """The unit of a result, so that ``duration_ms * 2 > "1s"`` can be read: a plain number changes it nowhere."""
    if right.literal is not None or (left.unit == right.unit and symbol in "+-"):
        return left.unit
    return right.unit if left.literal is not None and symbol in "+-*" else ""


def _dotted(node: ast.expr) -> str | None:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=base, attr=name):
            prefix = _dotted(base)
            return None if prefix is None else f"{prefix}.{name}"
    return None


def _test_hint(term: Term) -> str:
    return f"; write has({term.text})" if term.text else ""


def _conversion_hint(terms: list[Term]) -> str:
    header = next((term for term in terms if ".header." in term.text or "url.query[" in term.text), None)
    return f"; write int(…) around {header.text}" if header and any(term.is_number for term in terms) else ""
