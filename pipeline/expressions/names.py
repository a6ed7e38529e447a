"""What a name in an expression stands for: a field, its alias, a header, a query parameter, or an attribute known upstream."""

from collections.abc import Mapping

from pipeline.expressions.elsewhere import ELSEWHERE
from pipeline.expressions.errors import ExpressionError, did_you_mean
from pipeline.expressions.helpers import PYTHON_TYPES
from pipeline.expressions.term import Scope, Term
from pipeline.model.events.exchange import BY_ALIAS, BY_NAME, FAMILIES
from pipeline.model.events.fields import EVENT_NAME, FieldType

NUMBER_UNITS = {"_ms": "ms", "_secs": "secs", "_ns": "ns", "_bytes": "bytes", ".size": "bytes"}
"""Units by the ending of an attribute's name: the house's own rule for names."""

QUERY = ("url.query", "query")

UNKNOWN_FIELD = "unknown field"
"""How every message about a name that nothing has begins."""


class Names:
    """Looks names up; ``extra`` are the attributes that transforms upstream add."""

    def __init__(self, scope: Scope, extra: Mapping[str, FieldType]) -> None:
        self.scope = scope
        self.extra = extra

    def knows(self, name: str) -> bool:
        """Whether this is the whole name of something, a header included."""
        return name in BY_NAME or name in BY_ALIAS or name in self.extra or name == EVENT_NAME or _family(name) is not None

    def term(self, name: str) -> Term:
        """The term of a name. Raises ``ExpressionError`` with the nearest known name."""
        if name == EVENT_NAME:
            return Term("event.event_name", FieldType.STRING, text=name)
        if name in self.extra and name not in BY_NAME:
            return self.attribute(name)
        field = BY_NAME.get(name) or BY_ALIAS.get(name)
        if field is not None:
            self.scope.fields.add(field.name)
            unit = "ns" if field.type is FieldType.TIMESTAMP else field.unit
            maybe = field.type not in (FieldType.TIMESTAMP, FieldType.STRINGS)
            return Term(f"x.{field.attribute}", field.type, maybe=maybe, leaf=True, unit=unit, text=field.name)
        found = _family(name)
        if found is not None:
            return self.header(found[0], found[1])
        raise ExpressionError(self.unknown(name))

    def header(self, prefix: str, key: str) -> Term:
        """A header's combined value; ``prefix`` with or without its last dot."""
        family = next(family for family in FAMILIES if family.prefix.rstrip(".") == prefix.rstrip("."))
        key = key.lower()
        self.scope.fields.add(family.prefix + key)
        code = f"combined(x.{family.attribute}.get({key!r}))"
        return Term(code, FieldType.STRING, maybe=True, leaf=True, text=family.prefix + key)

    def parameter(self, key: str) -> Term:
        """A query parameter's first value."""
        self.scope.fields.add("url.query")
        return Term(f"query_parameter(x.url_query, {key!r})", FieldType.STRING, maybe=True, leaf=True, text=f'url.query["{key}"]')

    def attribute(self, name: str, asked: FieldType | None = None) -> Term:
        """An attribute. One that nobody upstream declares has the type that its context asks for."""
        known = self.extra.get(name)
        kind = known or asked or FieldType.STRING
        # JSON knows no times: a time in an attribute is text.
        kind = FieldType.STRING if kind is FieldType.TIMESTAMP else kind
        self.scope.fields.add(name)
        variable = self.scope.local()
        classes = self.scope.constant(frozenset(PYTHON_TYPES[kind]))
        code = f"({variable} if ({variable} := x.attributes.get({name!r})).__class__ in {classes} else None)"
        unit = next((unit for ending, unit in NUMBER_UNITS.items() if name.endswith(ending)), "")
        retype = None if known else lambda wanted: self.attribute(name, wanted)
        return Term(code, kind, maybe=True, leaf=True, unit=unit, text=name, retype=retype)

    def unknown(self, name: str) -> str:
        """The message for a name that nothing has."""
        known = [*BY_NAME, *BY_ALIAS, *self.extra]
        meant = ELSEWHERE.get(name.lower())
        hint = f'; did you mean "{meant}"?' if meant else did_you_mean(name, known)
        if not hint and "." not in name and any(full.endswith("." + name) for full in BY_NAME):
            hint = f'; did you mean "{next(full for full in BY_NAME if full.endswith("." + name))}"?'
        hint = hint or f'; an attribute that no transform upstream adds is written attributes["{name}"]'
        return f'{UNKNOWN_FIELD} "{name}"{hint}'


def _family(name: str) -> tuple[str, str] | None:
    for family in FAMILIES:
        if name.startswith(family.prefix) and len(name) > len(family.prefix):
            return family.prefix, name[len(family.prefix) :]
    return None
